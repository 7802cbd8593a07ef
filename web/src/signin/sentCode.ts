import { secondsUntil } from "../api/clock";

/** A code that was sent. Times are milliseconds of this device's clock. */
export interface SentCode {
  phone: string;
  /** The code itself, if the server only simulates SMS. */
  smsCode: string | null;
  /** Only together with this does the code work, so nobody else can guess at it. */
  requestId: string | null;
  codeLength: number;
  expires: number;
  resend: number;
}

/**
 * Store the step, so that it survives a reload: phones discard a tab while the person reads the SMS.
 *
 * The code itself is not stored.
 */
export function store(step: string, sent: SentCode | null) {
  if (sent === null) sessionStorage.removeItem(name(step));
  else
    sessionStorage.setItem(
      name(step),
      JSON.stringify({ ...sent, smsCode: null, storedAt: Date.now() }),
    );
}

/** Return the stored step, until its code has expired and a new one may be requested. */
export function stored(step: string): SentCode | null {
  const { storedAt, ...sent } = JSON.parse(
    sessionStorage.getItem(name(step)) ?? "{}",
  ) as Partial<SentCode & { storedAt: number }>;
  const { expires = 0, resend = 0 } = sent;
  if (storedAt === undefined || storedAt > Date.now()) return null; // the clock was set back
  return secondsUntil(Math.max(expires, resend)) > 0 ? (sent as SentCode) : null;
}

const name = (step: string) => `connect-hub.sent.${step}`;
