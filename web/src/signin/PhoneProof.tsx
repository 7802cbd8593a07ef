import { type ReactNode, useRef, useState } from "react";

import { RequestCodeDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { inSeconds, secondsUntil } from "../api/clock";
import type { Problem } from "../api/useAction";
import { CodeForm } from "./CodeForm";
import { PhoneForm } from "./PhoneForm";
import { store, stored, type SentCode } from "./sentCode";

export interface TypedCode {
  phone: string;
  requestId: string | null;
  code: string;
}

interface PhoneProofProps {
  /** What the person proves the phone for; each purpose has its own stored step. */
  step: "sign-in" | "change-phone";
  /** Omitted if the page around has the heading. */
  heading?: string;
  lead: string;
  label: string;
  /** The sentence that says where the code went. */
  sentTo: (phone: string) => string;
  /** Makes a server that registers only invited people send a code to a stranger. */
  invitationCode?: string;
  /** Makes the field for the invitation code, with the refusal of it if there is one. */
  invitationField?: (problem: Problem | null) => ReactNode;
  confirm: (given: TypedCode) => Promise<Problem | null>;
}

/** Asks for a phone number and for the code sent to it, which proves that the person holds the phone. */
export function PhoneProof({ step, heading, lead, label, ...proof }: PhoneProofProps) {
  const { sentTo, invitationCode = "", invitationField, confirm } = proof;
  const [sent, setSent] = useState(() => stored(step));
  const last = useRef<SentCode | null>(null); // the code of the number that the person went back from

  function show(next: SentCode | null) {
    store(step, next);
    setSent(next);
  }

  /** Ask for a code; the request that is named has its code sent again. */
  async function send(phone: string, requestId: string | null): Promise<Problem | null> {
    const given = { phone, requestId, invitationCode: invitationCode || null };
    // The token of a signed-in person lets the server send a code to a number that is not registered.
    const anonymous = step === "sign-in";
    const answer = await ask(RequestCodeDocument, given, { anonymous });
    if (answer.__typename !== "CodeSent") return answer;
    const { expiresIn, resendIn, smsCode, codeLength } = answer;
    const moments = { expires: inSeconds(expiresIn), resend: inSeconds(resendIn) };
    const code = { smsCode, codeLength, requestId: answer.requestId };
    show({ phone: answer.phone, ...code, ...moments });
    return null;
  }

  async function start(phone: string) {
    const former = last.current?.phone === phone ? last.current : null;
    const problem = await send(phone, former?.requestId ?? null);
    if (problem?.__typename !== "TooManyRequestsError" || !former) return problem;
    if (secondsUntil(former.expires) === 0) return problem;
    show({ ...former, resend: inSeconds(problem.retryIn) }); // its code still works
    return null;
  }

  async function guess(sent: SentCode, code: string) {
    const problem = await confirm({ phone: sent.phone, requestId: sent.requestId, code });
    if (problem === null) store(step, null);
    else if (problem.__typename === "InvalidCodeError" && problem.attemptsLeft === 0)
      show({ ...sent, smsCode: null, expires: 0 });
    return problem;
  }

  if (!sent) {
    return (
      <PhoneForm heading={heading} lead={lead} label={label} send={start}>
        {invitationField?.(null)}
      </PhoneForm>
    );
  }
  return (
    <CodeForm
      titled={heading !== undefined}
      sent={sent}
      lead={sentTo(sent.phone)}
      invitationField={invitationField}
      confirm={(code) => guess(sent, code)}
      resend={() => send(sent.phone, sent.requestId)}
      back={() => {
        last.current = sent;
        show(null);
      }}
    />
  );
}
