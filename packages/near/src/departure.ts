import { Effect } from "effect";
import { SyscallError, SyscallHangup, SyscallSendError } from "./errors.ts";

/*
 * A process that ends, or becomes another program, sends no result of the call in which it does so: it hangs up.
 * What such a hang-up means is decided here.
 */

/**
 * Whether a call has failed because the task has left during it: its process ended, or became another program.
 * For exit_group(2), execve(2) and a signal that kills this is what success looks like. A connection that was cut or
 * closed here says nothing of the process.
 */
export const hasLeft = (error: unknown): error is SyscallHangup =>
  error instanceof SyscallHangup && error.byTask === true;

/**
 * A call by which the process is to end: it succeeds if the task leaves during it. A SyscallHangup stays where the
 * connection was cut or closed here, since the process may live on then.
 */
export const leaving = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(
    Effect.catchIf(
      call,
      (error): boolean => hasLeft(error),
      () => Effect.void,
    ),
  );

/**
 * Whether an error says no more than that the task is gone, in this call or before it. Where the connection was ended
 * here for a reason, as for a task that broke the protocol, the error has that reason as its cause.
 */
export const isGone = (error: unknown): error is SyscallHangup | SyscallSendError => {
  if (!(error instanceof SyscallHangup || error instanceof SyscallSendError)) return false;
  const { cause } = error;
  return (
    cause === undefined ||
    isGone(cause) ||
    (cause instanceof SyscallError && (cause.errno === "EPIPE" || cause.errno === "ECONNRESET"))
  );
};
