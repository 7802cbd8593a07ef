/**
 * Who is signed in: one session for all tabs.
 *
 * The access token lives in memory only; the refresh token in localStorage, so that a reload keeps
 * the session. What changes in one tab, the others hear on a channel.
 */

export interface Tokens {
  clientId: string;
  accessToken: string;
  refreshToken: string;
}

/** The server knows the refresh token no longer: the session was ended elsewhere, or has expired. */
export class SessionOver extends Error {}

type Kept = Omit<Tokens, "accessToken">;
type Told = Omit<Tokens, "refreshToken">;
/** What tabs tell each other: who is here now, or that this session is being ended on purpose. */
type News = { is: "person"; told: Told | null } | { is: "leaving"; leaving: boolean };

const NAME = "connect-hub.session";
const channel = new BroadcastChannel(NAME);
const listeners = new Set<() => void>();

let clientId = kept()?.clientId ?? null;
let accessToken: string | null = null;
let ended = false;
let leaving = false;
let renewing: Promise<string | null> | null = null;
let exchange: (refreshToken: string) => Promise<Tokens>;
let personChanged: () => void;

/** Say how a refresh token is exchanged, and what to do when another person, or nobody, is here. */
export function connect(ways: { exchange: typeof exchange; personChanged: typeof personChanged }) {
  ({ exchange, personChanged } = ways);
  channel.onmessage = ({ data }: MessageEvent<News>) => {
    if (data.is === "leaving") leaving = data.leaving;
    else take(data.told);
  };
}

export const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const whoIsSignedIn = () => clientId;
/** Whether the session was ended, but not by the person here. */
export const wasEnded = () => ended;

export function signIn({ refreshToken, ...told }: Tokens) {
  const { clientId } = told;
  localStorage.setItem(NAME, JSON.stringify({ clientId, refreshToken } satisfies Kept));
  tell({ is: "person", told });
  take(told);
}

function signOut({ byOthers = false } = {}) {
  localStorage.removeItem(NAME);
  tell({ is: "person", told: null });
  take(null, byOthers);
}

/**
 * End the session on the server, then forget it here.
 *
 * All tabs know before: else one that finds its token refused would say that others ended it.
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
  tell({ is: "leaving", leaving });
}

function tell(news: News) {
  channel.postMessage(news);
}

/** Give the access token to use: a new one where there is none yet, null where nobody is here. */
export async function token(): Promise<string | null> {
  return accessToken ?? (clientId === null ? null : renewed(null));
}

/** Replace an access token that was refused: once, for all requests and all tabs. */
export async function renewed(refused: string | null): Promise<string | null> {
  renewing ??= locked(() => renew(refused)).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renew(refused: string | null): Promise<string | null> {
  if (accessToken !== refused) return accessToken; // another request or tab was first
  const refreshToken = kept()?.refreshToken;
  if (refreshToken === undefined) return null;
  try {
    signIn(await exchange(refreshToken));
    await new Promise((resolve) => setTimeout(resolve, 50)); // until the other tabs have heard of it
  } catch (error) {
    if (!(error instanceof SessionOver)) throw error;
    const still = clientId !== null && kept()?.refreshToken === refreshToken;
    if (still) signOut({ byOthers: !leaving }); // or somebody here has signed out, or in, meanwhile
  }
  return accessToken;
}

/** Without locks (where the page came by plain HTTP) tabs refresh at once: the server allows it. */
function locked<T>(act: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? navigator.locks.request(NAME, act) : act();
}

function kept(): Kept | null {
  return JSON.parse(localStorage.getItem(NAME) ?? "null") as Kept | null;
}

function take(told: Told | null, byOthers = false) {
  const changed = clientId !== (told?.clientId ?? null);
  clientId = told?.clientId ?? null;
  accessToken = told?.accessToken ?? null;
  ended = byOthers;
  if (changed) personChanged();
  for (const listener of listeners) listener();
}
