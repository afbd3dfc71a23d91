import { EFD, EPOLL, EPOLL_CLOEXEC, EPOLL_CTL, type EpollEvent, listOf } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { BorrowFailure, IoFailure, MallocFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/**
 * An epoll instance: sys/epoll.h.
 *
 * @example
 * ```ts
 * import { EPOLL, EPOLL_CTL } from "@rsyscall/abi";
 * import { Epoll, Eventfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const epoll = yield* Epoll.make(thread);
 *   const eventfd = yield* Eventfd.make(thread);
 *   yield* epoll.set(EPOLL_CTL.ADD, eventfd, { events: EPOLL.IN, data: 7 });
 *   yield* eventfd.add(1);
 *   console.log(yield* epoll.wait(1, 0)); // [ { events: 1, data: 7 } ]
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Epoll extends FileDescriptor {
  /** epoll_create1(2), close-on-exec. */
  static make({ task }: TaskLike): Effect.Effect<Epoll, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(Epoll, task, near.epollCreate1(task.sysif, EPOLL_CLOEXEC));
  }

  /** The name of the kind in errors. */
  static readonly kind = "epoll instance";

  /**
   * Asks epoll_ctl(2) to remove a descriptor that is not there: ENOENT for an epoll instance, and EINVAL for any
   * other descriptor. None of the descriptors in the instance is polled.
   */
  static confirm(task: Task, fd: near.Fd): Effect.Effect<boolean, near.SyscallFailure> {
    const { sysif } = task;
    return Effect.acquireUseRelease(
      near.eventfd(sysif, 0, EFD.CLOEXEC),
      (absent) =>
        near.epollCtl(sysif, fd, EPOLL_CTL.DEL, absent, near.NULL).pipe(
          Effect.as(true),
          near.catchErrno("ENOENT", () => Effect.succeed(true)),
          near.catchErrno(["EINVAL", "EBADF"], () => Effect.succeed(false)),
        ),
      (absent) => Effect.ignore(near.close(sysif, absent)),
    );
  }

  /** epoll_ctl(2) with EPOLL_CTL.ADD or MOD. */
  set(
    operation: typeof EPOLL_CTL.ADD | typeof EPOLL_CTL.MOD,
    fd: FileDescriptor,
    event: EpollEvent,
  ): Effect.Effect<void, MallocFailure | BorrowFailure> {
    return this.use((epoll) =>
      Effect.flatMap(fd.borrow(this.task), (number) =>
        this.task.withValue(this.task.abi.epollEvent, event, (address) =>
          near.epollCtl(this.task.sysif, epoll, operation, number, address),
        ),
      ),
    );
  }

  /** epoll_ctl(2) with EPOLL_CTL.DEL. */
  delete(fd: FileDescriptor): Effect.Effect<void, near.SyscallFailure | BorrowFailure> {
    return this.use((epoll) =>
      Effect.flatMap(fd.borrow(this.task), (number) =>
        near.epollCtl(this.task.sysif, epoll, EPOLL_CTL.DEL, number, near.NULL),
      ),
    );
  }

  /** epoll_wait(2) for at most `most` events; `timeout` in milliseconds, -1 for ever. */
  wait(most: number, timeout: number): Effect.Effect<ReadonlyArray<EpollEvent>, IoFailure> {
    const { patience } = this.task;
    if (patience === undefined || timeout === 0) return this.#wait(most, timeout);
    const ready = this.useWhenReady(EPOLL.IN, () => Effect.void);
    return Effect.andThen(
      timeout < 0 ? ready : Effect.timeoutOption(ready, timeout),
      this.#wait(most, 0),
    );
  }

  #wait(most: number, timeout: number): Effect.Effect<ReadonlyArray<EpollEvent>, IoFailure> {
    const { epollEvent } = this.task.abi;
    const events = listOf(epollEvent);
    return this.use((epoll) =>
      this.task.withMemory(epollEvent.size * most, 8, (address) =>
        Effect.flatMap(near.epollPwait(this.task.sysif, epoll, address, most, timeout), (count) =>
          count === 0
            ? Effect.succeed([])
            : Effect.flatMap(this.task.sysif.read(address, epollEvent.size * count), (bytes) =>
                near.decoded("epoll_pwait", `fd ${epoll}`, () => events.decode(bytes)),
              ),
        ),
      ),
    );
  }
}
