import { type FixedCodec, Int64, struct } from "../Codec.ts";

/** `struct iovec` of readv(2): one piece of memory. */
export interface Iovec {
  /** Its address. */
  readonly base: number;
  /** Bytes. */
  readonly length: number;
}

/** See {@link Iovec}; 16 bytes. */
export const Iovec: FixedCodec<Iovec> = struct("struct iovec", { base: Int64, length: Int64 });
