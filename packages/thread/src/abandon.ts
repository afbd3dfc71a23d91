import { SIG, W } from "@rsyscall/abi";
import type { ChildState, Cloned, IoFailure, Pidfd } from "@rsyscall/handle";
import { Effect } from "effect";
import { signalChild } from "./signalChild.ts";

/** How often the kernel is asked whether a killed child has ended. */
const POLL_INTERVAL = "1 millis";

/**
 * waitid(2) for a child that was killed, and so ends soon. A call of this process must not stop Node, and the epoller
 * that would report the end may have ended: so the kernel is asked until the child is a zombie.
 */
export const reapKilled = (pidfd: Pidfd): Effect.Effect<ChildState | undefined, IoFailure> =>
  pidfd.task.patience === undefined
    ? pidfd.waitid(W.EXITED)
    : Effect.flatMap(pidfd.waitid(W.EXITED | W.NOHANG), (state) =>
        state === undefined
          ? Effect.andThen(
              Effect.sleep(POLL_INTERVAL),
              Effect.suspend(() => reapKilled(pidfd)),
            )
          : Effect.succeed(state),
      );

/**
 * Kills and reaps a child that cannot be used, and that no caller has seen. Its stack is freed only when it has ended:
 * a stack that is used again under a running child is worse than one that is lost.
 */
export const abandon = (cloned: Cloned): Effect.Effect<void> =>
  signalChild(cloned, SIG.KILL).pipe(
    Effect.andThen(reapKilled(cloned.pidfd)),
    Effect.andThen(cloned.freeStack()),
    Effect.ignore,
  );
