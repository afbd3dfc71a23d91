/**
 * Flags of open(2), with the values of x86_64; `Abi.openFlagsToTarget` translates them for the
 * machines where some differ.
 */
export const O = {
  RDONLY: 0o0,
  WRONLY: 0o1,
  RDWR: 0o2,
  ACCMODE: 0o3,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  NDELAY: 0o4000,
  DSYNC: 0o10000,
  ASYNC: 0o20000,
  DIRECT: 0o40000,
  /** What `F.GETFL` shows of every 64-bit task; C libraries call it 0, as it has no effect. */
  LARGEFILE: 0o100000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  RSYNC: 0o4010000,
  PATH: 0o10000000,
  /** Includes `DIRECTORY`. */
  TMPFILE: 0o20200000,
} as const;

/** Special descriptors and flags of the calls with `at` in their name. See openat(2), statx(2). */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  EACCESS: 0x200,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  NO_AUTOMOUNT: 0x800,
  EMPTY_PATH: 0x1000,
  STATX_SYNC_AS_STAT: 0x0000,
  STATX_FORCE_SYNC: 0x2000,
  STATX_DONT_SYNC: 0x4000,
  STATX_SYNC_TYPE: 0x6000,
  RECURSIVE: 0x8000,
} as const;

/** Commands of fcntl(2), and the types of its locks. */
export const F = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  GETLK: 5,
  SETLK: 6,
  SETLKW: 7,
  SETOWN: 8,
  GETOWN: 9,
  SETSIG: 10,
  GETSIG: 11,
  SETOWN_EX: 15,
  GETOWN_EX: 16,
  OFD_GETLK: 36,
  OFD_SETLK: 37,
  OFD_SETLKW: 38,
  SETLEASE: 1024,
  GETLEASE: 1025,
  NOTIFY: 1026,
  DUPFD_CLOEXEC: 1030,
  SETPIPE_SZ: 1031,
  GETPIPE_SZ: 1032,
  ADD_SEALS: 1033,
  GET_SEALS: 1034,
  GET_RW_HINT: 1035,
  SET_RW_HINT: 1036,
  GET_FILE_RW_HINT: 1037,
  SET_FILE_RW_HINT: 1038,
  RDLCK: 0,
  WRLCK: 1,
  UNLCK: 2,
} as const;

/** Flags of a descriptor, of `F.GETFD` and `F.SETFD`. See fcntl(2). */
export const FD = { CLOEXEC: 1 } as const;

/** Seals of `F.ADD_SEALS` and `F.GET_SEALS`. See fcntl(2). */
export const F_SEAL = {
  SEAL: 0x01,
  SHRINK: 0x02,
  GROW: 0x04,
  WRITE: 0x08,
  FUTURE_WRITE: 0x10,
  EXEC: 0x20,
} as const;

/** Flags of splice(2). */
export const SPLICE_F = {
  MOVE: 0x1,
  NONBLOCK: 0x2,
  MORE: 0x4,
  GIFT: 0x8,
} as const;
