import { BigInt64, type FixedCodec, reserved, struct, Uint16, Uint32, Uint64 } from "../Codec.ts";
import type { Timespec } from "../time.ts";

/** The bits of a mode that say the type of the file. See inode(7). */
export const S_IFMT = 0o170000;

/** Types of files. See inode(7). */
export const S_IF = {
  FIFO: 0o010000,
  CHR: 0o020000,
  DIR: 0o040000,
  BLK: 0o060000,
  REG: 0o100000,
  LNK: 0o120000,
  SOCK: 0o140000,
} as const;

/** What stat(2) tells of a file. Its layout depends on the machine: `Abi.stat`. */
export interface Stat {
  /** The device of the file system that has the file: with `ino`, the identity of the file. */
  readonly dev: bigint;
  /** The inode number, which is unique within the device. */
  readonly ino: bigint;
  /** Type, of {@link S_IF}, and permissions. */
  readonly mode: number;
  /** The number of names (hard links) of the file. */
  readonly nlink: number;
  /** The user that owns the file. */
  readonly uid: number;
  /** The group that owns the file. */
  readonly gid: number;
  /** The device that a device file stands for. */
  readonly rdev: bigint;
  /** Bytes. */
  readonly size: number;
  /** The preferred size of reads and writes, in bytes. */
  readonly blksize: number;
  /** The room that the file takes, in units of 512 bytes. */
  readonly blocks: number;
  /** When the content was last read; mount options such as `relatime` make it coarser. */
  readonly atime: Timespec;
  /** When the content was last written. */
  readonly mtime: Timespec;
  /** When the inode was last changed: its content, owner, mode or links. */
  readonly ctime: Timespec;
}

const isType = (type: number) => (mode: number) => (mode & S_IFMT) === type;

/** Whether the file of this mode is a FIFO or pipe. */
export const isFifo: (mode: number) => boolean = isType(S_IF.FIFO);

/** Whether the file of this mode is a character device. */
export const isCharacterDevice: (mode: number) => boolean = isType(S_IF.CHR);

/** Whether the file of this mode is a directory. */
export const isDirectory: (mode: number) => boolean = isType(S_IF.DIR);

/** Whether the file of this mode is a block device. */
export const isBlockDevice: (mode: number) => boolean = isType(S_IF.BLK);

/** Whether the file of this mode is a regular file. */
export const isRegular: (mode: number) => boolean = isType(S_IF.REG);

/** Whether the file of this mode is a symbolic link. */
export const isSymlink: (mode: number) => boolean = isType(S_IF.LNK);

/** Whether the file of this mode is a socket. */
export const isSocket: (mode: number) => boolean = isType(S_IF.SOCK);

/** What statx(2) is asked for, and what it has told. */
export const STATX = {
  TYPE: 0x0001,
  MODE: 0x0002,
  NLINK: 0x0004,
  UID: 0x0008,
  GID: 0x0010,
  ATIME: 0x0020,
  MTIME: 0x0040,
  CTIME: 0x0080,
  INO: 0x0100,
  SIZE: 0x0200,
  BLOCKS: 0x0400,
  /** All of the above: what stat(2) tells. */
  BASIC_STATS: 0x07ff,
  BTIME: 0x0800,
  MNT_ID: 0x1000,
  /** Since Linux 6.1. */
  DIOALIGN: 0x2000,
  /** The mount's number of 64 bits, which is never used again, as `mntId`. Since Linux 6.8. */
  MNT_ID_UNIQUE: 0x4000,
  /** Since Linux 6.10. */
  SUBVOL: 0x8000,
  /** Since Linux 6.11. */
  WRITE_ATOMIC: 0x1_0000,
  /** Since Linux 6.14. */
  DIO_READ_ALIGN: 0x2_0000,
} as const;

/** Attributes of a file that statx(2) tells. */
export const STATX_ATTR = {
  /** The file system compresses it. */
  COMPRESSED: 0x04,
  /** It cannot be changed, renamed or removed. */
  IMMUTABLE: 0x10,
  /** It can only be written to at its end. */
  APPEND: 0x20,
  /** Backup programs leave it out. */
  NODUMP: 0x40,
  /** It takes a key to read it. */
  ENCRYPTED: 0x800,
  /** A file system is mounted there once it is used. */
  AUTOMOUNT: 0x1000,
  /** It is the root of a mount. */
  MOUNT_ROOT: 0x2000,
  /** fs-verity checks what is read. */
  VERITY: 0x10_0000,
  /** Its memory is mapped without the page cache. */
  DAX: 0x20_0000,
  /** It takes atomic writes. */
  WRITE_ATOMIC: 0x40_0000,
} as const;

/** `struct statx_timestamp`. See statx(2). */
export interface StatxTimestamp {
  /** Seconds since 1970, negative for times before. */
  readonly seconds: bigint;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

/** What statx(2) tells of a file, on all machines alike; a field that is not in `mask` is made up. */
export interface Statx {
  /** Of {@link STATX}. */
  readonly mask: number;
  /** The preferred size of reads and writes, in bytes. */
  readonly blksize: number;
  /** The {@link STATX_ATTR} bits that are set; `attributesMask` says which of them the file system supports. */
  readonly attributes: bigint;
  /** The number of names (hard links) of the file. */
  readonly nlink: number;
  /** The user that owns the file. */
  readonly uid: number;
  /** The group that owns the file. */
  readonly gid: number;
  /** Type, of {@link S_IF}, and permissions. */
  readonly mode: number;
  /** The inode number. */
  readonly ino: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The room that the file takes, in units of 512 bytes. */
  readonly blocks: bigint;
  /** The attributes that the file system knows. */
  readonly attributesMask: bigint;
  /** When the content was last read. */
  readonly atime: StatxTimestamp;
  /** When the file was made. */
  readonly btime: StatxTimestamp;
  /** When the inode was last changed: its content, owner, mode or links. */
  readonly ctime: StatxTimestamp;
  /** When the content was last written. */
  readonly mtime: StatxTimestamp;
  /** The device that a device file stands for. */
  readonly rdevMajor: number;
  /** The minor number of the device that the file stands for, if it is a device file. */
  readonly rdevMinor: number;
  /** The major number of the device of the file system. */
  readonly devMajor: number;
  /** The minor number of the device of the file system. */
  readonly devMinor: number;
  /** The mount that the path was found through, as in `/proc/self/mountinfo`. */
  readonly mntId: bigint;
  /** What the address of memory for O_DIRECT must be a multiple of, in bytes; 0 if the file does not take it. */
  readonly dioMemAlign: number;
  /** What offset and length of O_DIRECT must be multiples of, in bytes; 0 if the file does not take it. */
  readonly dioOffsetAlign: number;
  /** The number of the subvolume, of file systems that have some. */
  readonly subvol: bigint;
  /** The smallest write that RWF.ATOMIC takes, in bytes; 0 if there is none. */
  readonly atomicWriteUnitMin: number;
  /** The largest write that RWF.ATOMIC takes, in bytes. */
  readonly atomicWriteUnitMax: number;
  /** The most parts of an atomic write. */
  readonly atomicWriteSegmentsMax: number;
  /** As `dioOffsetAlign`, for reads alone. */
  readonly dioReadOffsetAlign: number;
  /** The largest atomic write that is fast, in bytes; 0 if all are. */
  readonly atomicWriteUnitMaxOpt: number;
}

const StatxTimestamp: FixedCodec<StatxTimestamp> = struct("struct statx_timestamp", {
  seconds: BigInt64,
  nanoseconds: Uint32,
  reserved: reserved(4, 4),
});

/** See {@link Statx}; 256 bytes. */
export const Statx: FixedCodec<Statx> = struct("struct statx", {
  mask: Uint32,
  blksize: Uint32,
  attributes: Uint64,
  nlink: Uint32,
  uid: Uint32,
  gid: Uint32,
  mode: Uint16,
  padding: reserved(2),
  ino: Uint64,
  size: Uint64,
  blocks: Uint64,
  attributesMask: Uint64,
  atime: StatxTimestamp,
  btime: StatxTimestamp,
  ctime: StatxTimestamp,
  mtime: StatxTimestamp,
  rdevMajor: Uint32,
  rdevMinor: Uint32,
  devMajor: Uint32,
  devMinor: Uint32,
  mntId: Uint64,
  dioMemAlign: Uint32,
  dioOffsetAlign: Uint32,
  subvol: Uint64,
  atomicWriteUnitMin: Uint32,
  atomicWriteUnitMax: Uint32,
  atomicWriteSegmentsMax: Uint32,
  dioReadOffsetAlign: Uint32,
  atomicWriteUnitMaxOpt: Uint32,
  // Newer kernels have more to tell.
  spare: reserved(68),
});

/** A device number, as stat(2) and makedev(3) of 64-bit machines have it. */
export const makedev = (major: number, minor: number): bigint => {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xfffff000n) << 32n) |
    ((high & 0xfffn) << 8n) |
    ((low & 0xffffff00n) << 12n) |
    (low & 0xffn)
  );
};

/** The major number of a device number. See {@link makedev}. */
export const major = (device: bigint): number =>
  Number(((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn));

/** The minor number of a device number. See {@link makedev}. */
export const minor = (device: bigint): number =>
  Number(((device >> 12n) & 0xffffff00n) | (device & 0xffn));

/** Nanoseconds of utimensat(2) that mean something else. */
export const UTIME = {
  /** The time of the call. */
  NOW: 2 ** 30 - 1,
  /** The time stays as it is. */
  OMIT: 2 ** 30 - 2,
} as const;
