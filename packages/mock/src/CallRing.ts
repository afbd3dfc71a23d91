import { deserialize, serialize } from "node:v8";
import type { PostedCall } from "./messages.ts";

/*
 * Calls for the thread of the test, which reads them when it wants to know them. A message on a port would wake it for
 * each call, and a wake-up takes longer than all the rest of an answer.
 */

/** Bytes for calls that were not read yet. */
const SIZE = 1024 * 1024;

/** Before each call: its size in bytes. */
const HEADER = 4;

/** Words of the shared memory: how many bytes were ever put in, and taken, modulo 2**32. */
const [PUT, TAKEN] = [0, 1];
const CONTENT_AT = 8;

/** Memory of a new ring. */
export const ringMemory = (): SharedArrayBuffer => new SharedArrayBuffer(CONTENT_AT + SIZE);

/** Memory that two threads share: one puts calls in, and the other takes them. */
export class CallRing {
  readonly #counts: Int32Array;
  readonly #content: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.#counts = new Int32Array(memory, 0, 2);
    this.#content = Buffer.from(memory, CONTENT_AT);
  }

  /** Whether calls should be taken soon: there is room for half of what it holds at most. */
  get isHalfFull(): boolean {
    return this.#used > SIZE / 2;
  }

  get #used(): number {
    return (Atomics.load(this.#counts, PUT) - Atomics.load(this.#counts, TAKEN)) >>> 0;
  }

  /** Puts a call in; false if there is no room. */
  put(call: PostedCall): boolean {
    const bytes = serialize(call);
    const put = Atomics.load(this.#counts, PUT);
    if (this.#used + HEADER + bytes.length > SIZE) return false;
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(bytes.length);
    this.#write(put, header);
    this.#write(put + HEADER, bytes);
    Atomics.store(this.#counts, PUT, put + HEADER + bytes.length);
    return true;
  }

  /** Takes all that is there. */
  *take(): Iterable<PostedCall> {
    for (;;) {
      const taken = Atomics.load(this.#counts, TAKEN);
      if (taken === Atomics.load(this.#counts, PUT)) return;
      const length = this.#read(taken, HEADER).readUInt32LE();
      const bytes = this.#read(taken + HEADER, length);
      Atomics.store(this.#counts, TAKEN, taken + HEADER + length);
      yield deserialize(bytes) as PostedCall;
    }
  }

  #write(count: number, bytes: Buffer): void {
    const at = (count >>> 0) % SIZE;
    const atEnd = bytes.copy(this.#content, at);
    bytes.copy(this.#content, 0, atEnd);
  }

  #read(count: number, length: number): Buffer {
    const at = (count >>> 0) % SIZE;
    const bytes = Buffer.alloc(length);
    const atEnd = this.#content.copy(bytes, 0, at, at + length);
    this.#content.copy(bytes, atEnd, 0, length - atEnd);
    return bytes;
  }
}
