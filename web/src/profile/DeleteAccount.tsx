import { useRef } from "react";

import { DeleteAccountDocument } from "../generated/graphql";
import { ask } from "../api/client";
import * as session from "../api/session";
import { type Problem, useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { ProblemMessage } from "../components/ProblemMessage";

/** Deletes the account, after a confirmation. */
export function DeleteAccount() {
  const { deleteAccount: texts } = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const { run, busy, problem } = useAction(async () => {
    let refusal: Problem | null = null;
    await session.leave(async () => {
      const answer = await ask(DeleteAccountDocument, {});
      refusal = answer.__typename === "AccountDeleted" ? null : answer;
      return refusal === null;
    });
    return refusal;
  });

  return (
    <>
      <p className="lead">{texts.lead}</p>
      <Button className="danger" onClick={() => dialog.current?.showModal()}>
        {texts.start}
      </Button>
      <dialog ref={dialog} aria-labelledby="delete-sure">
        <h2 id="delete-sure">{texts.sure}</h2>
        <p className="lead">{texts.lead}</p>
        <ProblemMessage problem={problem} />
        <div className="row">
          <Button onClick={() => dialog.current?.close()}>{texts.keep}</Button>
          <Button className="danger" busy={busy} onClick={() => void run()}>
            {texts.confirm}
          </Button>
        </div>
      </dialog>
    </>
  );
}
