/** Small chunk size, in bytes: for a backlog that begins with a small part. */
const SMALL = 4096;
/** Large chunk size. */
const LARGE = 65536;

/** A queue of bytes. Many small parts take no more room than a few large ones. */
export class Backlog {
  #chunks: Array<Uint8Array> = [];
  /** Where the bytes begin in the first chunk, and end in the last. */
  #start = 0;
  #end = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends a copy of bytes. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      let last = this.#chunks.at(-1);
      if (last === undefined || this.#end === last.length) {
        const isSmall = last === undefined && bytes.length <= SMALL;
        last = new Uint8Array(isSmall ? SMALL : LARGE);
        this.#chunks.push(last);
        this.#end = 0;
      }
      const part = bytes.subarray(at, at + last.length - this.#end);
      last.set(part, this.#end);
      this.#end += part.length;
      at += part.length;
    }
    this.#length += bytes.length;
  }

  /** The first chunk, without a copy. Empty if there is none. */
  get first(): Uint8Array {
    const first = this.#chunks[0];
    if (first === undefined) return nothing;
    return first.subarray(this.#start, this.#chunks.length === 1 ? this.#end : first.length);
  }

  /** Removes the first `length` bytes. */
  drop(length: number): void {
    this.#length -= length;
    this.#start += length;
    if (this.#length === 0) this.clear();
    else if (this.#start === this.#chunks[0]?.length) {
      this.#chunks.shift();
      this.#start = 0;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#start = this.#end = this.#length = 0;
  }
}

const nothing = new Uint8Array(0);
