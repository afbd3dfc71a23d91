import { listOf, SFD, SignalfdSiginfo, Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { IoFailure, MallocFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { encoded } from "../internal/checked.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

const Signals = listOf(SignalfdSiginfo);

/**
 * A descriptor to read signals from: sys/signalfd.h. Every thread of the process must block the signals, or they
 * act as usual; in a process with one thread, `SignalBlock` blocks them.
 *
 * It has no signals of its own. A process that polls or reads it gets its own pending signals, even if another
 * process made the descriptor. So an epoll instance that has it must be waited on in the task whose signals are
 * meant.
 *
 * @example
 * ```ts
 * import { SIG } from "@rsyscall/abi";
 * import { SignalBlock, Signalfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).fork();
 *   const usr1 = new Set([SIG.USR1]);
 *   yield* SignalBlock.make(child, usr1);
 *   const signalfd = yield* Signalfd.make(child, usr1);
 *   yield* child.process.kill(SIG.USR1);
 *   const [signal] = yield* signalfd.readSignals();
 *   console.log(signal?.signo === SIG.USR1); // true
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Signalfd extends FileDescriptor {
  /** signalfd(2), close-on-exec. `flags` may have SFD.NONBLOCK. */
  static make(
    { task }: TaskLike,
    mask: ReadonlySet<number>,
    flags = 0,
  ): Effect.Effect<Signalfd, MallocFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Signalfd,
      task,
      signalfd(task, -1, mask, near.withFlags(flags, SFD.CLOEXEC)),
    );
  }

  /** signalfd(2): changes the signals from now on, for all processes that share the open file. */
  setMask(mask: ReadonlySet<number>): Effect.Effect<void, IoFailure> {
    return this.use((fd) => Effect.asVoid(signalfd(this.task, fd, mask, 0)));
  }

  /**
   * read(2): takes at most `most` pending signals. If there are none, it waits, or fails with EAGAIN if the
   * descriptor is non-blocking. A task that waits makes no other calls.
   */
  readSignals(most = 16): Effect.Effect<ReadonlyArray<SignalfdSiginfo>, IoFailure> {
    return Effect.flatMap(this.readBytes(SignalfdSiginfo.size * most), (bytes) =>
      near.decoded("read", `fd ${this.near}`, () => Signals.decode(bytes)),
    );
  }
}

const signalfd = (
  task: Task,
  fd: near.Fd | -1,
  mask: ReadonlySet<number>,
  flags: number,
): Effect.Effect<near.Fd, MallocFailure> =>
  Effect.flatMap(encoded("signalfd4", "mask", Sigset, mask), (bytes) =>
    task.withBytes(
      bytes,
      (at) => near.signalfd(task.sysif, fd, at, Sigset.size, flags),
      Sigset.alignment,
    ),
  );
