import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";

import { MeDocument } from "../generated/graphql";
import { useTexts } from "../i18n";
import { Heading } from "../components/Heading";
import { Loading } from "../components/Loading";
import { Account } from "./Account";
import { ApplyInvite } from "./ApplyInvite";
import { Invitation } from "./Invitation";
import { Invited } from "./Invited";
import { RenewCode } from "./RenewCode";

/** The page of a signed-in person. */
export function Profile({ invitation }: { invitation: string | null }) {
  const texts = useTexts();
  const { data, error, refetch } = useQuery(MeDocument);
  const { me, config: rules } = data ?? {};

  useEffect(() => {
    function look() {
      if (!document.hidden) void refetch().catch(() => undefined); // `error` shows it
    }
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
    };
  }, [refetch]);

  if (!me || !rules) return <Loading error={error} retry={refetch} />;
  const apply = (
    <ApplyInvite
      applied={me.someoneInvitationCode}
      invitation={invitation}
      invitedPhones={rules.invitedPhones}
    />
  );
  const isInvited = invitation !== null && me.someoneInvitationCode === null;
  return (
    <div className="profile">
      {isInvited && apply}
      <section className="card">
        <Heading isMain={!isInvited}>{texts.invitation.heading}</Heading>
        <Invitation
          key={me.invitationCode}
          code={me.invitationCode}
          left={me.invitationsLeft}
          isMain={!isInvited}
        />
        <RenewCode />
      </section>
      <div className="column">
        {!isInvited && apply}
        <Invited />
        <Account me={me} invitedPhones={rules.invitedPhones} />
      </div>
    </div>
  );
}
