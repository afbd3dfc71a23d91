import { type FixedCodec, Int64, struct, Uint32, Uint64 } from "./Codec.ts";

/** Numbers of signals. See signal(7). */
export const SIG = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
  /** The kernel's first real-time signal; C libraries keep a few from here for themselves. */
  RTMIN: 32,
  RTMAX: 64,
} as const;

const signalNames = new Map<number, string>(
  Object.entries(SIG)
    .filter(([name]) => !["IOT", "POLL", "RTMAX"].includes(name))
    .map(([name, number]) => [number, `SIG${name}`]),
);

/** The name of a signal, for messages: `SIGTERM`, `SIGRTMIN+3`. */
export const signalName = (signal: number): string =>
  signalNames.get(signal) ??
  (signal > SIG.RTMIN && signal <= SIG.RTMAX
    ? `SIGRTMIN+${signal - SIG.RTMIN}`
    : `signal ${signal}`);

/** Flags of sigaction(2). */
export const SA = {
  NOCLDSTOP: 0x00000001,
  NOCLDWAIT: 0x00000002,
  SIGINFO: 0x00000004,
  UNSUPPORTED: 0x00000400,
  EXPOSE_TAGBITS: 0x00000800,
  /** The restorer is given; x86_64 requires it of every handler. */
  RESTORER: 0x04000000,
  ONSTACK: 0x08000000,
  RESTART: 0x10000000,
  NODEFER: 0x40000000,
  RESETHAND: 0x80000000,
} as const;

/** What sigprocmask(2) does with the set. */
export const SigHow = { BLOCK: 0, UNBLOCK: 1, SETMASK: 2 } as const;

/** As a handler: the default action of the signal. See signal(7). */
export const SIG_DFL = 0;

/** As a handler: ignore the signal. */
export const SIG_IGN = 1;

/** Values of `code` that tell how a signal was sent. See sigaction(2). */
export const SI = {
  /** kill(2) */
  USER: 0,
  KERNEL: 0x80,
  /** sigqueue(3) */
  QUEUE: -1,
  TIMER: -2,
  MESGQ: -3,
  ASYNCIO: -4,
  SIGIO: -5,
  /** tgkill(2) */
  TKILL: -6,
} as const;

/** A set of signal numbers, 1 to 64; the kernel's sigset_t of 8 bytes. See sigsetops(3). */
export type Sigset = ReadonlySet<number>;

/** See {@link Sigset}. */
export const Sigset: FixedCodec<Sigset> = {
  ...Uint64,
  name: "sigset_t",
  sizeOf: () => 8,
  encode: (value, into) => {
    into.fill(0, 0, 8);
    for (const signal of value) {
      if (!Number.isInteger(signal) || signal < 1 || signal > SIG.RTMAX) {
        throw new RangeError(`${signal} is not a signal`);
      }
      const byte = (signal - 1) >> 3;
      into[byte] = (into[byte] as number) | (1 << ((signal - 1) & 7));
    }
  },
  decode: (bytes) => {
    const signals = new Set<number>();
    for (let byte = 0; byte < 8; byte++)
      for (let bit = 0; (bytes[byte] as number) >> bit; bit++)
        if (((bytes[byte] as number) >> bit) & 1) signals.add(8 * byte + bit + 1);
    return signals;
  },
};

/** The kernel's struct sigaction, which is not that of C libraries. See rt_sigaction(2). */
export interface Sigaction {
  /** The address of the handler, {@link SIG_DFL} or {@link SIG_IGN}. */
  readonly handler: number;
  /** Of {@link SA}. */
  readonly flags: number;
  /** The address of the code that a handler returns to; 0 without `SA.RESTORER`. */
  readonly restorer: number;
  /** The signals that are blocked while the handler runs. */
  readonly mask: Sigset;
}

/** See {@link Sigaction}; 32 bytes. */
export const Sigaction: FixedCodec<Sigaction> = struct("struct sigaction", {
  handler: Int64,
  flags: Uint32, // unsigned long, of which no upper bit is used
  restorer: Int64,
  mask: Sigset,
});
