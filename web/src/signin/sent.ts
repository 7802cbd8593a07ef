import { secondsUntil } from "../api/moments";

/** A code on its way, with moments by this device's clock. */
export interface Sent {
  phone: string;
  /** The code itself, while sending is simulated. */
  smsCode: string | null;
  codeLength: number;
  expires: number;
  resend: number;
}

/**
 * Keep this step over a reload: phones discard a tab while its SMS is read.
 *
 * The code is not kept.
 */
export function keep(step: string, sent: Sent | null) {
  if (sent === null) sessionStorage.removeItem(name(step));
  else
    sessionStorage.setItem(
      name(step),
      JSON.stringify({ ...sent, smsCode: null, keptAt: Date.now() }),
    );
}

/** The step that was kept, while its code lives or another is waited for. */
export function kept(step: string): Sent | null {
  const { keptAt, ...sent } = JSON.parse(
    sessionStorage.getItem(name(step)) ?? "{}",
  ) as Partial<Sent & { keptAt: number }>;
  const { expires = 0, resend = 0 } = sent;
  if (keptAt === undefined || keptAt > Date.now()) return null; // the clock was put back
  return secondsUntil(Math.max(expires, resend)) > 0 ? (sent as Sent) : null;
}

const name = (step: string) => `connect-hub.sent.${step}`;
