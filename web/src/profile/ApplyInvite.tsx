import { type SubmitEvent, useState } from "react";

import { ApplyInviteDocument, type InvitedPhones } from "../generated/graphql";
import { ask } from "../api/client";
import { useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Heading } from "../components/Heading";
import { InvitationField } from "../components/InvitationField";
import { setInvitation } from "../router";

interface ApplyInviteProps {
  applied: string | null;
  /** The code of the invitation link that opened the page. */
  invitation: string | null;
  invitedPhones: InvitedPhones;
}

/** Applies another client's invitation code, once. */
export function ApplyInvite({ applied, invitation, invitedPhones }: ApplyInviteProps) {
  const { apply: texts } = useTexts();
  const [code, setCode] = useState(invitation ?? "");
  const { run, busy, problem } = useAction(async () => {
    const answer = await ask(ApplyInviteDocument, { invitationCode: code });
    if (answer.__typename !== "InviteApplied") return answer;
    setInvitation(null);
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
        <InvitationField
          invitedPhones={invitedPhones}
          problem={problem}
          required
          value={code}
          onChange={setCode}
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
                setInvitation(null);
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
