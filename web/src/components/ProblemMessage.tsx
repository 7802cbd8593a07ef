import type { Problem } from "../api/useAction";
import { problemText, useLanguage, useTexts } from "../i18n";
import { SignOut } from "./SignOut";

/** Announces a problem, with a sign-out button if only a new sign-in solves it. */
export function ProblemMessage({ problem }: { problem: Problem | null }) {
  const texts = useTexts();
  const language = useLanguage();
  return (
    <div role="alert">
      {problem && (
        <div className="problem">
          {problemText(problem, texts, language)}
          {problem.__typename === "ReauthenticationRequiredError" && (
            <SignOut className="plain">{texts.signInAgain}</SignOut>
          )}
        </div>
      )}
    </div>
  );
}
