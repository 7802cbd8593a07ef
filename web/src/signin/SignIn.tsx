import { useQuery } from "@apollo/client/react";
import { useState, useSyncExternalStore } from "react";

import {
  ConfigDocument,
  LoginDocument,
  RegisterDocument,
  type RulesFragment,
} from "../generated/graphql";
import { ask, tokensOf } from "../api/client";
import * as session from "../api/session";
import type { Problem } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { InvitationField } from "../components/InvitationField";
import { Loading } from "../components/Loading";
import { setInvitation } from "../router";
import { isInvitationCode } from "../userInput";
import { PhoneProof, type TypedCode } from "./PhoneProof";

/** The page of a person who is not signed in. */
export function SignIn({ invitation }: { invitation: string | null }) {
  const { signIn: texts } = useTexts();
  const { data, error, refetch } = useQuery(ConfigDocument);
  const ended = useSyncExternalStore(session.subscribe, session.wasEnded);
  const rules = data?.config;

  if (!rules) return <Loading error={error} retry={refetch} />;
  return (
    <section className="card narrow">
      {ended && <p className="notice">{texts.ended}</p>}
      {invitation && rules.registration === "CLOSED" && (
        <p className="notice">{texts.invited(invitation)}</p>
      )}
      <SignInForm invitation={invitation} rules={rules} />
    </section>
  );
}

/** Signs a person in by phone. The same code registers a person who is new. */
function SignInForm({ invitation, rules }: { invitation: string | null; rules: RulesFragment }) {
  const { signIn: texts, code: codeTexts } = useTexts();
  const { registration, invitedPhones } = rules;
  const [invitationCode, setInvitationCode] = useState(invitation ?? "");
  const [isLinked] = useState(invitation !== null);
  const [isAsked, setAsked] = useState(false); // for the field of the invitation code

  /** The address keeps the code over a reload, and for a person who is registered already. */
  function take(text: string) {
    setInvitationCode(text);
    if (text === "" || isInvitationCode(text)) setInvitation(text || null);
  }

  async function confirm(given: TypedCode) {
    const login = await ask(LoginDocument, given, { anonymous: true });
    if (login.__typename === "ClientNotFoundError") return register(given);
    if (login.__typename !== "SignedIn") return login;
    session.signIn(tokensOf(login));
    return null;
  }

  async function register(given: TypedCode) {
    const all = { ...given, invitationCode: invitationCode || null };
    const answer = await ask(RegisterDocument, all, { anonymous: true });
    if (answer.__typename !== "SignedIn") return answer;
    session.signIn(tokensOf(answer));
    setInvitation(null); // only now, since the page must not render before the sign-in has cleared the store
    return null;
  }

  function invitationField(problem: Problem | null) {
    const isShown = registration === "INVITED" || isLinked || isAsked || problem;
    return isShown ? (
      <InvitationField
        invitedPhones={invitedPhones}
        problem={problem}
        focused={isAsked}
        value={invitationCode}
        onChange={take}
      />
    ) : (
      <Button
        className="plain"
        onClick={() => {
          setAsked(true);
        }}
      >
        {texts.haveCode}
      </Button>
    );
  }

  return (
    <PhoneProof
      step="sign-in"
      heading={texts.heading}
      lead={texts.lead[registration]}
      label={texts.phone}
      sentTo={codeTexts.sentTo[registration]}
      invitationCode={invitationCode}
      {...(registration !== "CLOSED" && { invitationField })}
      confirm={confirm}
    />
  );
}
