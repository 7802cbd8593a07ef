import { useSyncExternalStore } from "react";

import { secondsUntil } from "../api/clock";

/** Return the seconds left until a time, updated as they pass; 0 afterwards. */
export function useCountdown(until: number): number {
  return useSyncExternalStore(everyQuarter, () => secondsUntil(until));
}

function everyQuarter(tick: () => void) {
  const timer = setInterval(tick, 250);
  return () => {
    clearInterval(timer);
  };
}
