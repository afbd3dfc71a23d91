import { type FixedCodec, Int64, struct } from "../Codec.ts";

/** Timers of setitimer(2), and their signals: SIGALRM, SIGVTALRM, SIGPROF. */
export const ITIMER = { REAL: 0, VIRTUAL: 1, PROF: 2 } as const;

/** `struct timeval`: a time, or a length of time. See gettimeofday(2). */
export interface Timeval {
  /** Whole seconds. */
  readonly seconds: number;
  /** From 0 to 999,999. */
  readonly microseconds: number;
}

/** See {@link Timeval}; 16 bytes. */
export const Timeval: FixedCodec<Timeval> = struct("struct timeval", {
  seconds: Int64,
  microseconds: Int64,
});
