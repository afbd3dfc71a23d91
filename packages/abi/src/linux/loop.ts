import { type FixedCodec, fixedCString, reserved, struct, Uint32, Uint64 } from "../Codec.ts";

/** Flags of a loop device: loop(4). */
export const LO_FLAGS = {
  READ_ONLY: 1,
  /** The device lets go of its file when the last descriptor of it is closed. */
  AUTOCLEAR: 4,
  /** The kernel looks for partitions. */
  PARTSCAN: 8,
  /** The file is read and written without the page cache. */
  DIRECT_IO: 16,
} as const;

/** `struct loop_info64` of LOOP_GET_STATUS64 and LOOP_CONFIGURE: loop(4). */
export interface LoopInfo64 {
  /** The device of the file system that has the file; out. */
  readonly device: bigint;
  /** The inode number of the file; out. */
  readonly inode: bigint;
  /** The device that the file is, if it is one; out. */
  readonly rdevice: bigint;
  /** Where the device begins in the file, in bytes. */
  readonly offset: bigint;
  /** Bytes of the device; 0: to the end of the file. */
  readonly sizelimit: bigint;
  /** The number of the loop device; out. */
  readonly number: number;
  /** Of {@link LO_FLAGS}. */
  readonly flags: number;
  /** A name of the file, which lists of devices show: at most 63 bytes. */
  readonly fileName: string;
}

/** See {@link LoopInfo64}; 232 bytes. */
export const LoopInfo64: FixedCodec<LoopInfo64> = struct("struct loop_info64", {
  device: Uint64,
  inode: Uint64,
  rdevice: Uint64,
  offset: Uint64,
  sizelimit: Uint64,
  number: Uint32,
  encryptType: reserved(4, 4),
  encryptKeySize: reserved(4, 4),
  flags: Uint32,
  fileName: fixedCString(64),
  cryptName: reserved(64),
  encryptKey: reserved(32),
  init: reserved(16, 8),
});

/** `struct loop_config` of LOOP_CONFIGURE: loop(4). */
export interface LoopConfig {
  /** The descriptor of the file. */
  readonly fd: number;
  /** Bytes of a block: a power of two from 512 to the page size; 0: 512, or what the file asks for. */
  readonly blockSize: number;
  /** How the file becomes a device. */
  readonly info: LoopInfo64;
}

/** See {@link LoopConfig}; 304 bytes. */
export const LoopConfig: FixedCodec<LoopConfig> = struct("struct loop_config", {
  fd: Uint32,
  blockSize: Uint32,
  info: LoopInfo64,
  spare: reserved(64, 8),
});
