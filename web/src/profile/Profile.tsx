import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";

import { MeDocument } from "../generated/graphql";
import { useTexts } from "../i18n";
import { LoadError } from "../components/LoadError";
import { Heading } from "../components/Heading";
import { Account } from "./Account";
import { ApplyInvite } from "./ApplyInvite";
import { Invitation } from "./Invitation";
import { Invited } from "./Invited";

/** The page of a signed-in person. */
export function Profile({ invitation }: { invitation: string | null }) {
  const texts = useTexts();
  const { data, error, refetch } = useQuery(MeDocument);
  const me = data?.me;

  useEffect(() => {
    function look() {
      if (!document.hidden) void refetch().catch(() => undefined); // `error` shows it
    }
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
    };
  }, [refetch]);

  if (!me) {
    return (
      <section className="card narrow">
        {error ? (
          <LoadError retry={refetch} />
        ) : (
          <p className="lead" aria-busy="true">
            {texts.loading}
          </p>
        )}
      </section>
    );
  }
  const apply = <ApplyInvite applied={me.someoneInvitationCode} invitation={invitation} />;
  const isInvited = invitation !== null && me.someoneInvitationCode === null;
  return (
    <div className="profile">
      {isInvited && apply}
      <section className="card">
        <Heading isMain={!isInvited}>{texts.invitation.heading}</Heading>
        <Invitation code={me.invitationCode} isMain={!isInvited} />
      </section>
      <div className="column">
        {!isInvited && apply}
        <Invited />
        <Account phone={me.phone} />
      </div>
    </div>
  );
}
