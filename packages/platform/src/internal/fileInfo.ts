import { DT, makedev, S_IF, S_IFMT, STATX, type Statx, type StatxTimestamp } from "@rsyscall/abi";
import { ByteSize, type FileSystem, Option } from "effect";

const types: Readonly<Record<number, FileSystem.File.Type>> = {
  [S_IF.REG]: "File",
  [S_IF.DIR]: "Directory",
  [S_IF.LNK]: "SymbolicLink",
  [S_IF.BLK]: "BlockDevice",
  [S_IF.CHR]: "CharacterDevice",
  [S_IF.FIFO]: "FIFO",
  [S_IF.SOCK]: "Socket",
};

const entryTypes: Readonly<Record<number, FileSystem.File.Type>> = {
  [DT.REG]: "File",
  [DT.DIR]: "Directory",
  [DT.LNK]: "SymbolicLink",
  [DT.BLK]: "BlockDevice",
  [DT.CHR]: "CharacterDevice",
  [DT.FIFO]: "FIFO",
  [DT.SOCK]: "Socket",
};

/** The type of a file, from its mode. */
export const typeOf = (mode: number): FileSystem.File.Type => types[mode & S_IFMT] ?? "Unknown";

/** The type of a directory entry. Some file systems do not know it: then Unknown. */
export const entryTypeOf = (type: number): FileSystem.File.Type => entryTypes[type] ?? "Unknown";

/** The last millisecond since 1970 that a Date can hold. The first one is as far before 1970. */
const LAST = 8_640_000_000_000_000n;

/** Cuts a time to milliseconds. None for a time that no Date can hold. */
const date = ({ seconds, nanoseconds }: StatxTimestamp): Option.Option<Date> => {
  const ms = seconds * 1000n + BigInt(Math.floor(nanoseconds / 1_000_000));
  return ms >= -LAST && ms <= LAST ? Option.some(new Date(Number(ms))) : Option.none();
};

/** Converts what statx(2) tells to Effect's File.Info. */
export const infoOf = (status: Statx): FileSystem.File.Info => ({
  type: typeOf(status.mode),
  mtime: date(status.mtime),
  atime: date(status.atime),
  birthtime: status.mask & STATX.BTIME ? date(status.btime) : Option.none(),
  dev: makedev(status.devMajor, status.devMinor),
  ino: Option.some(status.ino),
  mode: status.mode,
  nlink: Option.some(BigInt(status.nlink)),
  uid: Option.some(status.uid),
  gid: Option.some(status.gid),
  rdev: Option.some(makedev(status.rdevMajor, status.rdevMinor)),
  size: ByteSize.bytes(status.size),
  blksize: Option.some(ByteSize.bytes(status.blksize)),
  blocks: Option.some(status.blocks),
});
