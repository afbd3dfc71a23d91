import type { Received } from "@rsyscall/handle";
import { Effect } from "effect";
import type { Kept } from "./Kept.ts";

/** Bytes of a stream that are kept, and descriptors that came with the first of some. */
export class KeptBytes implements Kept<Uint8Array> {
  readonly #parts: Array<Received> = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** The next bytes, which stay. */
  peek(size: number): Uint8Array {
    return (this.#parts[0] as Received).bytes.slice(0, size);
  }

  /** The next bytes with their descriptors. The bytes that are left of that part have none. */
  takeReceived(size: number): Received {
    const part = this.#parts.shift() as Received;
    const { bytes } = part;
    if (bytes.length <= size) return part;
    this.putBackReceived(plain(bytes.subarray(size)));
    return { ...part, bytes: bytes.slice(0, size), length: size };
  }

  putBackReceived(part: Received): void {
    if (part.bytes.length > 0) this.#parts.unshift(part);
  }

  readonly take = (size: number) => Effect.sync(() => this.takeReceived(size).bytes);
  readonly putBack = (bytes: Uint8Array) => Effect.sync(() => this.putBackReceived(plain(bytes)));
}

/** Bytes without descriptors and flags. */
const plain = (bytes: Uint8Array): Received => ({ bytes, fds: [], flags: 0, length: bytes.length });
