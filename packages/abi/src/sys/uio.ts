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

/** Flags of preadv2(2) and pwritev2(2). */
export const RWF = {
  HIPRI: 0x01,
  DSYNC: 0x02,
  SYNC: 0x04,
  NOWAIT: 0x08,
  APPEND: 0x10,
  NOAPPEND: 0x20,
  ATOMIC: 0x40,
  DONTCACHE: 0x80,
} as const;
