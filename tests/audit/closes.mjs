// What npm's graphql-ws, and the documented lines for it, do after each documented close code and other faults.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createClient } from "graphql-ws";
import { WebSocketServer } from "ws";
import { rowsOf } from "./documentation.mjs";
import { Events, follow, mustEnd, pause, within } from "./subscriber.mjs";

const UNAUTHENTICATED = 4401;
const EXPIRED = 4403;
const ALL_RETRIES = 1_500; // ms in which another try would come
const LATE_PONG = 5_000; // ms in which a ping is sent, its answer is late, and another try comes

/**
 * Serve each connection as the next of `plans` says, and all further ones as the last.
 *
 * A plan is `{ status }` instead of a connection, `{ early }`: a close code before the acknowledgement, `{ late }`: one
 * after it, `{ last }`: one after the first ping, `{ silent: true }`: no answer to pings, `{ stalled: true }`: nothing
 * is read until another connection subscribes, or `{}`: one event.
 */
const serve = async (plans, port = 0) => {
  const tokens = [];
  const left = [...plans];
  const plan = () => (left.length > 1 ? left.shift() : left[0]);
  const server = new WebSocketServer({
    port,
    handleProtocols: () => "graphql-transport-ws",
    verifyClient: ({ req }, decide) => {
      req.plan = plan();
      decide(!req.plan.status, req.plan.status);
    },
  });
  server.on("connection", (connection, { plan: { early, late, last, silent, stalled } }) => {
    if (stalled) connection.pause();
    const answer = (message, code) => (code ? connection.close(code) : connection.send(JSON.stringify(message)));
    connection.on("message", (text) => {
      const { type, id, payload } = JSON.parse(text);
      if (type === "connection_init") {
        tokens.push(payload?.Authorization);
        answer({ type: "connection_ack" }, early);
      }
      if (type === "subscribe" && !silent && !last) {
        for (const other of server.clients) other.resume();
        answer({ id, type: "next", payload: { data: { clientInvited: id } } }, late);
      }
      if (type === "ping" && !silent) answer({ type: "pong" });
      if (type === "ping" && last) connection.close(last);
    });
  });
  await within("server is listening", once(server, "listening"));
  const close = () => within("all clients have left", new Promise((done) => server.close(done)));
  return { tokens, close, url: `ws://127.0.0.1:${server.address().port}` };
};

/** Let graphql-ws meet a plan, and then a server that accepts it. */
const graphqlWs = async (plan) => {
  const server = await serve([plan, {}]);
  const client = createClient({ url: server.url, retryWait: () => pause(10) });
  const events = new Events();
  const stop = client.subscribe(
    { query: "subscription { clientInvited }" },
    {
      next: () => events.emit("outcome", "connects again"),
      error: () => events.emit("outcome", "gives up"),
      complete() {},
    },
  );
  const outcome = await events.next("outcome");
  stop();
  await server.close();
  return outcome;
};

/** Follow a server by the documented lines, with token 0 and after each refusal the next. */
const following = async (plans, check, prepare = async () => {}) => {
  const server = await serve(plans);
  const asked = [];
  const freshToken = async (refused) => {
    asked.push(refused);
    await prepare(asked.length);
    return asked.filter(Boolean).length;
  };
  const { events, stop } = follow(server.url, freshToken);
  const calm = async () => {
    await pause(ALL_RETRIES);
    for (const name of ["onInvited", "onSignedOut", "failed"]) assert.equal(events.count(name), 0, name);
  };
  try {
    await check({ events, stop, calm, asked, tokens: server.tokens });
    stop();
    await server.close();
  } catch (error) {
    throw new Error(`The documented lines failed with ${JSON.stringify(plans)}`, { cause: error });
  }
};

const comesBack = (plans, asks, prepare) =>
  following(
    plans,
    async ({ events, calm, asked, tokens }) => {
      await events.next("onInvited");
      await events.next("refetch");
      await calm();
      assert.deepEqual(asked, asks);
      assert.equal(tokens.at(-1), `Bearer ${asks.filter(Boolean).length}`);
    },
    prepare,
  );

const lasts = (plans) =>
  following(plans, async ({ events, tokens }) => {
    await events.next("onInvited");
    await pause(LATE_PONG);
    assert.equal(tokens.length, plans.length);
  });

const givesUp = (plan) =>
  following([plan, {}], async ({ events, calm, tokens }) => {
    assert.equal((await events.next("failed")).code, plan.early ?? plan.late);
    await calm();
    assert.equal(tokens.length, 1);
  });

const signsOut = (plans) =>
  following(plans, async ({ events, calm, asked, tokens }) => {
    await events.next("onSignedOut");
    await calm();
    assert.deepEqual(asked, [false, true]);
    assert.deepEqual(tokens, ["Bearer 0", "Bearer 1"]);
  });

const rowIsTrue = async (code, then) => {
  for (const plan of [{ early: code }, { late: code }]) {
    assert.equal(await graphqlWs(plan), then, `graphql-ws after ${JSON.stringify(plan)}`);
    if (then === "gives up" && code !== UNAUTHENTICATED) await givesUp(plan);
    else await comesBack([plan, {}], [false, [UNAUTHENTICATED, EXPIRED].includes(code)]);
  }
};

const comesBackOnceReachable = async () => {
  const gone = await serve([{}]);
  await gone.close();
  const { events, stop } = follow(gone.url, async () => 0);
  await pause(ALL_RETRIES);
  const back = await serve([{}], Number(new URL(gone.url).port));
  await events.next("onInvited");
  stop();
  await back.close();
};

const staysStopped = async () => {
  let go;
  const stopping = new Promise((resolve) => {
    go = resolve;
  });
  const check = async ({ stop, calm, tokens }) => {
    stop();
    go();
    await calm();
    assert.equal(tokens.length, 1);
  };
  await following([refused, {}], check, () => stopping);
};

const refreshFailsOnce = async (times) => {
  if (times === 1) throw new Error("The refresh was not answered.");
};

const rows = rowsOf("close code").map(([code, , then]) => [Number(code), /^gives up|^connects again/.exec(then)[0]]);
assert.ok(rows.length > 5);
const refused = { early: UNAUTHENTICATED };
const expired = { early: EXPIRED };
const ended = { late: UNAUTHENTICATED };
await Promise.all([
  ...rows.map(([code, then]) => rowIsTrue(code, then)),
  signsOut([refused]),
  signsOut([ended]),
  signsOut([ended, refused, {}]),
  comesBack([{ last: UNAUTHENTICATED }, {}], [false, true]),
  comesBack([refused, { last: UNAUTHENTICATED }, {}], [false, true, true]), // each refreshed once
  comesBack([refused, { early: 1013 }, {}], [false, true, true]),
  comesBack([expired, { last: EXPIRED }, {}], [false, true, true]),
  comesBack([{ silent: true }, {}], [false, false]),
  lasts([{}]),
  lasts([{ silent: true, last: 1012 }, {}]), // whose ping was not answered
  comesBack([{ status: 503 }, { status: 429 }, {}], [false]),
  comesBack([{}], [false, false], refreshFailsOnce),
  comesBack([{ stalled: true }, {}], [false, false], refreshFailsOnce),
  comesBackOnceReachable(),
  staysStopped(),
]);
mustEnd();
console.log(`graphql-ws and the documented lines for it do what is documented of ${rows.length} close codes.`);
