import { DeleteAccountDocument } from "../generated/graphql";
import { ask } from "../api/client";
import * as session from "../api/session";
import type { Problem } from "../api/useAction";
import { useTexts } from "../i18n";
import { Confirmation } from "../components/Confirmation";

/** Deletes the account, after a confirmation. */
export function DeleteAccount() {
  const { deleteAccount: texts } = useTexts();

  async function remove() {
    let refusal: Problem | null = null;
    await session.leave(async () => {
      const answer = await ask(DeleteAccountDocument, {});
      refusal = answer.__typename === "AccountDeleted" ? null : answer;
      return refusal === null;
    });
    return refusal;
  }

  return (
    <>
      <p className="lead">{texts.lead}</p>
      <Confirmation texts={texts} className="danger" act={remove} />
    </>
  );
}
