import type { ApolloClient } from "@apollo/client";

import { InvitedClientsDocument, type InvitedClientsQuery } from "../generated/graphql";

const MIN_PAGE = 20;
const MAX_PAGE = 100; // the largest page of the server
const query = InvitedClientsDocument;

type Me = NonNullable<InvitedClientsQuery["me"]>;
type Edges = Me["invitedClients"]["edges"];

/** Reload as many invited people as are listed, since the page may have missed some. */
export async function reloadInvited(client: ApolloClient) {
  const shown = client.readQuery({ query })?.me?.invitedClients.edges.length ?? 0;
  const loaded: Edges = [];
  let me: Me | null;
  let after: string | null = null;
  do {
    const first = Math.min(MAX_PAGE, Math.max(MIN_PAGE, shown - loaded.length));
    me = await page(client, first, after);
    if (!me) return; // signed out meanwhile
    loaded.push(...me.invitedClients.edges);
    after = me.invitedClients.pageInfo.endCursor;
  } while (loaded.length < shown && me.invitedClients.pageInfo.hasNextPage);
  const { invitedClients, ...person } = me;
  client.cache.updateQuery({ query }, (before) => {
    const later = laterThan(loaded, before?.me?.invitedClients.edges ?? []);
    const totalCount = invitedClients.totalCount + later.length;
    const edges = [...later, ...loaded];
    return { me: { ...person, invitedClients: { ...invitedClients, totalCount, edges } } };
  });
}

async function page(client: ApolloClient, first: number, after: string | null): Promise<Me | null> {
  const { data } = await client.query({
    query,
    variables: { first, after },
    fetchPolicy: "no-cache",
  });
  return data?.me ?? null;
}

/** Return the people who joined while the list was loading. */
function laterThan(loaded: Edges, shown: Edges): Edges {
  const latest = Date.parse(loaded[0]?.node.invitedAt ?? "1970-01-01");
  return shown.filter(({ node }) => Date.parse(node.invitedAt) > latest);
}
