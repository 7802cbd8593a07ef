import { useSyncExternalStore } from "react";

import { now } from "../hub/clock";

/** Seconds until a moment, as they pass; 0 once it is there. */
export function useCountdown(until: string): number {
  return useSyncExternalStore(everyQuarter, () =>
    Math.max(0, Math.ceil((Date.parse(until) - now()) / 1000)),
  );
}

function everyQuarter(tick: () => void) {
  const timer = setInterval(tick, 250);
  return () => {
    clearInterval(timer);
  };
}
