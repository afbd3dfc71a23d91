import { type FixedCodec, Int32, reserved, struct } from "../Codec.ts";

/** Options of waitid(2), as positive numbers. */
export const W = {
  NOHANG: 0x00000001,
  STOPPED: 0x00000002,
  EXITED: 0x00000004,
  CONTINUED: 0x00000008,
  /** Leaves the child waitable. */
  NOWAIT: 0x01000000,
  /** `__WNOTHREAD`: only children of the thread itself, and not of the others of its group. */
  NOTHREAD: 0x20000000,
  /** `__WALL`: children of any exit signal. */
  ALL: 0x40000000,
  /** `__WCLONE`: only children whose exit signal is not SIGCHLD. */
  CLONE: 0x80000000,
} as const;

/** What waitid(2)'s id is the number of. */
export const P = { ALL: 0, PID: 1, PGID: 2, PIDFD: 3 } as const;

/** What happened to a child: `code` of {@link ChildSiginfo}. */
export const CLD = {
  EXITED: 1,
  KILLED: 2,
  DUMPED: 3,
  TRAPPED: 4,
  STOPPED: 5,
  CONTINUED: 6,
} as const;

/** The part of siginfo_t that waitid(2) fills in. */
export interface ChildSiginfo {
  /** SIGCHLD, or 0 when there was nothing to report. */
  readonly signo: number;
  /** Of {@link CLD}. */
  readonly code: number;
  /** The child's number; 0 if no child has changed its state. */
  readonly pid: number;
  /** Real user id of the child. */
  readonly uid: number;
  /** The exit status, or the signal. */
  readonly status: number;
}

const siginfo = struct("siginfo_t", {
  signo: Int32,
  errno: Int32,
  code: Int32,
  padding: reserved(4, 4),
  pid: Int32,
  uid: Int32,
  status: Int32,
});

/** See {@link ChildSiginfo}. The kernel writes no more than this of the 128 bytes of a siginfo_t. */
export const ChildSiginfo: FixedCodec<ChildSiginfo> = {
  ...siginfo,
  size: 128,
  sizeOf: () => 128,
  alignment: 8,
  encode: (value, into) => {
    into.fill(0, 0, 128);
    siginfo.encode({ errno: 0, ...value }, into);
  },
  decode: (bytes) => {
    const { signo, code, pid, uid, status } = siginfo.decode(bytes);
    return { signo, code, pid, uid: uid >>> 0, status };
  },
};
