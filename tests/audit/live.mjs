// Subscribers as apps have them: the documented lines for npm's graphql-ws, and Apollo Client: URL.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once, EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { blockThatImports } from "./documentation.mjs";

globalThis.WebSocket = WebSocket; // which Node has from version 22 on
const url = new URL(process.argv[2]);
const socketUrl = `ws://${url.host}${url.pathname}`;
const lines = blockThatImports("graphql-ws");
const file = new URL("generated/live.mjs", import.meta.url);
writeFileSync(file, lines.replace("ws://127.0.0.1:8000/graphql", socketUrl));
const { follow } = await import(file);

const ask = async (query, token) => {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) });
  return (await answer.json()).data;
};
const register = async () => {
  const phone = `"+7916${randomInt(10 ** 6, 10 ** 7)}"`;
  const { requestCode } = await ask(`mutation { requestCode(phone: ${phone}) { ...on CodeSent { smsCode } } }`);
  const { register } = await ask(`mutation { register(phone: ${phone}, code: "${requestCode.smsCode}") {
    ...on SignedIn { accessToken client { id invitationCode } }
  } }`);
  return register;
};
const apply = async (guest, code) => {
  const query = `mutation { applyInvite(invitationCode: "${code}") { __typename } }`;
  assert.equal((await ask(query, guest.accessToken)).applyInvite.__typename, "InviteApplied");
};

const ann = await register();
const token = ann.accessToken;
const code = ann.client.invitationCode;
const [ben, cid, dan, eve] = await Promise.all([register(), register(), register(), register()]);
const happens = new EventEmitter();
const next = async (name) => (await once(happens, name, { signal: AbortSignal.timeout(15_000) }))[0];

// The documented lines: told at once, and again after the connection is lost.
let connected = next("connected");
const { socket, stop } = follow({
  freshToken: async () => token,
  refetch: () => happens.emit("connected"),
  told: (client) => happens.emit("told", client),
});
await connected;
let told = next("told");
await apply(ben, code);
assert.equal((await told).id, ben.client.id);
connected = next("connected");
socket.terminate();
await connected;
told = next("told");
await apply(cid, code);
assert.equal((await told).id, cid.client.id);
stop();

// Apollo Client.
const link = new GraphQLWsLink(
  createClient({ url: socketUrl, lazy: false, connectionParams: { authorization: `Bearer ${token}` } }),
);
const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
link.client.on("connected", () => happens.emit("connected"));
connected = next("connected");
const query = gql`subscription { clientInvited { id phone invitedAt } }`;
const subscription = apollo.subscribe({ query }).subscribe(({ data }) => happens.emit("told", data.clientInvited));
await connected;
told = next("told");
await apply(dan, code);
assert.equal((await told).id, dan.client.id);
subscription.unsubscribe();
await link.client.dispose();

// Who is not signed in is told so, and does not try again.
const stranger = createClient({ url: socketUrl, connectionParams: { Authorization: "Bearer x" } });
const refused = await new Promise((resolve, reject) => {
  const said = { next: reject, complete: reject, error: resolve };
  stranger.subscribe({ query: "subscription { clientInvited { id } }" }, said);
});
assert.equal(refused.code, 4401);

// What is no subscription is refused, and the connection stays.
const own = createClient({ url: socketUrl, connectionParams: { Authorization: `Bearer ${token}` } });
const events = own.iterate({ query: "subscription { clientInvited { id } }" });
const first = events.next();
const errors = await own.iterate({ query: "{ me { id } }" }).next().catch((error) => error);
assert.equal(errors[0].extensions.code, "BAD_REQUEST");
await apply(eve, code);
assert.equal((await first).value.data.clientInvited.id, eve.client.id);
await events.return();
await own.dispose();
console.log("graphql-ws and Apollo Client were told who came.");
