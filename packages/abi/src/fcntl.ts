import { BigInt64, type FixedCodec, Int16, Int32, struct, Uint32, Uint64 } from "./Codec.ts";

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
  /** name_to_handle_at(2): a handle that open_by_handle_at(2) need not take. Since Linux 6.5. */
  HANDLE_FID: 0x200,
  /** name_to_handle_at(2): the mount's number of 64 bits, which is never used again. Since Linux 6.12. */
  HANDLE_MNT_ID_UNIQUE: 0x001,
  /** name_to_handle_at(2): a handle that leads to the path. Since Linux 6.13. */
  HANDLE_CONNECTABLE: 0x002,
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

/** `struct flock` of fcntl(2): a lock of a range of a file. */
export interface Flock {
  /** `F.RDLCK`, which others may share, `F.WRLCK`, or `F.UNLCK`. */
  readonly type: number;
  /** Where `start` counts from: `SEEK.SET`, `CUR` or `END`. */
  readonly whence: number;
  /** The first byte of the range. */
  readonly start: bigint;
  /** Bytes; 0: to the end, however far the file grows. A negative length is the range before `start`. */
  readonly length: bigint;
  /** The process that has the lock; -1 for a lock of an open file description. Must be 0 to set such a lock. */
  readonly pid: number;
}

/** See {@link Flock}; 32 bytes. */
export const Flock: FixedCodec<Flock> = struct("struct flock", {
  type: Int16,
  whence: Int16,
  start: BigInt64,
  length: BigInt64,
  pid: Int32,
});

/** How a file is going to be used: posix_fadvise(2). */
export const POSIX_FADV = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  NOREUSE: 5,
} as const;

/** Flags of sync_file_range(2). */
export const SYNC_FILE_RANGE = { WAIT_BEFORE: 1, WRITE: 2, WAIT_AFTER: 4 } as const;

/** How openat2(2) resolves a path. */
export const RESOLVE = {
  /** EXDEV if the path leads to another mount. */
  NO_XDEV: 0x01,
  /** ELOOP for links of /proc that are no paths, such as /proc/self/exe. */
  NO_MAGICLINKS: 0x02,
  /** ELOOP for any symbolic link, also in the middle of the path. */
  NO_SYMLINKS: 0x04,
  /** EXDEV if the path leads out of the directory, as ".." and absolute links may. */
  BENEATH: 0x08,
  /** The directory is the root of the path and of all links in it, as if chroot(2) had been called. */
  IN_ROOT: 0x10,
  /** EAGAIN if the kernel has not cached all that it needs. Since Linux 5.12. */
  CACHED: 0x20,
} as const;

/** `struct open_how` of openat2(2). */
export interface OpenHow {
  /** Of `O`, with the values of the machine. */
  readonly flags: bigint;
  /** The permissions of a file that is created; 0 if none is. */
  readonly mode: bigint;
  /** Of {@link RESOLVE}. */
  readonly resolve: bigint;
}

/** See {@link OpenHow}; 24 bytes. */
export const OpenHow: FixedCodec<OpenHow> = struct("struct open_how", {
  flags: Uint64,
  mode: Uint64,
  resolve: Uint64,
});

/** The bytes of the longest handle of name_to_handle_at(2). */
export const MAX_HANDLE_SZ = 128;

/** `struct file_handle` of name_to_handle_at(2): a file of a file system, without its names. */
export interface FileHandle {
  /** A number of the file system. */
  readonly type: number;
  /** What the file system knows the file by; at most `MAX_HANDLE_SZ` bytes. */
  readonly bytes: Uint8Array;
}

const FILE_HANDLE_HEADER = 8;

/** See {@link FileHandle}; 136 bytes, of which a handle uses as many as it needs. */
export const FileHandle: FixedCodec<FileHandle> = {
  name: "struct file_handle",
  size: FILE_HANDLE_HEADER + MAX_HANDLE_SZ,
  alignment: 4,
  sizeOf: () => FILE_HANDLE_HEADER + MAX_HANDLE_SZ,
  encode: ({ type, bytes }, into) => {
    if (bytes.length > MAX_HANDLE_SZ)
      throw new RangeError(`a file handle has at most ${MAX_HANDLE_SZ} bytes, not ${bytes.length}`);
    into.fill(0, 0, FILE_HANDLE_HEADER + MAX_HANDLE_SZ);
    Uint32.encode(bytes.length, into);
    Int32.encode(type, into.subarray(4));
    into.set(bytes, FILE_HANDLE_HEADER);
  },
  decode: (bytes) => {
    const length = Uint32.decode(bytes);
    if (length > MAX_HANDLE_SZ) throw new RangeError(`a file handle of ${length} bytes`);
    return {
      type: Int32.decode(bytes.subarray(4)),
      bytes: new Uint8Array(bytes).slice(FILE_HANDLE_HEADER, FILE_HANDLE_HEADER + length),
    };
  },
};
