import { useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "./Button";
import { ProblemMessage } from "./ProblemMessage";

/** Says that the server did not answer, with a button to retry. */
export function LoadError({ retry }: { retry: () => Promise<unknown> }) {
  const texts = useTexts();
  const { run, busy } = useAction(async () => {
    await retry();
    return null;
  });
  return (
    <>
      <ProblemMessage problem={{ __typename: "Failure" }} />
      <Button className="primary" busy={busy} onClick={() => void run()}>
        {texts.retry}
      </Button>
    </>
  );
}
