import { useEffect, useSyncExternalStore } from "react";

import * as session from "./api/session";
import icon from "./icon.svg";
import { choose, languages, useLanguage, useTexts } from "./i18n";
import { NotFound } from "./NotFound";
import { Profile } from "./profile/Profile";
import { usePage } from "./router";
import { SignIn } from "./signin/SignIn";

export function App() {
  const texts = useTexts();
  const page = usePage();
  const person = useSyncExternalStore(session.subscribe, session.whoIsSignedIn);
  useEffect(() => {
    document.title = texts.title;
  }, [texts]);

  return (
    <>
      <header className="bar">
        <a className="brand" href="/">
          <img src={icon} alt="" width="28" height="28" />
          {texts.title}
        </a>
        <LanguageSwitch />
      </header>
      <main>
        {page.name === "notFound" ? (
          <NotFound />
        ) : person === null ? (
          <SignIn invitation={page.invitation} />
        ) : (
          <Profile key={person} invitation={page.invitation} />
        )}
      </main>
    </>
  );
}

function LanguageSwitch() {
  const current = useLanguage();
  return languages
    .filter(([language]) => language !== current)
    .map(([language, texts]) => (
      <button
        key={language}
        className="plain"
        type="button"
        lang={language}
        onClick={() => {
          choose(language);
        }}
      >
        {texts.name}
      </button>
    ));
}
