import { arrayOf, Int32, struct, Uint32, Uint64, type ValueOf } from "../Codec.ts";

/** Operations of seccomp(2). */
export const SECCOMP = {
  SET_MODE_STRICT: 0,
  SET_MODE_FILTER: 1,
  GET_ACTION_AVAIL: 2,
  GET_NOTIF_SIZES: 3,
} as const;

/** Flags of SECCOMP.SET_MODE_FILTER. */
export const SECCOMP_FILTER_FLAG = {
  TSYNC: 0x01,
  LOG: 0x02,
  SPEC_ALLOW: 0x04,
  /** The result is a descriptor of the listener, close-on-exec. */
  NEW_LISTENER: 0x08,
  TSYNC_ESRCH: 0x10,
  /** A call that was received is interrupted by fatal signals alone; since Linux 5.19. */
  WAIT_KILLABLE_RECV: 0x20,
} as const;

/** What a filter returns. The low 16 bits are data: the errno of ERRNO. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0x0000_0000,
  TRAP: 0x0003_0000,
  ERRNO: 0x0005_0000,
  USER_NOTIF: 0x7fc0_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
} as const;

/** Requests of ioctl(2) on a listener: seccomp_unotify(2). */
export const SECCOMP_IOCTL_NOTIF = {
  RECV: 0xc050_2100,
  SEND: 0xc018_2101,
  ID_VALID: 0x4008_2102,
} as const;

/** The flag of {@link SeccompNotifResp} by which the kernel performs the call. */
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;

/** `struct seccomp_data`: a call as a filter sees it; 64 bytes. */
export const SeccompData = struct("struct seccomp_data", {
  nr: Int32,
  /** Of `AUDIT_ARCH`. */
  arch: Uint32,
  instructionPointer: Uint64,
  args: arrayOf(Uint64, 6),
});
export type SeccompData = ValueOf<typeof SeccompData>;

/** `struct seccomp_notif`: a call that waits for an answer; 80 bytes. */
export const SeccompNotif = struct("struct seccomp_notif", {
  /** The cookie of the call. */
  id: Uint64,
  /** The number of the kernel's task (a thread) in the pid namespace of the reader; 0 if it is not visible there. */
  pid: Uint32,
  flags: Uint32,
  data: SeccompData,
});
export type SeccompNotif = ValueOf<typeof SeccompNotif>;

/** `struct seccomp_notif_resp`: the answer to a call; 24 bytes. */
export const SeccompNotifResp = struct("struct seccomp_notif_resp", {
  id: Uint64,
  /** The result of a call that succeeds. */
  val: Uint64,
  /** The negative errno of a call that fails; 0 for none. */
  error: Int32,
  /** 0, or SECCOMP_USER_NOTIF_FLAG_CONTINUE, with 0 for the others. */
  flags: Uint32,
});
export type SeccompNotifResp = ValueOf<typeof SeccompNotifResp>;
