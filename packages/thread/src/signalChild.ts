import type { Cloned, HandleFailure } from "@rsyscall/handle";
import { kill, orOlder, type SyscallFailure } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * pidfd_send_signal(2) of a parent, or kill(2) where that is refused: the number is the child's alone as long as the
 * parent has not been told to wait for it.
 */
export const signalChild = (
  { pid, pidfd }: Pick<Cloned, "pid" | "pidfd">,
  signal: number,
  hasEnded: () => boolean = () => false,
): Effect.Effect<void, HandleFailure> => {
  const { sysif } = pidfd.task;
  return pidfd.sendSignal(signal).pipe(
    orOlder(
      sysif,
      "pidfd_send_signal",
      (): Effect.Effect<void, SyscallFailure> =>
        // A signal to what has ended does nothing.
        hasEnded() ? Effect.void : kill(sysif, pid, signal),
    ),
  );
};
