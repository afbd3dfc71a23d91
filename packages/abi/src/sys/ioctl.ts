import { type FixedCodec, struct, Uint16 } from "../Codec.ts";

/** Requests of ioctl_tty(2) and ioctl(2) that are the same on all supported machines, by their C names. */
export const TIOC = {
  /** The terminal becomes that of the session. TIOCSCTTY(2const). */
  SCTTY: 0x540e,
  /** The foreground process group: tcgetpgrp(3). */
  GPGRP: 0x540f,
  /** tcsetpgrp(3) */
  SPGRP: 0x5410,
  /** The size of the window. TIOCGWINSZ(2const). */
  GWINSZ: 0x5413,
  SWINSZ: 0x5414,
  /** How many bytes can be read at once, of pipes and sockets too: FIONREAD(2const). */
  INQ: 0x541b,
  /** The session gives up its terminal. */
  NOTTY: 0x5422,
  /** The session whose terminal it is: tcgetsid(3). */
  GSID: 0x5429,
  /** The number of a pseudo-terminal, through its master: ptsname(3). */
  GPTN: 0x80045430,
  /** Whether its other end is locked: unlockpt(3). */
  SPTLCK: 0x40045431,
  /** Opens the other end, whatever is mounted where. TIOCGPTPEER(2const), since Linux 4.13. */
  GPTPEER: 0x5441,
} as const;

/** `struct winsize` of TIOCGWINSZ(2const). */
export interface Winsize {
  /** In characters. */
  readonly rows: number;
  /** Columns of characters. */
  readonly columns: number;
  /** In pixels; 0 if unknown. */
  readonly width: number;
  /** The height in pixels; usually 0. */
  readonly height: number;
}

/** See {@link Winsize}; 8 bytes. */
export const Winsize: FixedCodec<Winsize> = struct("struct winsize", {
  rows: Uint16,
  columns: Uint16,
  width: Uint16,
  height: Uint16,
});
