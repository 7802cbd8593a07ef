import { useSyncExternalStore } from "react";

type Page = { name: "start"; invitation: string | null } | { name: "notFound" };

const INVITATION = /^\/i\/([A-Za-z0-9]{6})\/?$/;
const listeners = new Set<() => void>();

/** The page of the address: the start, perhaps with an invitation code (`/i/ABC123`). */
export function usePage(): Page {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  const invitation = INVITATION.exec(path)?.[1]?.toUpperCase() ?? null;
  return invitation || path === "/" ? { name: "start", invitation } : { name: "notFound" };
}

/** Leave the invitation in the address behind: it was applied, or is not wanted. */
export function forgetInvitation() {
  history.replaceState(null, "", "/");
  for (const listener of listeners) listener();
}

export function invitationLink(code: string): string {
  return `${location.origin}/i/${code}`;
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}
