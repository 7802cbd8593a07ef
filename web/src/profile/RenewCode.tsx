import { useState } from "react";

import { RenewInvitationCodeDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { useTexts } from "../i18n";
import { Confirmation } from "../components/Confirmation";

/** Replaces this person's invitation code, after a warning. */
export function RenewCode() {
  const { renewCode: texts } = useTexts();
  const [renewed, setRenewed] = useState<string | null>(null);

  async function renew() {
    const answer = await ask(RenewInvitationCodeDocument, {});
    if (answer.__typename !== "InvitationCodeRenewed") return answer;
    setRenewed(answer.client.invitationCode);
    return null;
  }

  return (
    <>
      <Confirmation texts={texts} className="plain" act={renew} />
      <p role="status">{renewed !== null && texts.renewed(renewed)}</p>
    </>
  );
}
