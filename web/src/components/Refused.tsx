import type { Problem } from "../api/useAction";
import { told, useLanguage, useTexts } from "../i18n";
import { SignOut } from "./SignOut";

/** Says aloud what went wrong, and offers the way out where it is somewhere else. */
export function Refused({ problem }: { problem: Problem | null }) {
  const texts = useTexts();
  const language = useLanguage();
  return (
    <div role="alert">
      {problem && (
        <div className="problem">
          {told(problem, texts, language)}
          {problem.__typename === "ReauthenticationRequiredError" && (
            <SignOut className="plain">{texts.signInAgain}</SignOut>
          )}
        </div>
      )}
    </div>
  );
}
