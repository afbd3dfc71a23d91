import { Int32, PR } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, Exit } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/**
 * Changes credentials, and keeps the task's parent-death signal. The kernel silently clears the signal whenever
 * the effective or file system ids change or permitted capabilities are added (commit_creds): a child would then
 * outlive its parent. So it is set again right behind the change.
 *
 * If the parent has ended meanwhile, the kernel has sent nothing: the task sends itself the signal.
 */
export const keepDeathSignal = (
  task: Task,
  change: near.Syscall<void>,
): Effect.Effect<void, MallocFailure> => {
  const { sysif } = task;
  const prctl = (operation: "GET_PDEATHSIG" | "SET_PDEATHSIG", a: near.Word) =>
    near.prctl(sysif, PR[operation], a);
  const before = task.withMemory(Int32.size, Int32.alignment, (at) =>
    Effect.map(
      near.batchThen([near.getppid(sysif), prctl("GET_PDEATHSIG", at)], sysif.read(at, Int32.size)),
      ([[parent], signal]) => ({ parent, signal: Int32.decode(signal) }),
    ),
  );
  return Effect.uninterruptible(
    Effect.flatMap(before, ({ parent, signal }) =>
      signal === 0
        ? change
        : Effect.flatMap(
            near.batchExits([change, prctl("SET_PDEATHSIG", signal), near.getppid(sysif)]),
            ([changed, , now]) =>
              Exit.isSuccess(now) && now.value !== parent
                ? Effect.andThen(near.kill(sysif, task.pid, signal), changed)
                : changed,
          ),
    ),
  );
};
