import { useQuery } from "@apollo/client/react";

import { InvitedClientsDocument } from "../generated/graphql";
import { useAction } from "../hub/useAction";
import { moment, useLanguage, useTexts } from "../language";
import { Button } from "../parts/Button";
import { Refused } from "../parts/Refused";

/** Who applied one's own code, latest first. */
export function Invited() {
  const { invited: texts } = useTexts();
  const language = useLanguage();
  const { data, error, fetchMore } = useQuery(InvitedClientsDocument);
  const invited = data?.me?.invitedClients;
  const more = useAction(async () => {
    await fetchMore({ variables: { after: invited?.pageInfo.endCursor } });
    return null;
  });

  return (
    <section className="card">
      <h2>
        {texts.heading} {invited && <span className="count">{invited.totalCount}</span>}
      </h2>
      <Refused problem={error && !invited ? { __typename: "Failure" } : more.problem} />
      {invited?.totalCount === 0 && <p className="lead">{texts.none}</p>}
      <ul className="list">
        {invited?.edges.map(({ node }) => (
          <li key={node.id}>
            <span className="phone">{node.phone}</span>
            <time dateTime={node.invitedAt}>{moment(node.invitedAt, language)}</time>
          </li>
        ))}
      </ul>
      {invited?.pageInfo.hasNextPage && (
        <Button busy={more.busy} onClick={() => void more.run()}>
          {texts.more}
        </Button>
      )}
    </section>
  );
}
