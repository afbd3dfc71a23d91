/**
 * How much of a copy may be on its way at a time: twice what the way to the other task holds, so that it is never
 * empty. A call of that task waits behind what is on its way, so it is no more than that.
 */
export class Flight {
  readonly #least: number;
  readonly #most: number;
  /** Bytes that may be on their way. */
  limit: number;
  #arrived = 0;
  /** Bytes a millisecond, at best. */
  #rate = 0;
  /** Milliseconds of the fastest departure. */
  #delay = Number.POSITIVE_INFINITY;

  /**
   * @param least the limit in bytes on a way without delay
   * @param most the limit in bytes on any way
   */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
    this.limit = least;
  }

  /** Bytes depart. Returns a function that is called when they have arrived. */
  depart(): (bytes: number) => void {
    const before = this.#arrived;
    const start = performance.now();
    return (bytes) => {
      this.#arrived += bytes;
      // Never 0, by which nothing can be divided.
      const time = Math.max(performance.now() - start, 0.001);
      this.#delay = Math.min(this.#delay, time);
      this.#rate = Math.max(this.#rate, (this.#arrived - before) / time);
      const held = this.#rate * this.#delay;
      this.limit = Math.max(this.#least, Math.min(2 * held, this.#most));
    };
  }
}
