import { oneLine } from "@rsyscall/near";
/**
 * Which parts of a range are free: first fit, and neighbours are merged when given back. Only
 * arithmetic; what the numbers stand for is the caller's business.
 */
export class FreeList {
  /** Free ranges as [start, end), sorted, never empty and never touching. */
  readonly #free: Array<[start: number, end: number]>;
  /** The length of the whole range. */
  readonly size: number;
  #used = 0;

  constructor(size: number) {
    this.size = size;
    this.#free = [[0, size]];
  }

  /** Bytes that are taken. */
  get used(): number {
    return this.#used;
  }

  /** Takes `size` bytes at a multiple of `alignment`. Undefined when no gap is large enough. */
  allocate(size: number, alignment: number): number | undefined {
    for (let i = 0; i < this.#free.length; i++) {
      const range = this.#free[i] as [number, number];
      const [start, end] = range;
      const at = Math.ceil(start / alignment) * alignment;
      const rest = at + size;
      if (rest > end) continue;
      if (start < at) {
        range[1] = at;
        if (rest < end) this.#free.splice(i + 1, 0, [rest, end]);
      } else if (rest < end) range[0] = rest;
      else this.#free.splice(i, 1);
      this.#used += size;
      return at;
    }
    return undefined;
  }

  /** Gives back what `allocate` took. */
  release(start: number, size: number): void {
    const end = start + size;
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#free[middle] as [number, number])[0] < start) low = middle + 1;
      else high = middle;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    const touchesBefore = before !== undefined && before[1] === start;
    const touchesAfter = after !== undefined && after[0] === end;
    if (touchesBefore && touchesAfter) {
      before[1] = after[1];
      this.#free.splice(low, 1);
    } else if (touchesBefore) before[1] = end;
    else if (touchesAfter) after[0] = start;
    else this.#free.splice(low, 0, [start, end]);
    this.#used -= size;
  }
}

oneLine(FreeList, ({ used, size }) => `${used} of ${size} bytes are taken`);
