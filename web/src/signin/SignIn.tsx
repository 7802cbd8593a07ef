import { useSyncExternalStore } from "react";

import { LoginDocument, RegisterDocument } from "../generated/graphql";
import { ask, tokensOf } from "../api/client";
import * as session from "../api/session";
import { useTexts } from "../i18n";
import { PhoneProof } from "./PhoneProof";

/** Signs a person in by phone. The same code registers a person who is new. */
export function SignIn({ invitation }: { invitation: string | null }) {
  const { signIn: texts } = useTexts();
  const ended = useSyncExternalStore(session.subscribe, session.wasEnded);

  async function confirm(phone: string, code: string) {
    const given = { phone, code };
    const login = await ask(LoginDocument, given, { anonymous: true });
    const answer =
      login.__typename === "ClientNotFoundError"
        ? await ask(RegisterDocument, given, { anonymous: true })
        : login;
    if (answer.__typename !== "SignedIn") return answer;
    session.signIn(tokensOf(answer));
    return null;
  }

  return (
    <section className="card narrow">
      {ended && <p className="notice">{texts.ended}</p>}
      {invitation && <p className="notice">{texts.invited(invitation)}</p>}
      <PhoneProof
        step="sign-in"
        heading={texts.heading}
        lead={texts.lead}
        label={texts.phone}
        confirm={confirm}
      />
    </section>
  );
}
