import { CLONE, SIG } from "@rsyscall/abi";
import { clone, type HandleFailure, type Helper } from "@rsyscall/handle";
import { InvalidStateError, SyscallError } from "@rsyscall/near";
import { Effect } from "effect";
import { watched } from "./spawn.ts";
import type { ThreadFields } from "./ThreadFields.ts";

/**
 * The helper of a Thread's task: a child for each call that waits, in the task's memory and descriptor table. Locks
 * belong to one of the two, or to an open file, so the task has what the child is given. The controller sees the
 * child's end by its pidfd, as that of any child: no call of the task waits.
 *
 * A thread of the process (CLONE_THREAD) would do as well, but could not be killed alone; and the kernel has no way
 * to be told when a lock becomes free.
 */
export const helperOf = (parent: ThreadFields): Helper => ({
  call: (step) =>
    Effect.scoped(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const { task } = parent;
          if (task.isOutsideOfChildren)
            return yield* new InvalidStateError({
              syscall: step.syscall,
              subject: String(task),
              problem: "has its children in another pid namespace, and a child waits for the lock",
              remedy: "lock the file before, or do not wait: LOCK.NB",
            });
          yield* parent.beforeChildren();
          const { process, failure } = yield* watched(
            parent,
            yield* Effect.scope,
            clone(task, { flags: CLONE.FILES, kept: [], deathSignal: SIG.KILL, steps: [step] }),
          );
          yield* Effect.addFinalizer(() => process.killAndWait());
          const state = yield* restore(process.wait());
          const error = yield* failure();
          if (error !== undefined) return yield* error;
          if (state.exitStatus === undefined)
            return yield* SyscallError.of(
              step.syscall,
              "EINTR",
              step.subject,
              `the child that waited ${state}`,
            );
        }),
      ),
    ) satisfies Effect.Effect<void, HandleFailure>,
});
