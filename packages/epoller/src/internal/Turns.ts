import { Effect, type Exit } from "effect";

/** Makes an effect interruptible if the surrounding fiber is. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

/** Lets one fiber at a time run an operation. */
export class Turns {
  #isTaken = false;
  readonly #waiting = new Set<() => void>();

  /**
   * Runs an operation when it is the fiber's turn, and then `last`, before another fiber gets its turn. The operation
   * is uninterruptible except for the effects that it restores.
   */
  inTurn<A, E, R>(
    operation: (restore: Restore) => Effect.Effect<A, E, R>,
    last: (exit: Exit.Exit<A, E>) => Effect.Effect<void> | undefined,
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      let hasTurn = false;
      const leave = () => this.#leave(hasTurn);
      const whole = Effect.uninterruptibleMask((restore) => {
        const begin: Effect.Effect<A, E, R> = Effect.suspend(() => {
          if (this.#isTaken) return Effect.andThen(restore(this.#wait), begin);
          this.#isTaken = true;
          hasTurn = true;
          return operation(restore);
        });
        return begin;
      });
      return Effect.onExitPrimitive(whole, (exit) => {
        const rest = last(exit);
        if (rest !== undefined) return Effect.map(rest, leave);
        leave();
        return undefined;
      });
    });
  }

  /** Waits until it may be the fiber's turn. */
  readonly #wait: Effect.Effect<void> = Effect.callback((resume) => {
    const wake = () => {
      this.#waiting.delete(wake);
      resume(Effect.void);
    };
    this.#waiting.add(wake);
    return Effect.sync(() => {
      this.#waiting.delete(wake);
    });
  });

  /** Wakes the next fiber: the turn is over, or the fiber no longer waits for one, perhaps after it was woken. */
  #leave(hadTurn: boolean): void {
    if (hadTurn) this.#isTaken = false;
    if (this.#isTaken || this.#waiting.size === 0) return;
    // Not synchronously: each waiting fiber could run inside the one before, and the stack would grow.
    queueMicrotask(() => {
      const [wake] = this.#waiting;
      if (!this.#isTaken) wake?.();
    });
  }
}
