import { useState } from "react";

import type { RefusalFragment } from "../generated/graphql";

/** Why an action failed: the server refused it, or gave no usable answer. */
export type Problem = RefusalFragment | { __typename: "Failure" };

/** The state of something that a person does: whether it is running, and the problem it ended with.
 *
 * `run` returns whether the action succeeded.
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
    const result = await act(...given).catch(failure);
    setBusy(false);
    setProblem(result);
    return result === null;
  }

  return { run, busy, problem, setProblem };
}

function failure(error: unknown): Problem {
  console.warn(error);
  return { __typename: "Failure" };
}
