import { useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "./Button";
import { Refused } from "./Refused";

/** Says that the server did not answer, and asks it again. */
export function Failed({ retry }: { retry: () => Promise<unknown> }) {
  const texts = useTexts();
  const { run, busy } = useAction(async () => {
    await retry();
    return null;
  });
  return (
    <>
      <Refused problem={{ __typename: "Failure" }} />
      <Button className="primary" busy={busy} onClick={() => void run()}>
        {texts.retry}
      </Button>
    </>
  );
}
