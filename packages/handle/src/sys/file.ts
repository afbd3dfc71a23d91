import { LOCK } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { HandleFailure } from "../errors.ts";
import type { FileDescriptor } from "../FileDescriptor.ts";
import { argument, checked, int, type Rule } from "../internal/checked.ts";
import { heldLock, locking, type WaitingCall, waiting } from "../internal/waiting.ts";
import type { Task } from "../Task.ts";

/** flock(2). See `FileDescriptor.flock`. */
export const flock = (
  task: Task,
  fd: near.Fd,
  operation: number,
): Effect.Effect<void, HandleFailure> => {
  // Operators of JavaScript would cut it to 32 bits.
  if (!int.has(operation)) return near.flock(task.sysif, fd, operation);
  const wait = waitFor(task, fd, operation);
  return wait === undefined
    ? near.flock(task.sysif, fd, operation)
    : locking(wait.undo, (restore) => waiting(task, wait, restore));
};

/** What locks a file. LOCK.UN would make a lock that excludes no other. */
const fileLock: Rule<number> = {
  expected: "LOCK.SH or LOCK.EX, with LOCK.NB not to wait",
  has: (operation) => [LOCK.SH, LOCK.EX, LOCK.SH | LOCK.NB, LOCK.EX | LOCK.NB].includes(operation),
};

/** How an operation waits; undefined if it does not. */
const waitFor = (task: Task, fd: near.Fd, operation: number): WaitingCall | undefined => {
  const lock = (operation: number) => near.flock(task.sysif, fd, operation);
  return operation & (LOCK.NB | LOCK.UN)
    ? undefined
    : {
        now: lock(operation | LOCK.NB),
        later: { syscall: "flock", subject: `fd ${fd}`, words: () => [fd, operation] },
        inTask: lock(operation),
        // The kernel has given up the lock that there was before it began to wait.
        undo: lock(LOCK.UN),
      };
};

/**
 * A lock of an open file, as a resource: flock(2). All descriptors of the open file have it, in all processes; it
 * does not keep other processes from reading and writing, but from locking.
 */
export class FileLock {
  /** The lock's own handle of the file, which stays open until the lock is released. */
  readonly fd: FileDescriptor;

  private constructor(fd: FileDescriptor) {
    this.fd = fd;
  }

  /**
   * Locks an open file until the scope closes. The wait for a lock of another process holds up no other call, and
   * can be interrupted. EAGAIN with LOCK.NB, if the file is locked.
   *
   * @param operation LOCK.SH, which others may share, or LOCK.EX; with LOCK.NB not to wait
   *
   * @example
   * ```ts
   * import { LOCK, O } from "@rsyscall/abi";
   * import { FileLock } from "@rsyscall/handle";
   * import { LocalThread } from "@rsyscall/thread";
   * import { Effect } from "effect";
   *
   * const program = Effect.gen(function* () {
   *   const thread = yield* LocalThread;
   *   const file = yield* thread.open("/tmp/lock", O.RDWR | O.CREAT);
   *   yield* FileLock.make(file, LOCK.EX);
   *   // No other process has the lock now.
   * });
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
   * ```
   */
  static make(
    fd: FileDescriptor,
    operation: number = LOCK.EX,
  ): Effect.Effect<FileLock, HandleFailure, Scope.Scope> {
    const lock = Effect.flatMap(fd.forTask(fd.task), (own) => {
      const { task, near: number } = own;
      const wait = waitFor(task, number, operation);
      const held = heldLock(own.flock(LOCK.UN), (restore) =>
        wait === undefined ? own.flock(operation) : waiting(task, wait, restore),
      );
      return Effect.as(held, new FileLock(own));
    });
    return checked("flock", [argument("operation", operation, fileLock)], lock);
  }

  /** Unlocks the file before the scope does. */
  release(): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(this.fd.flock(LOCK.UN), this.fd.close());
  }
}

near.oneLine(FileLock, ({ fd }) => `lock of ${fd}`);
