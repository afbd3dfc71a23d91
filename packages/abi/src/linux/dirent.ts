import { CString, struct, Uint8, Uint16, Uint64 } from "../Codec.ts";

/** Types of directory entries. See readdir(3). */
export const DT = {
  /** The file system does not say; ask stat(2). */
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
  WHT: 14,
} as const;

/** `struct linux_dirent64` of getdents64(2). */
export interface Dirent {
  /** The inode number. For a mount point it is that of the directory below the mount. */
  readonly ino: bigint;
  /** Where the next entry is, for lseek(2); not a number of anything. */
  readonly offset: bigint;
  /** Of {@link DT}. */
  readonly type: number;
  /** By `fsDecode`. */
  readonly name: string;
}

/** What precedes the name in a `struct linux_dirent64`; 19 bytes. */
export const DirentHeader = struct(
  "struct linux_dirent64",
  { ino: Uint64, offset: Uint64, reclen: Uint16, type: Uint8 },
  { packed: true },
);

/** The entries that one getdents64(2) wrote; `bytes` are exactly as many as it returned. */
export const decodeDirents = (bytes: Uint8Array): Array<Dirent> => {
  const entries: Array<Dirent> = [];
  for (let at = 0; at < bytes.length; ) {
    const { ino, offset, reclen, type } = DirentHeader.decode(bytes.subarray(at));
    if (reclen < DirentHeader.size || at + reclen > bytes.length) {
      throw new RangeError(`${DirentHeader.name} at ${at} of ${bytes.length} has length ${reclen}`);
    }
    const name = CString.decode(bytes.subarray(at + DirentHeader.size, at + reclen));
    entries.push({ ino, offset, type, name });
    at += reclen;
  }
  return entries;
};
