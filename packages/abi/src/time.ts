import { type FixedCodec, Int64, struct } from "./Codec.ts";

/** Clocks of clock_gettime(2). */
export const CLOCK = {
  /** Seconds since 1970; the clock can be set. */
  REALTIME: 0,
  /** Since some start; stands still while the machine is suspended. */
  MONOTONIC: 1,
  PROCESS_CPUTIME_ID: 2,
  THREAD_CPUTIME_ID: 3,
  MONOTONIC_RAW: 4,
  REALTIME_COARSE: 5,
  MONOTONIC_COARSE: 6,
  /** As MONOTONIC, and goes on while the machine is suspended. */
  BOOTTIME: 7,
  /** Timers of these two wake a suspended machine up. */
  REALTIME_ALARM: 8,
  BOOTTIME_ALARM: 9,
  /** As REALTIME, without leap seconds. */
  TAI: 11,
} as const;

/** `struct timespec`: a time or a duration. See timespec(3type). */
export interface Timespec {
  /** Whole seconds: of an interval, or since the epoch of the clock. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

/** See {@link Timespec}; 16 bytes. */
export const Timespec: FixedCodec<Timespec> = struct("struct timespec", {
  seconds: Int64,
  nanoseconds: Int64,
});
