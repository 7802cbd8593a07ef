import { type InputHTMLAttributes, type Ref, useId } from "react";

import type { Problem } from "../hub/useAction";
import { Refused } from "./Refused";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: string;
  hint?: string;
  problem: Problem | null;
  onChange: (value: string) => void;
  ref?: Ref<HTMLInputElement>;
}

/** A text field with its label, its hint and what was wrong with it. */
export function Field({ label, hint, problem, onChange, ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        aria-describedby={`${id}-hint ${id}-problem`}
        aria-invalid={problem !== null && problem.__typename !== "Failure"}
        onChange={(event) => {
          onChange(event.target.value);
        }}
      />
      {hint !== undefined && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <div id={`${id}-problem`}>
        <Refused problem={problem} />
      </div>
    </div>
  );
}
