import { EPOLL, Itimerspec, TFD, type Timespec, Uint64 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { IoFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { argument, checked, encoded, int } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";

/** The setting of a timer. */
export interface NewItimerspec {
  /** The time of the first expiration; zero for a timer that does not run. */
  readonly value: Timespec;
  /** The time from one expiration to the next; without it, the timer expires once. */
  readonly interval?: Timespec | undefined;
}

const zero: Timespec = { seconds: 0, nanoseconds: 0 };

/**
 * A timer that can be waited for: sys/timerfd.h. Readable when it has expired.
 *
 * @example
 * ```ts
 * import { CLOCK } from "@rsyscall/abi";
 * import { Timerfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const timerfd = yield* Timerfd.make(yield* LocalThread, CLOCK.MONOTONIC);
 *   yield* timerfd.settime({ value: { seconds: 0, nanoseconds: 1_000_000 } });
 *   console.log(yield* timerfd.readExpirations()); // 1n, after a millisecond
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Timerfd extends FileDescriptor {
  /**
   * timerfd_create(2), close-on-exec. `clock` of `CLOCK`; the two that wake a machine need
   * CAP_WAKE_ALARM. `flags` may have TFD.NONBLOCK.
   */
  static make(
    { task }: TaskLike,
    clock: number,
    flags = 0,
  ): Effect.Effect<Timerfd, near.SyscallFailure, Scope.Scope> {
    return checked(
      "timerfd_create",
      [argument("clock", clock, int)],
      FileDescriptor.acquire(
        Timerfd,
        task,
        near.timerfdCreate(task.sysif, clock, near.withFlags(flags, TFD.CLOEXEC)),
      ),
    );
  }

  /**
   * timerfd_settime(2): sets the timer. Returns its previous setting, whose `value` is the time that was left.
   * Expirations that no read has taken are forgotten. `flags` of `TFD_TIMER`. EINVAL for a value that is not a
   * time.
   */
  settime(time: NewItimerspec, flags = 0): Effect.Effect<Itimerspec, IoFailure> {
    const { value, interval = zero } = time;
    const { size, alignment } = Itimerspec;
    const { sysif } = this.task;
    return this.use((fd) =>
      Effect.flatMap(encoded("timerfd_settime", "time", Itimerspec, { value, interval }), (bytes) =>
        this.task.withBytes(
          bytes,
          (at) =>
            // The kernel writes the old setting over the new one, which it has copied by then.
            Effect.flatMap(
              near.batchThen([near.timerfdSettime(sysif, fd, flags, at, at)], sysif.read(at, size)),
              ([, old]) =>
                near.decoded("timerfd_settime", `fd ${fd}`, () => Itimerspec.decode(old)),
            ),
          alignment,
        ),
      ),
    );
  }

  /** Stops the timer, by `settime` with zeros. */
  disarm(): Effect.Effect<Itimerspec, IoFailure> {
    return this.settime({ value: zero });
  }

  /** timerfd_gettime(2): `value` is the time that is left, zero for a timer that does not run. */
  gettime(): Effect.Effect<Itimerspec, IoFailure> {
    return this.use((fd) =>
      this.task.withResult(Itimerspec, (at) => near.timerfdGettime(this.task.sysif, fd, at)),
    );
  }

  /**
   * read(2): how often the timer has expired since it was set or read. If it has not expired, the call waits, or
   * fails with EAGAIN if the descriptor is non-blocking; a task that waits makes no other calls. ECANCELED if the
   * clock was set, with TFD_TIMER.CANCEL_ON_SET.
   */
  readExpirations(): Effect.Effect<bigint, IoFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      this.task.withResult(Uint64, (at) => near.read(this.task.sysif, fd, at, Uint64.size)),
    );
  }
}
