import { type FixedCodec, Int32, struct, Uint16 } from "./Codec.ts";

/** Events of poll(2). */
export const POLL = {
  IN: 0x0001,
  PRI: 0x0002,
  OUT: 0x0004,
  ERR: 0x0008,
  HUP: 0x0010,
  NVAL: 0x0020,
  RDNORM: 0x0040,
  RDBAND: 0x0080,
  WRNORM: 0x0100,
  WRBAND: 0x0200,
  MSG: 0x0400,
  RDHUP: 0x2000,
} as const;

/** `struct pollfd` of poll(2). */
export interface PollFd {
  /** The descriptor to wait for; a negative number is ignored by the kernel. */
  readonly fd: number;
  /** What to wait for, of {@link POLL}. */
  readonly events: number;
  /** What the kernel found, of {@link POLL}. */
  readonly revents: number;
}

/** See {@link PollFd}; 8 bytes. */
export const PollFd: FixedCodec<PollFd> = struct("struct pollfd", {
  fd: Int32,
  events: Uint16,
  revents: Uint16,
});
