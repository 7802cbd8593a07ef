import { useApolloClient, useQuery, useSubscription } from "@apollo/client/react";
import { useEffect } from "react";

import {
  ClientInvitedDocument,
  type InvitedClientsQuery,
  InvitedClientsDocument,
  type InvitedFragment,
} from "../generated/graphql";
import { socket } from "../api/live";
import { useAction } from "../api/useAction";
import { dateTime, useLanguage, useTexts } from "../i18n";
import { Button } from "../components/Button";
import { LoadError } from "../components/LoadError";
import { ProblemMessage } from "../components/ProblemMessage";
import { reloadInvited } from "./reloadInvited";

/** The people who applied this person's code, latest first, with live updates. */
export function Invited() {
  const { invited: texts } = useTexts();
  const language = useLanguage();
  const { data, error, fetchMore, refetch } = useQuery(InvitedClientsDocument);
  const { data: latest } = useSubscription(ClientInvitedDocument, {
    onData: ({ client, data }) => {
      const joined = data.data?.clientInvited;
      client.cache.updateQuery(
        { query: InvitedClientsDocument },
        (before) => before && joined && withFirst(joined, before),
      );
    },
  });
  const client = useApolloClient();
  useEffect(
    () => socket.on("connected", () => void reloadInvited(client).catch(() => undefined)), // people missed while offline
    [client],
  );
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
      {error && !invited ? <LoadError retry={refetch} /> : <ProblemMessage problem={more.problem} />}
      {invited?.totalCount === 0 && <p className="lead">{texts.none}</p>}
      <p role="status">{latest && texts.joined(latest.clientInvited.label)}</p>
      <ul className="list">
        {invited?.edges.map(({ node }) => (
          <li key={node.id}>
            <bdi>{node.label}</bdi>
            <time dateTime={node.invitedAt}>{dateTime(node.invitedAt, language)}</time>
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

function withFirst(joined: InvitedFragment, before: InvitedClientsQuery): InvitedClientsQuery {
  if (!before.me) return before;
  const { invitationsLeft } = before.me;
  const { totalCount, edges, pageInfo } = before.me.invitedClients;
  if (edges.some(({ node }) => node.id === joined.id)) return before;
  const invitedClients = {
    totalCount: totalCount + 1,
    edges: [{ node: joined }, ...edges],
    pageInfo,
  };
  const left = invitationsLeft && invitationsLeft - 1;
  return { me: { ...before.me, invitationsLeft: left, invitedClients } };
}
