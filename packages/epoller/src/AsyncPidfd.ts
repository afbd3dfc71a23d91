import { EPOLL, POLL, W } from "@rsyscall/abi";
import {
  type BorrowFailure,
  type ChildState,
  type IoFailure,
  type MallocFailure,
  type Pidfd,
  pollNow,
} from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect, type Scope, Semaphore } from "effect";
import type { Epoller } from "./Epoller.ts";
import { Attempts } from "./internal/Attempts.ts";
import type { Readiness } from "./Readiness.ts";

/**
 * A process, child or not (see pidfd_open(2)), for whose end fibers wait without blocking a task. Any number of
 * fibers may wait, and each can be interrupted immediately.
 *
 * @example
 * ```ts
 * import { AsyncPidfd } from "@rsyscall/epoller";
 * import { Pidfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const untilEnded = (pid: number) =>
 *   Effect.gen(function* () {
 *     const thread = yield* LocalThread;
 *     const pidfd = yield* Pidfd.make(thread, pid);
 *     const process = yield* AsyncPidfd.make(yield* thread.epoller(), pidfd);
 *     yield* process.ended();
 *   });
 * ```
 */
export class AsyncPidfd {
  /** The descriptor, for calls that do not wait. */
  readonly handle: Pidfd;
  readonly #attempts: Attempts;
  /** Held while the kernel is asked how the process ended: it answers only once. */
  readonly #reaping = Semaphore.makeUnsafe(1);
  #state: ChildState | undefined;

  private constructor(handle: Pidfd, readiness: Readiness) {
    this.handle = handle;
    this.#attempts = new Attempts(handle, readiness);
  }

  /**
   * Registers a descriptor. It does not become non-blocking, because O_NONBLOCK of a pidfd changes waitid(2) for
   * all processes that share it.
   */
  static make(
    epoller: Epoller,
    pidfd: Pidfd,
  ): Effect.Effect<AsyncPidfd, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(epoller.register(pidfd), (readiness) => new AsyncPidfd(pidfd, readiness));
  }

  /** Waits until the process has ended. It may still be a zombie: see `exit`. */
  ended(): Effect.Effect<void, IoFailure> {
    const ask = Effect.map(pollNow(this.handle, POLL.IN), (events) =>
      events === 0 ? "EAGAIN" : events,
    );
    return Effect.asVoid(this.#attempts.await(EPOLL.IN, ask));
  }

  /**
   * Waits until a child of the descriptor's task has ended, reaps it with waitid(2), and gives its state. Further
   * calls give the same state. ECHILD if the process is not a child of that task's process, or if another caller has
   * reaped it; `ended` still succeeds.
   */
  exit(): Effect.Effect<ChildState, IoFailure> {
    const reap = Effect.uninterruptible(
      Effect.tap(this.handle.waitid(W.EXITED), (state) =>
        Effect.sync(() => {
          this.#state = state;
        }),
      ),
    );
    const tell: Effect.Effect<ChildState, IoFailure> = Effect.suspend(() => {
      if (this.#state !== undefined) return Effect.succeed(this.#state);
      // It is never undefined without W.NOHANG, unless the task lies.
      return Effect.flatMap(reap, (state) =>
        state === undefined ? this.exit() : Effect.succeed(state),
      );
    });
    return Effect.suspend(() =>
      this.#state !== undefined
        ? Effect.succeed(this.#state)
        : Effect.andThen(this.ended(), this.#reaping.withPermits(1)(tell)),
    );
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#attempts.close();
  }
}

oneLine(AsyncPidfd, ({ handle }) => String(handle));
