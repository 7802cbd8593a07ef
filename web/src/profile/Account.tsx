import { useState } from "react";

import { EndSessionDocument } from "../generated/graphql";
import { ask } from "../hub/client";
import * as session from "../hub/session";
import { useAction } from "../hub/useAction";
import { useTexts } from "../language";
import { Button } from "../parts/Button";
import { Refused } from "../parts/Refused";
import { ChangePhone } from "./ChangePhone";
import { DeleteAccount } from "./DeleteAccount";
import { Sessions } from "./Sessions";

/** One's phone and sessions, and the ways out. */
export function Account({ phone }: { phone: string }) {
  const texts = useTexts();
  const { run, busy, problem } = useSignOut();
  const [open, setOpen] = useState(false);

  return (
    <section className="card">
      <h2>{texts.account.heading}</h2>
      <div className="row spread">
        <p>
          {texts.account.signedInAs} <strong className="phone">{phone}</strong>
        </p>
        <Button busy={busy} onClick={() => void run()}>
          {texts.account.signOut}
        </Button>
      </div>
      <Refused problem={problem} />
      <details
        onToggle={(event) => {
          setOpen(event.currentTarget.open);
        }}
      >
        <summary>{texts.sessions.heading}</summary>
        {open && <Sessions />}
      </details>
      <details>
        <summary>{texts.changePhone.heading}</summary>
        <ChangePhone />
      </details>
      <details>
        <summary>{texts.deleteAccount.heading}</summary>
        <DeleteAccount />
      </details>
    </section>
  );
}

/** End this session on the server, then forget it here. */
export function useSignOut() {
  return useAction(async () => {
    const answer = await ask(EndSessionDocument, {});
    if (answer.__typename !== "SessionEnded") return answer;
    session.signOut();
    return null;
  });
}
