import { type InputHTMLAttributes, type Ref, useId, useState } from "react";

import type { Problem } from "../api/useAction";
import { ProblemMessage } from "./ProblemMessage";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: string;
  hint?: string;
  problem: Problem | null;
  onChange: (value: string) => void;
  ref?: Ref<HTMLInputElement>;
}

/** A text field with its label, hint and problem. */
export function Field({ label, hint, problem, onChange, ...input }: FieldProps) {
  const id = useId();
  // The text that an input method is composing must not change meanwhile.
  const [composed, setComposed] = useState<string | null>(null);

  function take(value: string, composing: boolean) {
    setComposed(composing ? value : null);
    if (!composing) onChange(value);
  }

  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        aria-describedby={`${id}-hint ${id}-problem`}
        aria-invalid={problem !== null && problem.__typename !== "Failure"}
        {...(composed !== null && { value: composed })}
        onChange={(event) => {
          take(event.target.value, event.nativeEvent instanceof InputEvent && event.nativeEvent.isComposing);
        }}
        onCompositionEnd={(event) => {
          take(event.currentTarget.value, false);
        }}
      />
      {hint !== undefined && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <div id={`${id}-problem`}>
        <ProblemMessage problem={problem} />
      </div>
    </div>
  );
}
