/** Subscriptions: by one WebSocket, open as long as there is one. */
import { ApolloLink } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { from, retry, switchMap, throwError, timer } from "rxjs";

import * as session from "./session";

const FORBIDDEN = 4403;
const REFUSED = /^Socket closed with event 440[13]/; // what Apollo makes of these codes

let token: string | null = null;

export const socket = createClient({
  url: `${location.origin.replace(/^http/, "ws")}/graphql`,
  connectionParams: async () => {
    token = await session.token();
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  },
  keepAlive: 20_000, // finds out that a connection was lost while the device slept
  retryAttempts: Infinity,
  retryWait: (tries) =>
    new Promise((done) => setTimeout(done, Math.min(2 ** tries, 30) * (500 + 500 * Math.random()))),
  shouldRetry: (met) => met instanceof CloseEvent && met.code !== FORBIDDEN,
});

const subscribed = new GraphQLWsLink(socket);

/** Goes on with a new access token where the one before was refused. */
export const live = new ApolloLink((operation) =>
  subscribed.request(operation).pipe(
    retry({
      delay: (error: Error, count) => {
        if (!REFUSED.test(error.message)) throw error;
        return from(session.renewed(token)).pipe(
          switchMap((renewed) =>
            renewed === null ? throwError(() => error) : timer(Math.min(count - 1, 12) * 5000),
          ),
        );
      },
    }),
  ),
);
