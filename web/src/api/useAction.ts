import { useState } from "react";

import type { RefusalFragment } from "../generated/graphql";

/** What stands between a person and what they asked for: a refusal, or no usable answer at all. */
export type Problem = RefusalFragment | { __typename: "Failure" };

/** Something a person does: whether it is under way, and the problem it ended with.
 *
 * `run` tells whether it was done.
 */
export function useAction<Given extends unknown[]>(
  act: (...given: Given) => Promise<Problem | null>,
) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  async function run(...given: Given): Promise<boolean> {
    if (busy) return false;
    setBusy(true);
    setProblem(null);
    const met = await act(...given).catch(failure);
    setBusy(false);
    setProblem(met);
    return met === null;
  }

  return { run, busy, problem, setProblem };
}

function failure(error: unknown): Problem {
  console.warn(error);
  return { __typename: "Failure" };
}
