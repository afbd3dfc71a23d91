/** Bytes of the beginning that are kept, to be shown. */
const SHOWN = 500;

/**
 * Looks for a line that says something, in text that comes in parts and that the other side has chosen: every
 * byte is looked at a fixed number of times, however the bytes are cut into parts and lines.
 */
export class LineSearch {
  readonly #markers: ReadonlyArray<string>;
  /** Lines that have come, and have not been looked at. */
  readonly #whole: Array<string> = [];
  /** Parts of a line that has not come whole. */
  #line: Array<string> = [];
  #beginning = "";
  #length = 0;

  /** @param markers what the line says, behind the text that other programs have left in it */
  constructor(...markers: ReadonlyArray<string>) {
    this.#markers = markers;
  }

  /** Whether something has come behind the line that was found. */
  get hasMore(): boolean {
    return this.#whole.length > 0 || this.#line.some((part) => part !== "");
  }

  /** Bytes that have come so far. */
  get length(): number {
    return this.#length;
  }

  /** What has come first. */
  get beginning(): string {
    return Buffer.from(this.#beginning, "latin1").toString().trim();
  }

  /** Takes more bytes. The marker in the first line that has one, and what is behind it there. */
  find(bytes: Uint8Array): { readonly marker: string; readonly rest: string } | undefined {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    this.#length += bytes.length;
    if (this.#beginning.length < SHOWN)
      this.#beginning += text.slice(0, SHOWN - this.#beginning.length);
    const [first = "", ...others] = text.split("\n");
    this.#line.push(first);
    for (const next of others) {
      this.#whole.push(this.#line.join(""));
      this.#line = [next];
    }
    for (let line = this.#whole.shift(); line !== undefined; line = this.#whole.shift())
      for (const marker of this.#markers) {
        const at = line.lastIndexOf(marker);
        // A terminal ends lines in two characters.
        if (at >= 0) return { marker, rest: line.slice(at + marker.length).replace("\r", "") };
      }
    return undefined;
  }
}
