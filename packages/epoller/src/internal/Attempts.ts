import { EPOLL } from "@rsyscall/abi";
import type { FileDescriptor, IoFailure } from "@rsyscall/handle";
import { Effect, Exit } from "effect";
import { identity } from "effect/Function";
import type { Readiness, WaitableEvent } from "../Readiness.ts";
import type { Kept } from "./Kept.ts";
import { type Restore, Turns } from "./Turns.ts";

/** Repeats non-blocking operations on a descriptor, and waits for its events in between. */
export class Attempts {
  readonly #handle: FileDescriptor;
  readonly readiness: Readiness;
  /** The turns of the fibers that take something from the descriptor. */
  readonly turns = new Turns();

  readonly #wait: (event: WaitableEvent) => Effect.Effect<void, IoFailure>;

  /** @param wait waits until an event may be there */
  constructor(
    handle: FileDescriptor,
    readiness: Readiness,
    wait: (event: WaitableEvent) => Effect.Effect<void, IoFailure> = (event) =>
      readiness.wait(event),
  ) {
    this.#handle = handle;
    this.readiness = readiness;
    this.#wait = wait;
  }

  /**
   * Repeats an operation until it does not give EAGAIN, waiting for the event in between, and converts its result.
   * Only the waits are interruptible. A short read does not mean that there is nothing more: a terminal gives one
   * line, and a packet socket one packet.
   */
  retry<B, C, E, R>(
    event: WaitableEvent,
    operation: Effect.Effect<B | "EAGAIN", E, R>,
    restore: Restore,
    use: (result: B) => C,
  ): Effect.Effect<C, E | IoFailure, R> {
    const attempt: Effect.Effect<C, E | IoFailure, R> = Effect.suspend(() => {
      const edges = this.readiness.edges(event);
      return Effect.flatMap(operation, (result) =>
        result === "EAGAIN"
          ? Effect.andThen(this.waitAfter(event, edges, restore), attempt)
          : Effect.succeed(use(result)),
      );
    });
    return this.readiness.isReady(event)
      ? attempt
      : Effect.andThen(restore(this.#wait(event)), attempt);
  }

  /** As `retry`, for an operation that consumes nothing: an interruption loses only the result. */
  await<B, E, R>(
    event: WaitableEvent,
    operation: Effect.Effect<B | "EAGAIN", E, R>,
  ): Effect.Effect<B, E | IoFailure, R> {
    return Effect.uninterruptibleMask((restore) => this.retry(event, operation, restore, identity));
  }

  /** Waits for an event after the EAGAIN of a call that was made when there were `edges` edges. */
  waitAfter(event: WaitableEvent, edges: number, restore: Restore): Effect.Effect<void, IoFailure> {
    return Effect.suspend(() => {
      if (this.readiness.hasEnded) return Effect.fail(this.readiness.endError(this.#handle));
      this.readiness.fell(event, edges);
      return restore(this.#wait(event));
    });
  }

  /**
   * As `retry`, for a call that consumes something from the descriptor. If the fiber was interrupted meanwhile, the
   * result is kept. Only one fiber at a time makes such a call, so that a kept result comes before later ones.
   *
   * @param use converts the result before the fiber can be interrupted. If undefined, the fiber gets the result
   *   itself, or it is kept.
   */
  take<B, C, E, R>(
    kept: Kept<B, E, R>,
    size: number,
    call: Effect.Effect<B | "EAGAIN", E, R>,
    use: ((result: B) => C) | undefined,
  ): Effect.Effect<C, E | IoFailure, R> {
    const next = Effect.suspend(() =>
      kept.isEmpty || !this.#handle.isValid ? call : kept.take(size),
    );
    return Effect.suspend(() => {
      let taken: { readonly result: B } | undefined;
      const keep = (result: B): B => {
        taken = { result };
        return result;
      };
      return this.turns.inTurn(
        (restore) => this.retry(EPOLL.IN, next, restore, use ?? (keep as (result: B) => never)),
        (exit) =>
          taken !== undefined && Exit.isFailure(exit)
            ? Effect.ignore(kept.putBack(taken.result))
            : undefined,
      );
    });
  }

  /** close(2). Fibers that wait fail with a UseAfterFreeError. */
  close(): Effect.Effect<void, IoFailure> {
    return Effect.ensuring(
      this.#handle.close(),
      Effect.sync(() => this.readiness.end()),
    );
  }
}
