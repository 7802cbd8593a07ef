import type { ReactNode } from "react";

import { EndSessionDocument } from "../generated/graphql";
import { ask } from "../api/client";
import * as session from "../api/session";
import { useAction } from "../api/useAction";
import { Button } from "./Button";

/** Ends this session on the server if it can be reached, and forgets it here in any case. */
export function SignOut({ children, className }: { children: ReactNode; className?: string }) {
  const { run, busy } = useAction(async () => {
    await session.leave(async () => {
      await ask(EndSessionDocument, {}).catch(console.warn);
      return true;
    });
    return null;
  });
  return (
    <Button className={className} busy={busy} onClick={() => void run()}>
      {children}
    </Button>
  );
}
