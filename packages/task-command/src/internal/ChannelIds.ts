const LAST = 2 ** 32 - 1;

/** Ids of channels. An id is reused as late as possible, because a frame in flight may still name it. */
export class ChannelIds {
  readonly #isTaken: (id: number) => boolean;
  #last: number;

  constructor(isTaken: (id: number) => boolean, last = 0) {
    this.#isTaken = isTaken;
    this.#last = last;
  }

  /** Takes `count` consecutive free ids, and returns the first. Most ids are always free. */
  take(count: number): number {
    let first = this.#last + 1;
    for (let id = first; id < first + count; id++)
      if (id > LAST) {
        first = 1;
        id = 0;
      } else if (this.#isTaken(id)) first = id + 1;
    this.#last = first + count - 1;
    return first;
  }
}
