import { useSyncExternalStore } from "react";

import { secondsUntil } from "../api/moments";

/** Seconds until a moment, as they pass; 0 once it is there. */
export function useCountdown(until: number): number {
  return useSyncExternalStore(everyQuarter, () => secondsUntil(until));
}

function everyQuarter(tick: () => void) {
  const timer = setInterval(tick, 250);
  return () => {
    clearInterval(timer);
  };
}
