import { useRef, useState } from "react";

import { RequestCodeDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { inSeconds, secondsUntil } from "../api/moments";
import type { Problem } from "../api/useAction";
import { CodeForm } from "./CodeForm";
import { PhoneForm } from "./PhoneForm";
import { keep, kept, type Sent } from "./sent";

interface PhoneProofProps {
  /** What the phone is proved for; each such step is kept apart. */
  step: "sign-in" | "change-phone";
  /** Left out where something else is the heading. */
  heading?: string;
  lead: string;
  label: string;
  confirm: (phone: string, code: string) => Promise<Problem | null>;
}

/** Asks for a phone and for the code sent to it, which proves that it is theirs. */
export function PhoneProof({ step, heading, lead, label, confirm }: PhoneProofProps) {
  const [sent, setSent] = useState(() => kept(step));
  const last = useRef<Sent | null>(null); // the one that was left for another number

  function show(next: Sent | null) {
    keep(step, next);
    setSent(next);
  }

  async function send(phone: string): Promise<Problem | null> {
    const answer = await ask(RequestCodeDocument, { phone }, { anonymous: true });
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

  async function guess({ phone, ...others }: Sent, code: string) {
    const problem = await confirm(phone, code);
    if (problem === null) keep(step, null);
    else if (problem.__typename === "InvalidCodeError" && problem.attemptsLeft === 0)
      show({ phone, ...others, smsCode: null, expires: 0 });
    return problem;
  }

  if (!sent) return <PhoneForm heading={heading} lead={lead} label={label} send={start} />;
  return (
    <CodeForm
      titled={heading !== undefined}
      sent={sent}
      confirm={(code) => guess(sent, code)}
      resend={() => send(sent.phone)}
      back={() => {
        last.current = sent;
        show(null);
      }}
    />
  );
}

/** The code that works although another one was refused: as the server says, or as we know. */
function stillLive(problem: Problem, phone: string, last: Sent | null): Sent | null {
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
