import { useEffect, useRef } from "react";

import type { Problem } from "../api/useAction";
import type { InvitedPhones } from "../generated/graphql";
import { useTexts } from "../i18n";
import { invitationCode } from "../userInput";
import { Field } from "./Field";

interface InvitationFieldProps {
  /** What the owner of the code will see: the person reads it before applying the code. */
  invitedPhones: InvitedPhones;
  problem: Problem | null;
  required?: boolean;
  /** Whether the field takes the focus when it appears. */
  focused?: boolean;
  value: string;
  onChange: (code: string) => void;
}

/** A field for another client's invitation code, as people type and share it. */
export function InvitationField({
  invitedPhones,
  problem,
  focused = false,
  onChange,
  ...input
}: InvitationFieldProps) {
  const { invitationField: texts } = useTexts();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focused || problem) field.current?.focus();
  }, [focused, problem]);

  return (
    <Field
      {...input}
      className="code"
      label={texts.label}
      hint={`${texts.hint} ${texts.seen[invitedPhones]}`}
      problem={problem}
      autoComplete="off"
      autoCapitalize="characters"
      spellCheck={false}
      pattern="[0-9A-Z]{6}"
      title={texts.hint}
      onChange={(text) => {
        onChange(invitationCode(text));
      }}
      ref={field}
    />
  );
}
