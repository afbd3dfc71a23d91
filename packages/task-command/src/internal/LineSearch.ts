/** The number of first bytes that are kept for messages. */
const SHOWN = 500;

/**
 * Searches for a line with a marker, in text that arrives in parts from an untrusted peer: every byte is examined a
 * fixed number of times, however the bytes are split into parts and lines.
 */
export class LineSearch {
  readonly #markers: ReadonlyArray<string>;
  /** Complete lines that were not examined yet. */
  readonly #whole: Array<string> = [];
  /** Parts of the incomplete line. */
  #line: Array<string> = [];
  #beginning = "";
  #length = 0;

  /** @param markers the markers; text of other programs may precede them in the line */
  constructor(...markers: ReadonlyArray<string>) {
    this.#markers = markers;
  }

  /** Whether there is more text after the line that was found. */
  get hasMore(): boolean {
    return this.#whole.length > 0 || this.#line.some((part) => part !== "");
  }

  /** The number of bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** The first bytes, for messages. */
  get beginning(): string {
    return Buffer.from(this.#beginning, "latin1").toString().trim();
  }

  /** Takes more bytes. Returns the marker in the first line that has one, and the rest of that line. */
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
        // A terminal ends lines with two characters.
        if (at >= 0) return { marker, rest: line.slice(at + marker.length).replace("\r", "") };
      }
    return undefined;
  }
}
