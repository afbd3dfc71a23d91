import { type FixedCodec, Int64, struct, Uint64 } from "../Codec.ts";

/** Flags of a file that some file systems keep: FS_IOC_SETFLAGS(2const), chattr(1). */
export const FS_FL = {
  SECRM: 0x1,
  UNRM: 0x2,
  COMPR: 0x4,
  SYNC: 0x8,
  /** It cannot be changed, renamed or removed. To set it takes CAP_LINUX_IMMUTABLE. */
  IMMUTABLE: 0x10,
  /** It can only be written to at its end. To set it takes CAP_LINUX_IMMUTABLE. */
  APPEND: 0x20,
  NODUMP: 0x40,
  NOATIME: 0x80,
  NOCOMP: 0x400,
  ENCRYPT: 0x800,
  JOURNAL_DATA: 0x4000,
  NOTAIL: 0x8000,
  DIRSYNC: 0x1_0000,
  TOPDIR: 0x2_0000,
  EXTENT: 0x8_0000,
  VERITY: 0x10_0000,
  /** It is not copied when it is written to, as other files of btrfs are. */
  NOCOW: 0x80_0000,
  DAX: 0x200_0000,
  PROJINHERIT: 0x2000_0000,
  CASEFOLD: 0x4000_0000,
} as const;

/** `struct file_clone_range` of FICLONERANGE(2const). */
export interface FileCloneRange {
  /** The descriptor of the file that is cloned. */
  readonly srcFd: number;
  /** Where the range begins in it, in bytes. */
  readonly srcOffset: bigint;
  /** Bytes; 0: to the end. */
  readonly srcLength: bigint;
  /** Where the clone begins, in bytes. */
  readonly destOffset: bigint;
}

/** See {@link FileCloneRange}; 32 bytes. */
export const FileCloneRange: FixedCodec<FileCloneRange> = struct("struct file_clone_range", {
  srcFd: Int64,
  srcOffset: Uint64,
  srcLength: Uint64,
  destOffset: Uint64,
});
