/** After so many times without waiting, it is tried again. */
const RETRY = 32;

/** Less than this is not worth a try, in milliseconds. */
const WORTH = 0.002;

/**
 * For how long it pays to wait for something, which is learned: as long as it comes while we wait, up to
 * what it costs not to; and hardly at all where it does not.
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

  /** It came while we waited. */
  paid(): void {
    if (this.#now < this.#most) this.#now = Math.min(2 * this.#now, this.#most);
  }

  /** It did not come. */
  wasted(): void {
    const half = this.#now / 2;
    this.#now = Math.max(half < WORTH ? 0 : half, this.#least);
  }
}
