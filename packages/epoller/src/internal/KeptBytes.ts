import { MSG } from "@rsyscall/abi";
import type { ReceivedMessage } from "@rsyscall/handle";
import { Effect } from "effect";
import type { Kept } from "./Kept.ts";

/** A kept part. */
export interface KeptPart extends ReceivedMessage {
  /** Whether it is a datagram: a receive with less room cuts it, and does not leave the rest to the next one. */
  readonly isWhole?: boolean;
}

/** Kept bytes of a stream, in parts, or datagrams. Descriptors may have come with the first byte of a part. */
export class KeptBytes implements Kept<Uint8Array> {
  readonly #parts: Array<KeptPart> = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Returns the next bytes without removing them. */
  peek(size: number): Uint8Array {
    return (this.#parts[0] as KeptPart).bytes.slice(0, size);
  }

  /** Takes the next bytes with their descriptors. The rest of that part of a stream has none. */
  takeReceived(size: number): KeptPart {
    const part = this.#parts.shift() as KeptPart;
    const { bytes, flags } = part;
    if (bytes.length <= size) return part;
    if (part.isWhole) return { ...part, bytes: bytes.slice(0, size), flags: flags | MSG.TRUNC };
    this.putBackReceived(plain(bytes.subarray(size)));
    return { ...part, bytes: bytes.slice(0, size), length: size };
  }

  putBackReceived(part: KeptPart): void {
    // A stream has no empty parts, and its end comes again.
    if (part.bytes.length > 0 || part.isWhole) this.#parts.unshift(part);
  }

  readonly take = (size: number) => Effect.sync(() => this.takeReceived(size).bytes);
  readonly putBack = (bytes: Uint8Array) => Effect.sync(() => this.putBackReceived(plain(bytes)));
}

/** Bytes without descriptors, an address and flags. */
export const plain = (bytes: Uint8Array): KeptPart => ({
  bytes,
  fds: [],
  flags: 0,
  length: bytes.length,
  pieces: [bytes],
  address: undefined,
  control: {},
  pidfd: undefined,
});
