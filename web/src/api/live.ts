/** Subscriptions, over one WebSocket that is open while there is a subscription. */
import { ApolloLink } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { from, retry, switchMap, throwError, timer } from "rxjs";

import * as session from "./session";

const FORBIDDEN = 4403;
const REFUSED = /^Socket closed with event 440[13]/; // how Apollo reports these close codes

let token: string | null = null;

export const socket = createClient({
  url: `${location.origin.replace(/^http/, "ws")}/graphql`,
  connectionParams: async () => {
    token = await session.token();
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  },
  keepAlive: 20_000, // notices a connection that was lost while the device slept
  retryAttempts: Infinity,
  retryWait: (tries) =>
    new Promise((done) => setTimeout(done, Math.min(2 ** tries, 30) * (500 + 500 * Math.random()))),
  shouldRetry: (event) => event instanceof CloseEvent && event.code !== FORBIDDEN,
});

const link = new GraphQLWsLink(socket);

/** Subscribes again with a new access token if the server rejected the old one. */
export const live = new ApolloLink((operation) =>
  link.request(operation).pipe(
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
