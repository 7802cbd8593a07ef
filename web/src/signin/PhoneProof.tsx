import { useState } from "react";

import { RequestCodeDocument, type RequestCodeMutation } from "../generated/graphql";
import { ask } from "../hub/client";
import type { Problem } from "../hub/useAction";
import { CodeForm } from "./CodeForm";
import { PhoneForm } from "./PhoneForm";

export type Sent = Extract<RequestCodeMutation["requestCode"], { __typename: "CodeSent" }>;

interface PhoneProofProps {
  /** Left out where something else is the heading. */
  heading?: string;
  lead: string;
  label: string;
  confirm: (phone: string, code: string) => Promise<Problem | null>;
}

/** Asks for a phone and for the code sent to it, which proves that it is theirs. */
export function PhoneProof({ heading, lead, label, confirm }: PhoneProofProps) {
  const [sent, setSent] = useState<Sent | null>(null);

  async function send(phone: string) {
    const answer = await ask(RequestCodeDocument, { phone }, { anonymous: true });
    if (answer.__typename !== "CodeSent") return answer;
    setSent(answer);
    return null;
  }

  if (!sent) return <PhoneForm heading={heading} lead={lead} label={label} send={send} />;
  return (
    <CodeForm
      titled={heading !== undefined}
      sent={sent}
      confirm={(code) => confirm(sent.phone, code)}
      resend={() => send(sent.phone)}
      back={() => {
        setSent(null);
      }}
    />
  );
}
