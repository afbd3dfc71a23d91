import { EPOLL } from "@rsyscall/abi";
import type {
  BorrowFailure,
  Fanotify,
  FanotifyEvent,
  IoFailure,
  MallocFailure,
} from "@rsyscall/handle";
import { catchErrno, oneLine } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { Epoller } from "./Epoller.ts";
import type { Readiness } from "./Readiness.ts";

/**
 * The events of a fanotify(7) group, without blocking the task: other calls of the task go on while a fiber waits. A
 * wait can be interrupted immediately, and loses no event.
 *
 * @example
 * ```ts
 * import { FAN, FAN_EVENT } from "@rsyscall/abi";
 * import { AsyncFanotify } from "@rsyscall/epoller";
 * import { Fanotify } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * // Lets a process open the file, or not.
 * const decide = (allowed: (pid: number) => boolean) =>
 *   Effect.gen(function* () {
 *     const thread = yield* LocalThread;
 *     const group = yield* Fanotify.make(thread, FAN.CLASS_CONTENT);
 *     yield* group.mark("/etc/motd", FAN_EVENT.OPEN_PERM);
 *     const fanotify = yield* AsyncFanotify.make(yield* thread.epoller(), group);
 *     const answer = Effect.gen(function* () {
 *       for (const event of yield* fanotify.readEvents())
 *         yield* allowed(event.pid) ? group.allow(event) : group.deny(event);
 *     });
 *     yield* Effect.forever(Effect.scoped(answer));
 *   });
 * ```
 */
export class AsyncFanotify {
  /** The descriptor, for calls that do not wait: marks and answers. */
  readonly handle: Fanotify;
  readonly #readiness: Readiness;

  private constructor(handle: Fanotify, readiness: Readiness) {
    this.handle = handle;
    this.#readiness = readiness;
  }

  /** Registers a descriptor and makes it non-blocking, for all processes that share the open file. */
  static make(
    epoller: Epoller,
    fanotify: Fanotify,
  ): Effect.Effect<AsyncFanotify, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(
      Effect.andThen(fanotify.setNonblock(), epoller.register(fanotify)),
      (readiness) => new AsyncFanotify(fanotify, readiness),
    );
  }

  /** Waits until there are events, and reads as many as fit into `size` bytes: see `Fanotify.readEvents`. */
  readEvents(size?: number): Effect.Effect<ReadonlyArray<FanotifyEvent>, IoFailure, Scope.Scope> {
    const next: Effect.Effect<
      ReadonlyArray<FanotifyEvent>,
      IoFailure,
      Scope.Scope
    > = Effect.suspend(() => {
      if (!this.#readiness.isReady(EPOLL.IN))
        return Effect.andThen(this.#readiness.wait(EPOLL.IN), next);
      const edges = this.#readiness.edges(EPOLL.IN);
      return this.handle.readEvents(size).pipe(
        catchErrno("EAGAIN", () => {
          if (this.#readiness.hasEnded) return Effect.fail(this.#readiness.endError(this.handle));
          this.#readiness.fell(EPOLL.IN, edges);
          return next;
        }),
      );
    });
    return next;
  }

  /** close(2). Fibers that wait for events fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return Effect.ensuring(
      this.handle.close(),
      Effect.sync(() => this.#readiness.end()),
    );
  }
}

oneLine(AsyncFanotify, ({ handle }) => String(handle));
