import { type FixedCodec, Int32, reserved, struct, Uint16, Uint32, Uint64 } from "../Codec.ts";

/** Flags of signalfd(2). */
export const SFD = { NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

/**
 * `struct signalfd_siginfo`: a signal as signalfd(2) tells of it. Which fields mean something depends
 * on the signal and its `code`, as in sigaction(2); the others are 0.
 */
export interface SignalfdSiginfo {
  /** The signal. */
  readonly signo: number;
  /** Not used. */
  readonly errno: number;
  /** How it was sent (`SI`), or what happened (`CLD` for SIGCHLD). See sigaction(2). */
  readonly code: number;
  /** The sender; 0 when the reader's pid namespace does not have it. */
  readonly pid: number;
  /** Real user id of the sender. */
  readonly uid: number;
  /** The descriptor, for SIGIO. */
  readonly fd: number;
  /** Kernel's id of the timer, for POSIX timers. */
  readonly tid: number;
  /** The events, for SIGIO. */
  readonly band: number;
  /** How often a POSIX timer has expired more. */
  readonly overrun: number;
  /** The trap that caused it, where the machine has such. */
  readonly trapno: number;
  /** The child's exit status or signal, for SIGCHLD. */
  readonly status: number;
  /** The integer that sigqueue(3) sent. */
  readonly int: number;
  /** The pointer that sigqueue(3) sent. */
  readonly ptr: bigint;
  /** The child's time in user code, in clock ticks, for SIGCHLD. */
  readonly utime: bigint;
  /** The child's time in the kernel, in clock ticks, for SIGCHLD. */
  readonly stime: bigint;
  /** The address that faulted, for signals that the hardware caused. */
  readonly addr: bigint;
  /** The least significant bit of that address, for SIGBUS. */
  readonly addrLsb: number;
  /** The system call that was refused, for SIGSYS. */
  readonly syscall: number;
  /** The address of its instruction. */
  readonly callAddr: bigint;
  /** `AUDIT_ARCH_*` of the machine whose call it was. */
  readonly arch: number;
}

/** See {@link SignalfdSiginfo}; 128 bytes. */
export const SignalfdSiginfo: FixedCodec<SignalfdSiginfo> = struct("struct signalfd_siginfo", {
  signo: Uint32,
  errno: Int32,
  code: Int32,
  pid: Uint32,
  uid: Uint32,
  fd: Int32,
  tid: Uint32,
  band: Uint32,
  overrun: Uint32,
  trapno: Uint32,
  status: Int32,
  int: Int32,
  ptr: Uint64,
  utime: Uint64,
  stime: Uint64,
  addr: Uint64,
  addrLsb: Uint16,
  padding: reserved(2),
  syscall: Int32,
  callAddr: Uint64,
  arch: Uint32,
  rest: reserved(28),
});
