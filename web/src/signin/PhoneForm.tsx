import { type ReactNode, type SubmitEvent, useState } from "react";

import { type Problem, useAction } from "../api/useAction";
import { countryName, useLanguage, useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Field } from "../components/Field";
import { Heading } from "../components/Heading";
import { usePhones } from "./usePhones";

interface PhoneFormProps {
  heading: string | undefined;
  lead: string;
  label: string;
  send: (phone: string) => Promise<Problem | null>;
  /** More fields. */
  children: ReactNode;
}

export function PhoneForm({ heading, lead, label, send, children }: PhoneFormProps) {
  const { signIn: texts } = useTexts();
  const [phone, setPhone] = useState("");
  const { run, busy, problem } = useAction(send);
  const language = useLanguage();
  const phones = usePhones();
  const understood = phones?.understood(phone);
  const national =
    phones?.national &&
    texts.country(countryName(phones.national.country, language), phones.national.code);

  function submit(event: SubmitEvent) {
    event.preventDefault();
    void run(understood?.e164 ?? phone);
  }

  return (
    <form onSubmit={submit}>
      {heading !== undefined && <Heading>{heading}</Heading>}
      <p className="lead">{lead}</p>
      <Field
        label={label}
        hint={
          understood
            ? texts.sendTo(understood.shown)
            : [texts.phoneHint, national].filter(Boolean).join(" ")
        }
        problem={problem}
        type="tel"
        autoComplete="tel"
        required
        value={phone}
        onChange={setPhone}
      />
      {children}
      <Button type="submit" className="primary" busy={busy}>
        {texts.send}
      </Button>
    </form>
  );
}
