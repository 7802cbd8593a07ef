import { useSyncExternalStore } from "react";

import { invitationCode, isInvitationCode } from "./userInput";

type Page = { name: "start"; invitation: string | null } | { name: "notFound" };

const INVITATION = /^\/i\/([^/]+)\/?$/i;
const listeners = new Set<() => void>();

/** Return the page of the address: the start page, with an invitation code at `/i/ABC123`. */
export function usePage(): Page {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  if (path === "/") return { name: "start", invitation: null };
  const invitation = invitationCode(INVITATION.exec(decoded(path))?.[1] ?? "");
  return isInvitationCode(invitation) ? { name: "start", invitation } : { name: "notFound" };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a % that encodes nothing
  }
}

/** Keep an invitation code in the address until it is applied; null removes it. */
export function setInvitation(code: string | null) {
  history.replaceState(null, "", code === null ? "/" : `/i/${code}`);
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
