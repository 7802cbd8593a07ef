// The documented lines for npm's graphql-ws, and how the audits wait for what they do.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import WebSocket from "ws";
import { blockThatImports } from "./documentation.mjs";

globalThis.WebSocket = WebSocket; // which Node has from version 22 on
const PATIENCE = 30_000; // ms, on a busy machine
const CHANGED = {
  '"ws://127.0.0.1:8000/graphql"': "socketUrl",
  "20_000": "1_000", // ms between pings
  "10_000": "2_000", // ms until a pong is late
  "console.error": "failed",
  "follow({": "follow({ socketUrl, failed,",
};

const file = new URL("generated/live.mjs", import.meta.url);
let lines = blockThatImports("graphql-ws");
for (const [documented, here] of Object.entries(CHANGED)) {
  assert.equal(lines.split(documented).length, 2, `The documented lines have ${documented} once.`);
  lines = lines.replace(documented, here);
}
writeFileSync(file, lines);
const documented = await import(file);

/** Wait for a promise, but not for ever. */
export const within = (what, promise) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${PATIENCE} ms for: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** What happens, kept until somebody waits for it. */
export class Events {
  #names = {};

  #of(name) {
    return (this.#names[name] ??= { happened: [], waiting: [] });
  }

  emit(name, value) {
    const { happened, waiting } = this.#of(name);
    if (waiting.length) waiting.shift()(value);
    else happened.push(value);
  }

  next(name) {
    const { happened, waiting } = this.#of(name);
    if (happened.length) return Promise.resolve(happened.shift());
    return within(name, new Promise((resolve) => waiting.push(resolve)));
  }

  /** How many happened that nobody has waited for. */
  count(name) {
    return this.#of(name).happened.length;
  }
}

/** Follow by the documented lines; what they call becomes an event. */
export const follow = (socketUrl, freshToken) => {
  const events = new Events();
  const calls = Object.fromEntries(
    ["refetch", "onInvited", "onSignedOut", "failed"].map((name) => [name, (value) => events.emit(name, value)]),
  );
  return { ...documented.follow({ socketUrl, freshToken, ...calls }), events };
};

/** Fail if something keeps this process alive once all is done. */
export const mustEnd = () => {
  const look = () => {
    console.error("Still open:", ...process.getActiveResourcesInfo());
    process.exit(1);
  };
  setTimeout(look, PATIENCE).unref();
};
