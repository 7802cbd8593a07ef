/** Apollo Client for Connect Hub. */
import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  HttpLink,
  InMemoryCache,
  type OperationVariables,
  type TypedDocumentNode,
} from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";
import { from, switchMap, throwError, timeout } from "rxjs";

import { RefreshSessionDocument, type SignedInFragment } from "../generated/graphql";
import possibleTypes from "../generated/possible-types";
import { inSeconds } from "./clock";
import { live, socket } from "./live";
import * as session from "./session";

declare module "@apollo/client" {
  interface DefaultContext {
    anonymous?: boolean;
    token?: string;
    repeated?: boolean;
  }
}

const REQUEST_TIMEOUT = 15_000; // milliseconds

const http = new HttpLink({ uri: "/graphql" });

const withToken = new SetContextLink(async (context) => {
  const token = context.anonymous ? null : (context.token ?? (await session.token()));
  return token ? { token, headers: { authorization: `Bearer ${token}` } } : {};
});

/** Repeats a request once, with a new access token, if its token was rejected. */
const retryWithNewToken = new ErrorLink(({ error, operation, forward }) => {
  const { token, repeated } = operation.getContext();
  if (!token || repeated || !isUnauthenticated(error)) return;
  return from(session.renewed(token)).pipe(
    switchMap((renewed) => {
      if (!renewed) return throwError(() => error);
      operation.setContext({ token: renewed, repeated: true });
      return forward(operation);
    }),
  );
});

/** Stops waiting after a time that includes a token refresh and the response body. */
const withTimeout = new ApolloLink((operation, forward) =>
  forward(operation).pipe(timeout(REQUEST_TIMEOUT)),
);

export const apollo = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    live,
    ApolloLink.from([withTimeout, retryWithNewToken, withToken, http]),
  ),
  cache: new InMemoryCache({
    ...possibleTypes,
    typePolicies: { Client: { fields: { invitedClients: relayStylePagination() } } },
  }),
});

session.connect({
  exchange: async (refreshToken) => {
    const answer = await ask(RefreshSessionDocument, { refreshToken }, { anonymous: true });
    if (answer.__typename !== "SignedIn") throw new session.SessionOver();
    return tokensOf(answer);
  },
  personChanged: () => {
    socket.terminate(); // otherwise it would stay signed in as the previous person
    sessionStorage.clear();
    void apollo.clearStore();
  },
});

/** The result of a mutation's only field. */
type Answer<Data> = NonNullable<Data[keyof Data]>;

/** Send a mutation with one field and return its result. Throws if there is none. */
export async function ask<Data, Variables extends OperationVariables>(
  mutation: TypedDocumentNode<Data, Variables>,
  variables: NoInfer<Variables>,
  context: { anonymous?: boolean; token?: string } = {},
): Promise<Answer<Data>> {
  const untyped: ApolloClient.MutateOptions = { mutation, variables, context };
  const { data } = await apollo.mutate(untyped);
  return Object.values(data ?? {})[0] as Answer<Data>;
}

export function tokensOf({ expiresIn, client, ...tokens }: SignedInFragment): session.Tokens {
  const { accessToken, refreshToken } = tokens;
  return { accessToken, expires: inSeconds(expiresIn), refreshToken, clientId: client.id };
}

function isUnauthenticated(error: unknown): boolean {
  const errors = CombinedGraphQLErrors.is(error) ? error.errors : [];
  return errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED");
}
