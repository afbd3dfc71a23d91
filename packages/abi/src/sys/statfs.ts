import { type FixedCodec, Int32, Int64, reserved, struct, Uint64 } from "../Codec.ts";

/** What statfs(2) tells of a file system. Sizes are in blocks of `frsize` bytes. */
export interface Statfs {
  /** What kind of file system it is: a magic number of statfs(2), such as 0xef53 for ext4. */
  readonly type: number;
  /** The size of a transfer that is fast, in bytes. */
  readonly bsize: number;
  /** All blocks. */
  readonly blocks: bigint;
  /** Free blocks. */
  readonly bfree: bigint;
  /** Free blocks for users without privileges. */
  readonly bavail: bigint;
  /** All inodes; 0 if the file system has no fixed number. */
  readonly files: bigint;
  /** Free inodes. */
  readonly ffree: bigint;
  /** Half of a number of the file system, which is 0 for some. */
  readonly fsid0: number;
  /** The other half. */
  readonly fsid1: number;
  /** The longest name of a file, in bytes. */
  readonly namelen: number;
  /** Bytes of a block. */
  readonly frsize: number;
  /** Of {@link ST}: options of the mount. */
  readonly flags: number;
}

/** See {@link Statfs}; 120 bytes. */
export const Statfs: FixedCodec<Statfs> = struct("struct statfs", {
  type: Int64,
  bsize: Int64,
  blocks: Uint64,
  bfree: Uint64,
  bavail: Uint64,
  files: Uint64,
  ffree: Uint64,
  fsid0: Int32,
  fsid1: Int32,
  namelen: Int64,
  frsize: Int64,
  flags: Int64,
  spare: reserved(32, 8),
});

/** Options of the mount, as statfs(2) tells them. */
export const ST = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  SYNCHRONOUS: 0x10,
  /** The other flags are valid: of every kernel since Linux 2.6.36. C libraries remove it. */
  VALID: 0x20,
  MANDLOCK: 0x40,
  NOATIME: 0x400,
  NODIRATIME: 0x800,
  RELATIME: 0x1000,
  NOSYMFOLLOW: 0x2000,
} as const;
