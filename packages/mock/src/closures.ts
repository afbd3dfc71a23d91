import { type HandedOver, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, ManagedRuntime } from "effect";
import { type HandleOptions, handleBy } from "./handleBy.ts";
import type { CallRecord } from "./record.ts";

/*
 * Runs the functions of a test that answer calls, in the test's own thread. A file of its own, which is loaded when
 * the first function is given: only this part needs Effect here.
 */

/** What runs functions: it has a thread of system calls of this thread of JavaScript. */
export interface Closures {
  /** Takes a call over, and answers it. */
  readonly run: (
    handed: HandedOver,
    record: CallRecord,
    options: Omit<HandleOptions, "thread"> & { readonly onTaken: () => void },
  ) => Promise<void>;
  /** Ends all that runs. */
  readonly close: () => Promise<void>;
}

export const makeClosures = (): Closures => {
  const runtime = ManagedRuntime.make(LocalThread.layer);
  return {
    run: (handed, record, options) =>
      runtime.runPromise(
        Effect.flatMap(LocalThread, (thread) =>
          StubServer.handle(thread, handed, (call) => {
            options.onTaken();
            return handleBy(call, record, { ...options, thread });
          }),
        ).pipe(
          // The engine has answered, because this thread was blocked for too long.
          Effect.catchTag("InvalidStateError", () => Effect.void),
        ),
      ),
    close: () => runtime.dispose(),
  };
};
