/** Live updates: one WebSocket, which connects again after every fault that passes by itself. */
import { ApolloLink } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { defer, map, retry, timer } from "rxjs";

import * as session from "./session";

const EXPIRED = 4403;
const REFUSED = /^Socket closed with event 440[13]/; // how Apollo reports these close codes
const PONG_TIMEOUT = 10_000; // milliseconds

let token: string | null = null;
let renewed: string | null = null; // replaced a refused token, and no connection has lasted since
let silence: ReturnType<typeof setTimeout> | undefined;

const pause = (tries: number) => Math.min(2 ** tries, 30) * (500 + 500 * Math.random());

export const socket = createClient({
  url: `${location.origin.replace(/^http/, "ws")}/graphql`,
  connectionParams: async () => {
    try {
      token = await session.token();
    } catch {
      socket.terminate(); // the refresh got no answer: try again
    }
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  },
  shouldRetry: (event) => (event as CloseEvent).code !== EXPIRED, // retries if there is no server
  retryAttempts: Infinity,
  retryWait: (tries) => new Promise((done) => setTimeout(done, pause(tries))),
  keepAlive: 20_000,
  on: {
    ping: () => {
      silence = setTimeout(() => {
        socket.terminate(); // the connection is dead
      }, PONG_TIMEOUT);
    },
    pong: () => {
      clearTimeout(silence);
      renewed = null;
    },
    closed: () => {
      clearTimeout(silence);
    },
  },
});

/** Gives another token than the refused one as soon as the server answers, null without a session. */
const replacement = defer(async () => {
  const current = await session.token();
  if (current !== token) return current; // another tab was first
  renewed = await session.renewed(current);
  return renewed;
}).pipe(retry({ delay: (_, tries) => timer(pause(tries)) }));

const subscribed = new GraphQLWsLink(socket);

/** Subscribes again with a refreshed token, once; if that is refused too, the session has ended. */
export const live = new ApolloLink((operation) =>
  subscribed.request(operation).pipe(
    retry({
      delay: (error: Error) => {
        if (!REFUSED.test(error.message)) throw error;
        if (token !== null && token === renewed) {
          session.expire();
          throw error;
        }
        return replacement.pipe(
          map((next) => {
            if (next === null) throw error;
          }),
        );
      },
    }),
  ),
);
