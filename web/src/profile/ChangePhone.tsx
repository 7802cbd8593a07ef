import { useState } from "react";

import { ChangePhoneDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { useTexts } from "../i18n";
import { PhoneProof, type TypedCode } from "../signin/PhoneProof";

/** Moves the account to another number. */
export function ChangePhone() {
  const { changePhone: texts, code } = useTexts();
  const [changed, setChanged] = useState<string | null>(null);

  async function confirm(given: TypedCode) {
    const answer = await ask(ChangePhoneDocument, given);
    if (answer.__typename !== "PhoneChanged") return answer;
    setChanged(answer.client.phone);
    return null;
  }

  if (changed !== null) return <p role="status">{texts.changed(changed)}</p>;
  return (
    <PhoneProof
      step="change-phone"
      lead={texts.lead}
      label={texts.phone}
      sentTo={code.sentTo.OPEN}
      confirm={confirm}
    />
  );
}
