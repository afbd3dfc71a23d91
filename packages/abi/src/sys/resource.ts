import { type FixedCodec, struct, Uint64 } from "../Codec.ts";

/** Resources that have limits: plain numbers, no flags. See getrlimit(2). */
export const RLIMIT = {
  /** Seconds. */
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  /** One more than the highest descriptor number. */
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  /** 20 minus the lowest nice value. */
  NICE: 13,
  RTPRIO: 14,
  /** Microseconds. */
  RTTIME: 15,
} as const;

/** As a limit: none. */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** `struct rlimit`, the limits of one resource. See getrlimit(2) for their units. */
export interface Rlimit {
  /** The soft limit, which the kernel enforces; or {@link RLIM_INFINITY}. */
  readonly cur: bigint;
  /** The hard limit, up to which the soft one may be raised; or {@link RLIM_INFINITY}. */
  readonly max: bigint;
}

/** See {@link Rlimit}; 16 bytes. It is the struct rlimit64 of 32-bit C libraries too. */
export const Rlimit: FixedCodec<Rlimit> = struct("struct rlimit", { cur: Uint64, max: Uint64 });

/** Whose priority: what the id of getpriority(2) is the number of. Plain numbers, no flags. */
export const PRIO = { PROCESS: 0, PGRP: 1, USER: 2 } as const;
