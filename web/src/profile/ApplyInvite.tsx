import { type SubmitEvent, useState } from "react";

import { ApplyInviteDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Field } from "../components/Field";
import { Heading } from "../components/Heading";
import { forgetInvitation } from "../router";
import { compact } from "../userInput";

interface ApplyInviteProps {
  applied: string | null;
  /** The code of the invitation link that opened the page. */
  invitation: string | null;
}

/** Applies another client's invitation code, once. */
export function ApplyInvite({ applied, invitation }: ApplyInviteProps) {
  const { apply: texts } = useTexts();
  const [code, setCode] = useState(invitation ?? "");
  const { run, busy, problem } = useAction(async () => {
    const answer = await ask(ApplyInviteDocument, { invitationCode: code });
    if (answer.__typename !== "InviteApplied") return answer;
    forgetInvitation();
    return null;
  });

  if (applied !== null) {
    return (
      <section className="card">
        <p role="status">{texts.applied(applied)}</p>
      </section>
    );
  }
  function submit(event: SubmitEvent) {
    event.preventDefault();
    void run();
  }
  return (
    <section className="card">
      <form onSubmit={submit}>
        <Heading isMain={invitation !== null}>{texts.heading}</Heading>
        <p className="lead">{texts.lead}</p>
        <Field
          className="code"
          label={texts.field}
          hint={texts.hint}
          problem={problem}
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          required
          value={code}
          onChange={(text) => {
            setCode(compact(text).toUpperCase().slice(0, 6));
          }}
        />
        <div className="row">
          <Button type="submit" className={invitation ? "primary" : ""} busy={busy}>
            {texts.apply}
          </Button>
          {invitation && (
            <Button
              className="plain"
              onClick={() => {
                setCode("");
                forgetInvitation();
              }}
            >
              {texts.dismiss}
            </Button>
          )}
        </div>
      </form>
    </section>
  );
}
