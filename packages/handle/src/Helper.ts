import type { Effect } from "effect";
import type { Step } from "./clone.ts";
import type { HandleFailure } from "./errors.ts";

/**
 * Makes calls that wait for another process, such as those for locks: in a child that shares the task's memory and
 * descriptor table, and ends with the call. While the child waits, other calls of the task go on, and an
 * interruption ends the child. Every Thread gives its task one. A Task without one waits itself, with all of its
 * calls.
 */
export interface Helper {
  /** Makes the call. It fails with the errno of the call. */
  readonly call: (step: Step) => Effect.Effect<void, HandleFailure>;
}
