import type { Cloned, HandleFailure } from "@rsyscall/handle";
import { kill, orOlder, type SyscallFailure } from "@rsyscall/near";
import { Effect } from "effect";

/**
 * pidfd_send_signal(2) by a parent, or kill(2) if that is refused: no other process has the child's number until
 * the parent waits for the child.
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
        // A signal to a process that has ended does nothing.
        hasEnded() ? Effect.void : kill(sysif, pid, signal),
    ),
  );
};
