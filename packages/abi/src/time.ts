import { type FixedCodec, Int64, struct } from "./Codec.ts";

/** `struct timespec`: a time or a duration. See timespec(3type). */
export interface Timespec {
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

/** See {@link Timespec}; 16 bytes. */
export const Timespec: FixedCodec<Timespec> = struct("struct timespec", {
  seconds: Int64,
  nanoseconds: Int64,
});
