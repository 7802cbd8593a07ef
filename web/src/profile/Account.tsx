import { useState } from "react";

import type { InvitedPhones, PersonFragment } from "../generated/graphql";
import { useTexts } from "../i18n";
import { SignOut } from "../components/SignOut";
import { stored } from "../signin/sentCode";
import { ChangePhone } from "./ChangePhone";
import { DeleteAccount } from "./DeleteAccount";
import { Name } from "./Name";
import { Sessions } from "./Sessions";

interface AccountProps {
  me: PersonFragment;
  invitedPhones: InvitedPhones;
}

/** The phone, the name, the sessions, and how to sign out or delete the account. */
export function Account({ me, invitedPhones }: AccountProps) {
  const texts = useTexts();
  const [open, setOpen] = useState(false);
  const [movesPhone] = useState(() => stored("change-phone") !== null);

  return (
    <section className="card">
      <h2>{texts.account.heading}</h2>
      <div className="row spread">
        <p>
          {texts.account.signedInAs} <strong className="phone">{me.phone}</strong>
        </p>
        <SignOut>{texts.account.signOut}</SignOut>
      </div>
      <details>
        <summary>{texts.yourName.heading}</summary>
        <Name name={me.name} invitedPhones={invitedPhones} />
      </details>
      <details
        onToggle={(event) => {
          setOpen(event.currentTarget.open);
        }}
      >
        <summary>{texts.sessions.heading}</summary>
        {open && <Sessions />}
      </details>
      <details open={movesPhone}>
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
