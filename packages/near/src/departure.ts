import { Effect } from "effect";
import { SyscallError, SyscallHangup, SyscallSendError } from "./errors.ts";

/*
 * If a call makes the process end or execute another program, the process sends no result: it hangs up. These
 * functions interpret such a hang-up.
 */

/**
 * Whether a call has failed because the process ended, or executed another program, during the call. exit_group(2),
 * execve(2) and a signal that kills succeed in this way. If the connection was cut, or closed on this side, the
 * state of the process is unknown, and the result is false.
 */
export const hasLeft = (error: unknown): error is SyscallHangup =>
  error instanceof SyscallHangup && error.byTask === true;

/**
 * Runs a call that is to end the process: it succeeds if the task leaves during the call. If the connection was cut,
 * or closed on this side, it still fails with SyscallHangup, because the process may be alive.
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
 * Whether an error says only that the task is gone, since this call or before it. False if this side has ended the
 * connection for a reason, for example because the task broke the protocol: then that reason is the error's cause.
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
