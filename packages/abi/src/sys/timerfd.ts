import { type FixedCodec, struct } from "../Codec.ts";
import { Timespec } from "../time.ts";

/** Flags of timerfd_create(2). */
export const TFD = { NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

/** Flags of timerfd_settime(2). */
export const TFD_TIMER = {
  /** The value is a time of the timer's clock, and not a duration from now. */
  ABSTIME: 1,
  /** With ABSTIME and a real-time clock: reads are ECANCELED when the clock was set. */
  CANCEL_ON_SET: 2,
} as const;

/** `struct itimerspec` of timerfd_settime(2). */
export interface Itimerspec {
  /** From one expiration to the next; zero for a timer that expires once. */
  readonly interval: Timespec;
  /** When it expires first; zero for a timer that does not run. */
  readonly value: Timespec;
}

/** See {@link Itimerspec}; 32 bytes. */
export const Itimerspec: FixedCodec<Itimerspec> = struct("struct itimerspec", {
  interval: Timespec,
  value: Timespec,
});
