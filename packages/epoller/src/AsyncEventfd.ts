import { type BorrowFailure, Eventfd, type IoFailure, type MallocFailure } from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect, type Scope, type Stream } from "effect";
import { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
import type { Epoller } from "./Epoller.ts";
import { counts, readCount } from "./internal/counts.ts";

/**
 * An eventfd whose operations wait without blocking its task. A wait can be interrupted immediately; it does not
 * change the count then.
 *
 * @example
 * ```ts
 * import { AsyncEventfd } from "@rsyscall/epoller";
 * import { Eventfd } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const eventfd = yield* AsyncEventfd.make(yield* thread.epoller(), yield* Eventfd.make(thread));
 *   yield* Effect.forkChild(eventfd.add(3));
 *   console.log(yield* eventfd.wait()); // 3n
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class AsyncEventfd {
  /** The descriptor, for calls that do not wait. */
  readonly handle: Eventfd;
  readonly #afd: AsyncFileDescriptor<Eventfd>;

  private constructor(afd: AsyncFileDescriptor<Eventfd>) {
    this.handle = afd.handle;
    this.#afd = afd;
  }

  /** Registers a descriptor: see `AsyncFileDescriptor.make`. */
  static make(
    epoller: Epoller,
    eventfd: Eventfd,
  ): Effect.Effect<AsyncEventfd, MallocFailure | BorrowFailure, Scope.Scope> {
    return Effect.map(AsyncFileDescriptor.make(epoller, eventfd), (afd) => new AsyncEventfd(afd));
  }

  /** Waits until the count is not 0, and takes it; with EFD.SEMAPHORE it takes 1. */
  wait(): Effect.Effect<bigint, IoFailure> {
    return readCount(this.#afd);
  }

  /** The results of repeated `wait`s. */
  get counts(): Stream.Stream<bigint, IoFailure> {
    return counts(this.#afd);
  }

  /** Adds to the count. Waits while the sum would be larger than 2^64 - 2. */
  add(count: bigint | number): Effect.Effect<void, IoFailure> {
    return Effect.flatMap(Eventfd.encodeCount(count), (bytes) => this.#afd.writeAllBytes(bytes));
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return this.#afd.close();
  }
}

oneLine(AsyncEventfd, ({ handle }) => String(handle));
