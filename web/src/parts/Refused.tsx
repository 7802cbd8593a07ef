import type { ReactNode } from "react";

import type { Problem } from "../hub/useAction";
import { told, useLanguage, useTexts } from "../language";

/** Says aloud what went wrong. */
export function Refused({ problem, children }: { problem: Problem | null; children?: ReactNode }) {
  const texts = useTexts();
  const language = useLanguage();
  return (
    <div role="alert">
      {problem && (
        <div className="problem">
          {told(problem, texts, language)} {children}
        </div>
      )}
    </div>
  );
}
