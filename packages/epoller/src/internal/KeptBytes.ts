import type { Received } from "@rsyscall/handle";
import { Effect } from "effect";
import type { Kept } from "./Kept.ts";

/** Kept bytes of a stream, in parts. Descriptors may have come with the first byte of a part. */
export class KeptBytes implements Kept<Uint8Array> {
  readonly #parts: Array<Received> = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Returns the next bytes without removing them. */
  peek(size: number): Uint8Array {
    return (this.#parts[0] as Received).bytes.slice(0, size);
  }

  /** Takes the next bytes with their descriptors. The rest of that part has none. */
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
