// Subscribers as apps have them: the README's lines for npm's graphql-ws, and Apollo Client: URL.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once, EventEmitter } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import WebSocket, { WebSocketServer } from "ws";

globalThis.WebSocket = WebSocket; // which Node has from version 22 on
const url = new URL(process.argv[2]);
const socketUrl = `ws://${url.host}${url.pathname}`;
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const lines = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].find(([block]) => block.includes("graphql-ws"))[1];
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

// The README's lines: told at once, and again after the connection is lost.
let connected = next("connected");
let kept = "refused once";
const { socket, stop } = follow({
  freshToken: async (refused) => (refused ? (kept = token) : kept),
  refetch: () => happens.emit("connected"),
  told: (client) => happens.emit("told", client),
  signedOut: () => assert.fail("signed out"),
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

// The README's lines ask the person to sign in once a refreshed token is refused, too.
let asked = 0;
const signedOut = next("signed out");
follow({
  freshToken: async () => `bad ${(asked += 1)}`,
  refetch: () => assert.fail("connected"),
  told: () => assert.fail("told"),
  signedOut: () => happens.emit("signed out"),
});
await signedOut;
assert.equal(asked, 2);

// After each close code, graphql-ws does what the README says.
const [, rows] = /^\| close code .*\n\|.*\n((?:\|.*\n)+)/m.exec(readme);
for (const [, closing, then] of rows.matchAll(/^\| `(\d+)` \|.*\| (gives up|connects again)[^|]*\|$/gm)) {
  const other = new WebSocketServer({ port: 0, handleProtocols: () => "graphql-transport-ws" });
  let times = 0;
  other.on("connection", (connection) => {
    times += 1;
    if (times === 1) connection.close(Number(closing));
    else happens.emit("again");
  });
  const client = createClient({
    url: `ws://127.0.0.1:${other.address().port}`,
    retryAttempts: Infinity,
    retryWait: async () => {},
  });
  const again = once(happens, "again").then(() => "connects again");
  const ended = new Promise((resolve) => {
    const error = () => resolve("gives up");
    client.subscribe({ query: "subscription { x }" }, { next() {}, error, complete: error });
  });
  assert.equal(await Promise.race([again, ended]), then, closing);
  await client.dispose();
  other.close();
}

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
