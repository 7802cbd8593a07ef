// Subscribers as apps have them: the documented lines for npm's graphql-ws, and Apollo Client: URL.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { Events, follow, mustEnd, pause, within } from "./subscriber.mjs";

const url = new URL(process.argv[2]);
const socketUrl = `ws://${url.host}${url.pathname}`;

const ask = async (query, token) => {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) });
  return (await within(query, answer.then((response) => response.json()))).data;
};
const register = async () => {
  const phone = `"+7916${randomInt(10 ** 6, 10 ** 7)}"`;
  const { requestCode } = await ask(`mutation { requestCode(phone: ${phone}) { ...on CodeSent { smsCode } } }`);
  const { register } = await ask(`mutation { register(phone: ${phone}, code: "${requestCode.smsCode}") {
    ...on SignedIn { accessToken refreshToken client { id invitationCode } }
  } }`);
  return register;
};
/** A new client applies the code; the subscriber hears of it. */
const isTold = async (events, code) => {
  const { accessToken, client } = await register();
  const query = `mutation { applyInvite(invitationCode: "${code}") { __typename } }`;
  assert.equal((await ask(query, accessToken)).applyInvite.__typename, "InviteApplied");
  assert.equal((await events.next("onInvited")).id, client.id);
};

/** Pass connections on to the server, until they stall or are cut. */
const network = async () => {
  const pairs = new Set();
  const proxy = createServer((near) => {
    const far = connect(url.port, url.hostname);
    const pair = [near, far];
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const side of pair) {
      side.on("error", () => {}).on("close", () => pair.forEach((other) => other.destroy()) || pairs.delete(pair));
    }
  });
  const listen = async (port) => {
    proxy.listen(port, "127.0.0.1");
    await within("network is there", once(proxy, "listening"));
  };
  await listen(0);
  const { port } = proxy.address();
  return {
    socketUrl: `ws://127.0.0.1:${port}${url.pathname}`,
    back: () => listen(port),
    stall() {
      for (const [near, far] of pairs) {
        near.unpipe().pause();
        far.unpipe().pause();
      }
    },
    async cut() {
      const closed = new Promise((done) => proxy.close(done));
      for (const [near] of pairs) near.destroy();
      await within("network is gone", closed);
    },
  };
};

const ann = await register();
const token = ann.accessToken;
const code = ann.client.invitationCode;

// The documented lines hear of it at once, and again after the connection has stalled, and was cut for a while.
const between = await network();
const { socket, stop, events } = follow(between.socketUrl, async () => token);
await events.next("refetch");
await isTold(events, code);
between.stall();
await events.next("refetch");
await isTold(events, code);
await between.cut();
await pause(1_500); // some tries are in vain
await between.back();
await events.next("refetch");
await isTold(events, code);
socket.terminate();
await events.next("refetch");
await isTold(events, code);
stop();
assert.equal(events.count("failed") + events.count("onSignedOut"), 0);
await between.cut();

// The documented lines refresh once what is refused, and then ask the person to sign in.
const refresh = async ({ refreshToken }) => {
  const query = `mutation { refreshSession(refreshToken: "${refreshToken}") { ...on SignedIn { accessToken } } }`;
  return (await ask(query)).refreshSession.accessToken ?? null;
};
const asked = [];
const ben = await register();
const refreshing = follow(socketUrl, async (refused) => {
  asked.push(refused);
  return refused ? refresh(ben) : `${ben.accessToken}x`;
});
await refreshing.events.next("refetch");
await isTold(refreshing.events, ben.client.invitationCode);
assert.deepEqual(asked, [false, true]);
const { deleteAccount } = await ask("mutation { deleteAccount { __typename } }", ben.accessToken);
assert.equal(deleteAccount.__typename, "AccountDeleted");
await refreshing.events.next("onSignedOut");
assert.equal(asked.at(-1), true);

// Apollo Client.
const link = new GraphQLWsLink(
  createClient({ url: socketUrl, lazy: false, connectionParams: { authorization: `Bearer ${token}` } }),
);
const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
const query = gql`subscription { clientInvited { id phone invitedAt } }`;
const apollos = new Events();
link.client.on("connected", () => apollos.emit("connected"));
const subscription = apollo.subscribe({ query }).subscribe(({ data }) => apollos.emit("onInvited", data.clientInvited));
await apollos.next("connected");
await isTold(apollos, code);
subscription.unsubscribe();
await within("Apollo Client has left", link.client.dispose());

// A client without a valid token gets 4401, and does not try again.
const stranger = createClient({ url: socketUrl, connectionParams: { Authorization: "Bearer x" } });
const strangers = new Events();
stranger.subscribe(
  { query: "subscription { clientInvited { id } }" },
  { next: () => assert.fail("an event came"), error: (closed) => strangers.emit("refused", closed), complete() {} },
);
assert.equal((await strangers.next("refused")).code, 4401);

// What is no subscription is refused, and the connection stays.
const own = createClient({ url: socketUrl, connectionParams: { Authorization: `Bearer ${token}` } });
const owns = new Events();
const leave = own.subscribe(
  { query: "subscription { clientInvited { id } }" },
  {
    next: ({ data }) => owns.emit("onInvited", data.clientInvited),
    error: (error) => owns.emit("failed", error),
    complete() {},
  },
);
own.subscribe(
  { query: "{ me { id } }" },
  { next: () => assert.fail("answered"), error: (errors) => owns.emit("refused", errors), complete() {} },
);
assert.equal((await owns.next("refused"))[0].extensions.code, "BAD_REQUEST");
await isTold(owns, code);
leave();
mustEnd();
console.log("graphql-ws and Apollo Client heard of every guest.");
