import type { BorrowFailure, IoFailure, MallocFailure, Timerfd } from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect, type Scope, type Stream } from "effect";
import { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import type { Epoller } from "./Epoller.ts";
import { counts, readCount } from "./internal/counts.ts";

/**
 * A timerfd for which fibers wait without blocking its task. It is set through its handle, also while
 * a fiber waits. A wait can be interrupted immediately.
 *
 * @example
 * ```ts
 * import { CLOCK } from "@rsyscall/abi";
 * import { AsyncTimerfd } from "@rsyscall/epoller";
 * import { Timerfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, Stream } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const timerfd = yield* Timerfd.make(thread, CLOCK.MONOTONIC);
 *   const timer = yield* AsyncTimerfd.make(yield* thread.epoller(), timerfd);
 *   const tenth = { seconds: 0, nanoseconds: 100_000_000 };
 *   yield* timerfd.settime({ value: tenth, interval: tenth });
 *   yield* Stream.runForEach(Stream.take(timer.stream, 3), (count) => Effect.log(`${count} more`));
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncTimerfd {
  /** The descriptor, for calls that do not wait. */
  readonly handle: Timerfd;
  readonly #afd: AsyncFileDescriptor<Timerfd>;

  private constructor(afd: AsyncFileDescriptor<Timerfd>) {
    this.handle = afd.handle;
    this.#afd = afd;
  }

  /** Registers a descriptor: see `AsyncFileDescriptor.make`. */
  static make(
    epoller: Epoller,
    timerfd: Timerfd,
  ): Effect.Effect<AsyncTimerfd, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(AsyncFileDescriptor.make(epoller, timerfd), (afd) => new AsyncTimerfd(afd));
  }

  /**
   * Waits until the timer has expired, and gives the number of expirations since it was set or read. ECANCELED if
   * the clock was set, with TFD_TIMER.CANCEL_ON_SET.
   */
  expirations(): Effect.Effect<bigint, IoFailure> {
    return readCount(this.#afd);
  }

  /** The results of repeated `expirations`. An element is more than 1 if the timer expires faster than it is read. */
  get stream(): Stream.Stream<bigint, IoFailure> {
    return counts(this.#afd);
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#afd.close();
  }
}

oneLine(AsyncTimerfd, ({ handle }) => String(handle));
