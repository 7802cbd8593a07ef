/**
 * The session of the signed-in person, shared by all tabs.
 *
 * The access token is in memory only. The refresh token is in localStorage, so that a reload keeps
 * the session. Tabs tell each other about changes over a broadcast channel.
 */

import { secondsUntil } from "./clock";

export interface Tokens {
  clientId: string;
  accessToken: string;
  /** When the access token expires, in milliseconds of this device's clock. */
  expires: number;
  refreshToken: string;
}

/** The server rejected the refresh token: the session was ended elsewhere, or has expired. */
export class SessionOver extends Error {}

type StoredTokens = Pick<Tokens, "clientId" | "refreshToken">;
type SharedTokens = Omit<Tokens, "refreshToken">;
/** Messages between tabs: who is signed in now, or that this tab is ending the session on purpose. */
type Message =
  | { type: "person"; tokens: SharedTokens | null }
  | { type: "leaving"; leaving: boolean };

const NAME = "connect-hub.session";
const channel = new BroadcastChannel(NAME);
const listeners = new Set<() => void>();

let clientId = storedTokens()?.clientId ?? null;
let accessToken: string | null = null;
let expires = 0;
let ended = false;
let leaving = false;
let renewing: Promise<string | null> | null = null;
let exchange: (refreshToken: string) => Promise<Tokens>;
let personChanged: () => void;

/** Set how to exchange a refresh token, and what to do when the person changes or signs out. */
export function connect(callbacks: { exchange: typeof exchange; personChanged: typeof personChanged }) {
  ({ exchange, personChanged } = callbacks);
  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    if (data.type === "leaving") leaving = data.leaving;
    else update(data.tokens);
  };
}

export const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const whoIsSignedIn = () => clientId;
/** Whether the session ended without the person signing out here. */
export const wasEnded = () => ended;

export function signIn({ refreshToken, ...tokens }: Tokens) {
  const { clientId } = tokens;
  localStorage.setItem(NAME, JSON.stringify({ clientId, refreshToken } satisfies StoredTokens));
  broadcast({ type: "person", tokens });
  update(tokens);
}

function signOut({ byOthers = false } = {}) {
  localStorage.removeItem(NAME);
  broadcast({ type: "person", tokens: null });
  update(null, byOthers);
}

/** Forget the session, which the server no longer accepts. */
export function expire() {
  signOut({ byOthers: !leaving }); // unless the person is signing out here
}

/**
 * End the session on the server, then forget it here.
 *
 * The other tabs are told first: a tab whose token is rejected would otherwise report that somebody
 * else ended the session.
 */
export async function leave(end: () => Promise<boolean>) {
  setLeaving(true);
  try {
    if (await end()) signOut();
  } finally {
    setLeaving(false);
  }
}

function setLeaving(value: boolean) {
  leaving = value;
  broadcast({ type: "leaving", leaving });
}

function broadcast(message: Message) {
  channel.postMessage(message);
}

/**
 * Return the access token: a new one if there is none or it has expired, null if nobody is signed in.
 *
 * Not every operation rejects an expired token: `requestCode` then answers as to a stranger.
 */
export async function token(): Promise<string | null> {
  if (accessToken !== null && secondsUntil(expires) > 0) return accessToken;
  return clientId === null ? null : renewed(accessToken);
}

/** Replace a rejected access token, once for all requests and all tabs. */
export async function renewed(rejected: string | null): Promise<string | null> {
  renewing ??= locked(() => renew(rejected)).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renew(rejected: string | null): Promise<string | null> {
  if (accessToken !== rejected) return accessToken; // another request or tab was first
  const refreshToken = storedTokens()?.refreshToken;
  if (refreshToken === undefined) return null;
  try {
    signIn(await exchange(refreshToken));
    await new Promise((resolve) => setTimeout(resolve, 50)); // until the other tabs have the new tokens
  } catch (error) {
    if (!(error instanceof SessionOver)) throw error;
    const isCurrent = clientId !== null && storedTokens()?.refreshToken === refreshToken;
    if (isCurrent) expire(); // otherwise the person signed out or in meanwhile
  }
  return accessToken;
}

/** Without locks (over plain HTTP) tabs may refresh at the same time, which the server allows. */
function locked<T>(act: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? navigator.locks.request(NAME, act) : act();
}

function storedTokens(): StoredTokens | null {
  return JSON.parse(localStorage.getItem(NAME) ?? "null") as StoredTokens | null;
}

function update(tokens: SharedTokens | null, byOthers = false) {
  const changed = clientId !== (tokens?.clientId ?? null);
  clientId = tokens?.clientId ?? null;
  accessToken = tokens?.accessToken ?? null;
  expires = tokens?.expires ?? 0;
  ended = byOthers;
  if (changed) personChanged();
  for (const listener of listeners) listener();
}
