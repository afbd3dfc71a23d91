import { ChildSiginfo, EPOLL, P, W } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { FdFailure, IoFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";
import { ChildState } from "./wait.ts";

/**
 * A descriptor of a process, which never means another process: sys/pidfd.h. It is readable once the process has
 * ended.
 *
 * @example
 * ```ts
 * import { SIG } from "@rsyscall/abi";
 * import { Pidfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const child = yield* thread.fork();
 *   const pidfd = yield* Pidfd.make(thread, child.process.pid);
 *   yield* pidfd.sendSignal(SIG.KILL); // to that process, and never to a later one of that number
 *   console.log(String(yield* child.process.wait())); // was killed by SIGKILL
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Pidfd extends FileDescriptor {
  /** pidfd_open(2), close-on-exec. */
  static make(
    { task }: TaskLike,
    pid: near.Pid | number,
    flags = 0,
  ): Effect.Effect<Pidfd, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(Pidfd, task, near.pidfdOpen(task.sysif, pid, flags));
  }

  /** The name of the kind in errors. */
  static readonly kind = "pidfd";

  /**
   * Calls waitid(2) with W.NOWAIT, which changes nothing; it is ECHILD for a process that is no child of the
   * task's. pidfd_send_signal(2) would not tell, because it takes directories of /proc, too.
   */
  static confirm(task: Task, fd: near.Fd): Effect.Effect<boolean, near.SyscallFailure> {
    const options = W.EXITED | W.NOHANG | W.NOWAIT;
    return near.waitid(task.sysif, P.PIDFD, fd, near.NULL, options).pipe(
      Effect.as(true),
      // EAGAIN: the pidfd is non-blocking.
      near.catchErrno(["ECHILD", "EAGAIN"], () => Effect.succeed(true)),
      near.catchErrno(["EBADF", "EINVAL"], () => Effect.succeed(false)),
    );
  }

  /** pidfd_send_signal(2): ESRCH once the process was waited for. Signal 0 sends nothing, and only checks. */
  sendSignal(signal: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) =>
      near.pidfdSendSignal(this.task.sysif, fd, signal).about(() => `signal ${signal}`),
    );
  }

  /**
   * waitid(2) for one change of a child of this task's process. Undefined when there is none and the
   * options have W.NOHANG; ECHILD when the process is not its child, or was waited for already.
   */
  waitid(options: number): Effect.Effect<ChildState | undefined, IoFailure> {
    const { patience } = this.task;
    // The descriptor becomes readable at the end of the process, and at no other change.
    if (patience === undefined || options & W.NOHANG || !(options & W.EXITED))
      return this.#waitid(options);
    const wait: Effect.Effect<ChildState | undefined, IoFailure> = Effect.flatMap(
      this.#waitid(options | W.NOHANG),
      (state) =>
        state === undefined
          ? Effect.andThen(patience.wait(this, EPOLL.IN), wait)
          : Effect.succeed(state),
    );
    return wait;
  }

  #waitid(options: number): Effect.Effect<ChildState | undefined, IoFailure> {
    const { task } = this;
    return this.use((fd) =>
      Effect.map(
        task.withMemory(ChildSiginfo.size, ChildSiginfo.alignment, (info) =>
          Effect.map(
            near.batchThen(
              [near.waitid(task.sysif, P.PIDFD, fd, info, options)],
              task.sysif.read(info, ChildSiginfo.size),
            ),
            ([, bytes]) => ChildSiginfo.decode(bytes),
          ),
        ),
        // With W.NOHANG and no change, the kernel writes zeros.
        (info) => (info.signo === 0 ? undefined : ChildState.from(info)),
      ),
    );
  }

  /** pidfd_getfd(2): duplicates a descriptor of that process, which the task must be allowed to trace. */
  getfd(fd: near.Fd): Effect.Effect<FileDescriptor, FdFailure, Scope.Scope> {
    return this.use((pidfd) =>
      Effect.map(
        FileDescriptor.acquire(
          FileDescriptor,
          this.task,
          near.pidfdGetfd(this.task.sysif, pidfd, fd),
        ),
        (duplicate) => {
          duplicate.isShared = true;
          return duplicate;
        },
      ),
    );
  }
}
