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
 * A descriptor to read signals from: sys/signalfd.h. They have to be blocked in every thread of the
 * process, or they do what they always do: `SignalBlock` does it where there is one.
 *
 * It has no signals of its own. What is ready and what is read are the pending signals of the process
 * that polls or reads, whoever made the descriptor: in another process it tells of other signals. An
 * epoll instance that has it must be waited on in the task whose signals are meant.
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

  /** signalfd(2): other signals from now on, for whoever shares the open file. */
  setMask(mask: ReadonlySet<number>): Effect.Effect<void, IoFailure> {
    return this.use((fd) => Effect.asVoid(signalfd(this.task, fd, mask, 0)));
  }

  /**
   * read(2) of at most `most` signals that are pending; they are not any more then. With none, it
   * waits, or is EAGAIN if the descriptor is non-blocking. A task that waits makes no other calls.
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
