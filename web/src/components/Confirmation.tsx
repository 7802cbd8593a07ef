import { useId, useRef } from "react";

import { type Problem, useAction } from "../api/useAction";
import { Button } from "./Button";
import { ProblemMessage } from "./ProblemMessage";

interface ConfirmationProps {
  texts: { lead: string; start: string; sure: string; confirm: string; keep: string };
  className?: string;
  act: () => Promise<Problem | null>;
}

/** A button whose action cannot be undone, so that a dialog asks once more. */
export function Confirmation({ texts, className, act }: ConfirmationProps) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const { run, busy, problem, setProblem } = useAction(act);

  async function confirm() {
    if (await run()) dialog.current?.close();
  }

  return (
    <>
      <Button
        className={className}
        onClick={() => {
          setProblem(null);
          dialog.current?.showModal();
        }}
      >
        {texts.start}
      </Button>
      <dialog ref={dialog} aria-labelledby={id}>
        <h2 id={id}>{texts.sure}</h2>
        <p className="lead">{texts.lead}</p>
        <ProblemMessage problem={problem} />
        <div className="row">
          <Button onClick={() => dialog.current?.close()}>{texts.keep}</Button>
          <Button className="danger" busy={busy} onClick={() => void confirm()}>
            {texts.confirm}
          </Button>
        </div>
      </dialog>
    </>
  );
}
