import { type ReactNode, useRef, useState } from "react";

import { RequestCodeDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { inSeconds, secondsUntil } from "../api/clock";
import type { Problem } from "../api/useAction";
import { CodeForm } from "./CodeForm";
import { PhoneForm } from "./PhoneForm";
import { store, stored, type SentCode } from "./sentCode";

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
  confirm: (phone: string, code: string) => Promise<Problem | null>;
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

  async function send(phone: string): Promise<Problem | null> {
    const given = { phone, invitationCode: invitationCode || null };
    // The token of a signed-in person lets the server send a code to a number that is not registered.
    const anonymous = step === "sign-in";
    const answer = await ask(RequestCodeDocument, given, { anonymous });
    if (answer.__typename !== "CodeSent") return answer;
    const { expiresIn, resendIn, smsCode, codeLength } = answer;
    const moments = { expires: inSeconds(expiresIn), resend: inSeconds(resendIn) };
    show({ phone: answer.phone, smsCode, codeLength, ...moments });
    return null;
  }

  async function start(phone: string) {
    const problem = await send(phone);
    const live = problem && stillLive(problem, phone, last.current);
    if (!live) return problem;
    show(live);
    return null;
  }

  async function guess({ phone, ...others }: SentCode, code: string) {
    const problem = await confirm(phone, code);
    if (problem === null) store(step, null);
    else if (problem.__typename === "InvalidCodeError" && problem.attemptsLeft === 0)
      show({ phone, ...others, smsCode: null, expires: 0 });
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
      resend={() => send(sent.phone)}
      back={() => {
        last.current = sent;
        show(null);
      }}
    />
  );
}

/** Find the code that still works although sending another one was refused. */
function stillLive(problem: Problem, phone: string, last: SentCode | null): SentCode | null {
  if (problem.__typename !== "TooManyRequestsError") return null;
  const { limit, liveCode, retryIn } = problem;
  const resend = inSeconds(retryIn);
  if (liveCode) {
    const { codeLength, expiresIn } = liveCode;
    return { phone, smsCode: null, codeLength, expires: inSeconds(expiresIn), resend };
  }
  if (limit === "RESEND_WAIT" || last?.phone !== phone) return null;
  return secondsUntil(last.expires) > 0 ? { ...last, resend } : null;
}
