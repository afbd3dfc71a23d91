/** Times without waiting after which waiting is tried again. */
const RETRY = 32;

/** Milliseconds; a shorter wait is not tried. */
const WORTH = 0.002;

/**
 * Learns how long it pays to wait for something before sleeping: up to `most` as long as it comes meanwhile, and
 * half of that each time it does not come.
 */
export class Budget {
  readonly #most: number;
  readonly #least: number;
  #now: number;
  #skipped = 0;

  /** @param most and `least` in milliseconds; with 0 it gives up, and tries again later */
  constructor(most: number, least: number) {
    this.#most = most;
    this.#least = least;
    this.#now = most;
  }

  /** Milliseconds to wait this time. */
  get milliseconds(): number {
    if (this.#now === 0 && ++this.#skipped === RETRY) {
      this.#skipped = 0;
      this.#now = this.#most;
    }
    return this.#now;
  }

  /** Says that it came while we waited. */
  paid(): void {
    if (this.#now < this.#most) this.#now = Math.min(2 * this.#now, this.#most);
  }

  /** Says that it did not come. */
  wasted(): void {
    const half = this.#now / 2;
    this.#now = Math.max(half < WORTH ? 0 : half, this.#least);
  }
}
