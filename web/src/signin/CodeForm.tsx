import { type ReactNode, type SubmitEvent, useEffect, useRef, useState } from "react";

import { type Problem, useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Field } from "../components/Field";
import { useCountdown } from "../components/useCountdown";
import { digits } from "../userInput";
import type { SentCode } from "./sentCode";
import { useCodeFromSms } from "./useCodeFromSms";

const DEAD: Problem = { __typename: "InvalidCodeError", attemptsLeft: 0 };

interface CodeFormProps {
  titled: boolean;
  sent: SentCode;
  lead: string;
  /** Makes the field that is shown once the invitation code is refused: the digits still work. */
  invitationField: ((problem: Problem | null) => ReactNode) | undefined;
  confirm: (code: string) => Promise<Problem | null>;
  resend: () => Promise<Problem | null>;
  back: () => void;
}

/** A field for the code, which is submitted with its last digit. */
export function CodeForm({ titled, sent, lead, invitationField, ...actions }: CodeFormProps) {
  const { confirm, resend, back } = actions;
  const { code: texts } = useTexts();
  const [code, setCode] = useState("");
  const [again, setAgain] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const [corrects, setCorrects] = useState(false); // the invitation code
  const confirming = useAction(async (typed: string) => {
    const problem = await confirm(typed);
    if (problem?.__typename === "InvalidCodeError") clear();
    if (problem && isAboutInvitation(problem)) setCorrects(true);
    return problem;
  });
  const resending = useAction(resend);
  const alive = useCountdown(sent.expires) > 0;
  const problem = alive ? confirming.problem : DEAD;
  const refusal = problem && isAboutInvitation(problem) ? problem : null;

  useEffect(() => {
    field.current?.focus();
  }, [sent]);
  useCodeFromSms(enter);

  function enter(text: string) {
    const typed = digits(text).slice(0, sent.codeLength);
    setCode(typed);
    if (typed.length === sent.codeLength) void confirming.run(typed);
  }

  function clear() {
    setCode("");
    field.current?.focus();
  }

  function submit(event: SubmitEvent) {
    event.preventDefault();
    enter(code);
  }

  async function sendAgain() {
    confirming.setProblem(null);
    clear();
    setAgain(false);
    setAgain(await resending.run());
  }

  return (
    <form onSubmit={submit}>
      {titled && <h1>{texts.heading}</h1>}
      <p className="lead">{lead}</p>
      {alive && sent.smsCode !== null && (
        <p className="notice">
          {texts.simulated} <strong className="sms">{sent.smsCode}</strong>
        </p>
      )}
      <Field
        className="digits"
        label={texts.field(sent.codeLength)}
        problem={resending.problem ?? (refusal ? null : problem)}
        inputMode="numeric"
        autoComplete="one-time-code"
        pattern={`\\d{${String(sent.codeLength)}}`}
        required
        readOnly={confirming.busy}
        value={code}
        onChange={enter}
        ref={field}
      />
      {corrects && invitationField?.(refusal)}
      <Button type="submit" className="primary" busy={confirming.busy}>
        {texts.confirm}
      </Button>
      <p role="status">{again && texts.resent}</p>
      <div className="row">
        <Resend at={sent.resend} busy={resending.busy} onClick={() => void sendAgain()} />
        <Button className="plain" onClick={back}>
          {texts.anotherPhone}
        </Button>
      </div>
    </form>
  );
}

function isAboutInvitation(problem: Problem): boolean {
  return problem.__typename === "TooManyRequestsError"
    ? problem.limit === "INVITATIONS"
    : ["InvitationCodeNotFoundError", "InvitationUsedUpError", "InvitationRequiredError"].includes(
        problem.__typename,
      );
}

function Resend({ at, ...button }: { at: number; busy: boolean; onClick: () => void }) {
  const { code: texts } = useTexts();
  const left = useCountdown(at);
  const time = `${String(Math.floor(left / 60))}:${String(left % 60).padStart(2, "0")}`;
  return (
    <Button className="plain" disabled={left > 0} {...button}>
      {left > 0 ? texts.resendIn(time) : texts.resend}
    </Button>
  );
}
