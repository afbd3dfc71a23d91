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
  readonly dev: bigint;
  readonly ino: bigint;
  /** Type, of {@link S_IF}, and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The device that a device file stands for. */
  readonly rdev: bigint;
  /** Bytes. */
  readonly size: number;
  /** The preferred size of reads and writes, in bytes. */
  readonly blksize: number;
  /** The room that the file takes, in units of 512 bytes. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
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
