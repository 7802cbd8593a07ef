import { useSyncExternalStore } from "react";

type Page = { name: "start"; invitation: string | null } | { name: "notFound" };

// Chats and keyboards add spaces and punctuation around a link.
const INVITATION = /^\/[iI]\/[^\p{L}\p{N}]*([A-Za-z0-9]{6})[^\p{L}\p{N}]*$/u;
const listeners = new Set<() => void>();

/** Return the page of the address: the start page, with an invitation code at `/i/ABC123`. */
export function usePage(): Page {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  const invitation = INVITATION.exec(decoded(path))?.[1]?.toUpperCase() ?? null;
  return invitation || path === "/" ? { name: "start", invitation } : { name: "notFound" };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a % that encodes nothing
  }
}

/** Remove the invitation from the address, because it was applied or dismissed. */
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
