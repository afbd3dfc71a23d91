import { catchErrno } from "@rsyscall/near";
import { Effect } from "effect";

/** A kernel interrupts a call a few times at most. A task that lies may say so without end. */
const AT_MOST = 100;

/**
 * Makes a call again after EINTR: a handler of a signal has interrupted it. Only for calls that have done nothing
 * then, or that do the same if they are repeated.
 */
export const restarted = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  times = AT_MOST,
): Effect.Effect<A, E, R> =>
  catchErrno(
    call,
    "EINTR",
    (error): Effect.Effect<A, E, R> =>
      times === 0 ? Effect.fail(error as E) : restarted(call, times - 1),
  );
