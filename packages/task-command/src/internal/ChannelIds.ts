const LAST = 2 ** 32 - 1;

/** Ids of channels. Each is used again as late as can be, because a frame on its way may still name it. */
export class ChannelIds {
  readonly #isTaken: (id: number) => boolean;
  #last: number;

  constructor(isTaken: (id: number) => boolean, last = 0) {
    this.#isTaken = isTaken;
    this.#last = last;
  }

  /** Takes `count` ids in a row that are free, and gives the first. Far fewer are taken than there are. */
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
