/** The last `size` of many bytes. Each byte is copied a few times at most, however small the parts are. */
export class Tail {
  readonly #size: number;
  #buffer = new Uint8Array(0);
  #length = 0;

  /** @param size how many are kept */
  constructor(size: number) {
    this.#size = size;
  }

  push(bytes: Uint8Array): void {
    const part = bytes.subarray(Math.max(0, bytes.length - this.#size));
    if (this.#length + part.length > this.#buffer.length) this.#makeRoom(part.length);
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
  }

  /** Makes room for `length` more bytes: keeps the last ones, in a buffer of twice the size. */
  #makeRoom(length: number): void {
    const { bytes } = this;
    const kept = bytes.subarray(Math.max(0, bytes.length + length - this.#size));
    const buffer = new Uint8Array(2 * (kept.length + length));
    buffer.set(kept);
    this.#buffer = buffer;
    this.#length = kept.length;
  }

  /** The last of all that was pushed. Valid until the next push. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(Math.max(0, this.#length - this.#size), this.#length);
  }
}
