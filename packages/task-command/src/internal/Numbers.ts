const LAST = 2 ** 32 - 1;

/** Numbers of channels, each as late again as can be: a frame on its way may still name it. */
export class Numbers {
  readonly #isTaken: (number: number) => boolean;
  #last: number;

  constructor(isTaken: (number: number) => boolean, last = 0) {
    this.#isTaken = isTaken;
    this.#last = last;
  }

  /** So many that are free, one behind the other: the first of them. Far fewer are taken than there are. */
  take(count: number): number {
    let first = this.#last + 1;
    for (let number = first; number < first + count; number++)
      if (number > LAST) {
        first = 1;
        number = 0;
      } else if (this.#isTaken(number)) first = number + 1;
    this.#last = first + count - 1;
    return first;
  }
}
