import { Effect } from "effect";

/**
 * A number of places. A fiber takes some by a plain call, and waits by an Effect of its own, so an interruption never
 * loses a place between two fibers.
 */
export class Places {
  readonly limit: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.limit = limit;
    this.#free = limit;
  }

  /** Whether a place can be taken. */
  get isFree(): boolean {
    return this.#free > 0;
  }

  /** Takes places, if there are as many. */
  take(count = 1): boolean {
    if (count > this.#free) return false;
    this.#free -= count;
    return true;
  }

  /** Gives places back. */
  release(count = 1): void {
    this.#free += count;
    for (const tell of [...this.#waiting]) tell();
  }

  /** Completes when places are given back the next time. */
  released(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const tell = () => {
        this.#waiting.delete(tell);
        resume(Effect.void);
      };
      this.#waiting.add(tell);
      return Effect.sync(() => this.#waiting.delete(tell));
    });
  }
}
