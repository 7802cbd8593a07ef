import { type SubmitEvent, useState } from "react";

import { type Problem, useAction } from "../hub/useAction";
import { useTexts } from "../language";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Heading } from "../parts/Heading";

interface PhoneFormProps {
  heading: string | undefined;
  lead: string;
  label: string;
  send: (phone: string) => Promise<Problem | null>;
}

export function PhoneForm({ heading, lead, label, send }: PhoneFormProps) {
  const { signIn: texts } = useTexts();
  const [phone, setPhone] = useState("");
  const { run, busy, problem } = useAction(send);

  function submit(event: SubmitEvent) {
    event.preventDefault();
    void run(phone);
  }

  return (
    <form onSubmit={submit}>
      {heading !== undefined && <Heading>{heading}</Heading>}
      <p className="lead">{lead}</p>
      <Field
        label={label}
        hint={texts.phoneHint}
        problem={problem}
        type="tel"
        autoComplete="tel"
        required
        value={phone}
        onChange={setPhone}
      />
      <Button type="submit" className="primary" busy={busy}>
        {texts.send}
      </Button>
    </form>
  );
}
