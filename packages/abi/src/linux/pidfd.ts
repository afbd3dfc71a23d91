import { Int32, struct, Uint32, Uint64, type ValueOf } from "../Codec.ts";

/** Facts of PIDFD_GET_INFO: bits of `mask` of {@link PidfdInfo}. */
export const PIDFD_INFO = {
  PID: 0x01,
  CREDS: 0x02,
  CGROUPID: 0x04,
  /** The exit code, once the process was waited for; since Linux 6.15. */
  EXIT: 0x08,
} as const;

/** The request of ioctl(2) that fills in a {@link PidfdInfo}: linux/pidfd.h, since Linux 6.13. */
export const PIDFD_GET_INFO = 0xc040_ff0b;

/** `struct pidfd_info`, as Linux 6.13 has it; 64 bytes. */
export const PidfdInfo = struct("struct pidfd_info", {
  /** What is asked for, and then what is there: of {@link PIDFD_INFO}. */
  mask: Uint64,
  cgroupid: Uint64,
  pid: Uint32,
  tgid: Uint32,
  ppid: Uint32,
  ruid: Uint32,
  rgid: Uint32,
  euid: Uint32,
  egid: Uint32,
  suid: Uint32,
  sgid: Uint32,
  fsuid: Uint32,
  fsgid: Uint32,
  /** As wait(2) gives it. */
  exitCode: Int32,
});
export type PidfdInfo = ValueOf<typeof PidfdInfo>;
