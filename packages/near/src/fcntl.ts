import { AT, F, F_SEAL, FALLOC_FL, FD, Int64, Iovec, SPLICE_F } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, DirectoryFd, Fd } from "./identifiers.ts";
import {
  directory,
  fd,
  fileSize,
  flags,
  inout,
  input,
  mode,
  offset,
  oneOf,
  openFlags,
  output,
  path,
  size,
  uint,
  word,
} from "./kinds.ts";
import { array, bytes, unknown, value } from "./Memory.ts";
import { countOf, newFd, nothing, type Result, someInt, transferred } from "./Result.ts";
import { type AnyKind, SyscallDefinition } from "./SyscallDefinition.ts";
import type { Word } from "./SyscallInterface.ts";

/** openat(2). `flags` are those of `O`; they are converted to the target's values. */
export const openat = define<
  [directory: DirectoryFd, path: Address, flags: number, mode: number],
  Fd
>("openat", [directory, path, openFlags, mode], newFd, { restarts: true });

const command = oneOf("F_", F, "command");

const variant = (argument: AnyKind, result: Result<number> = someInt) =>
  new SyscallDefinition("fcntl", [fd, command, argument.as("argument")], result);

const withInt = variant(flags());
const withAddress = variant(inout(unknown, "argument"));
const withHint = variant(inout(value(Int64), "argument"));
const duplicating = variant(uint, newFd);

/** The definitions by command: the argument has 32 bits, unless it is an address. */
const variants: Readonly<Record<number, SyscallDefinition>> = {
  [F.DUPFD]: duplicating,
  [F.DUPFD_CLOEXEC]: duplicating,
  [F.SETFD]: variant(flags("FD_", FD)),
  [F.ADD_SEALS]: variant(flags("F_SEAL_", F_SEAL)),
  [F.GETLK]: withAddress,
  [F.SETLK]: withAddress,
  [F.SETLKW]: withAddress,
  [F.OFD_GETLK]: withAddress,
  [F.OFD_SETLK]: withAddress,
  [F.OFD_SETLKW]: withAddress,
  [F.GETOWN_EX]: withAddress,
  [F.SETOWN_EX]: withAddress,
  [F.GET_RW_HINT]: withHint,
  [F.SET_RW_HINT]: withHint,
  [F.GET_FILE_RW_HINT]: withHint,
  [F.SET_FILE_RW_HINT]: withHint,
};

/** fcntl(2). Not prompt: it is many calls in one, some of which wait for a lock. */
export const fcntl = define<[fd: Fd, command: number, argument?: Word], number>(
  "fcntl",
  [fd, command, word.or(0)],
  someInt,
  { variant: (_, command) => variants[Number(command)] ?? withInt },
);

/** splice(2): one of the two is a pipe, whose offset is NULL. Gives the number of bytes; 0 at the end. */
export const splice = define<
  [from: Fd, fromOffset: Address, to: Fd, toOffset: Address, length: number, flags: number],
  number
>(
  "splice",
  [
    fd.as("from"),
    inout(value(Int64), "fromOffset"),
    fd.as("to"),
    inout(value(Int64), "toOffset"),
    size,
    flags("SPLICE_F_", SPLICE_F),
  ],
  countOf(4),
);

/** openat2(2): `how` is a `struct open_how` with the target's values. */
export const openat2 = define<
  [directory: DirectoryFd, path: Address, how: Address, length: number],
  Fd
>("openat2", [directory, path, inout(bytes(3), "how"), size], newFd, { restarts: true });

/** tee(2): copies from one pipe to another without consuming the bytes. */
export const tee = define<[from: Fd, to: Fd, length: number, flags: number], number>(
  "tee",
  [fd.as("from"), fd.as("to"), size, flags("SPLICE_F_", SPLICE_F)],
  countOf(2),
);

/** vmsplice(2): moves bytes from memory into a pipe, or out of it. */
export const vmsplice = define<[fd: Fd, parts: Address, count: number, flags: number], number>(
  "vmsplice",
  [fd, input(array(Iovec, 2), "parts"), size.as("count"), flags("SPLICE_F_", SPLICE_F)],
  transferred,
);

/** readahead(2) */
export const readahead = define<[fd: Fd, offset: number | bigint, length: number], void>(
  "readahead",
  [fd, offset, size],
  nothing,
);

/** fadvise64, the system call behind posix_fadvise(2). A length of 0 means up to the end. */
export const posixFadvise = define<
  [fd: Fd, offset: number | bigint, length: number | bigint, advice: number],
  void
>(
  "fadvise64",
  [
    fd,
    offset,
    offset.as("length"),
    oneOf(
      "POSIX_FADV_",
      { NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4, NOREUSE: 5 },
      "advice",
    ),
  ],
  nothing,
);

/** fallocate(2) */
export const fallocate = define<
  [fd: Fd, mode: number, offset: number | bigint, length: number | bigint],
  void
>(
  "fallocate",
  [fd, flags("FALLOC_FL_", FALLOC_FL).as("mode"), fileSize.as("offset"), fileSize],
  nothing,
);

/** sync_file_range(2) */
export const syncFileRange = define<
  [fd: Fd, offset: number | bigint, length: number | bigint, flags: number],
  void
>(
  "sync_file_range",
  [
    fd,
    offset,
    offset.as("length"),
    flags("SYNC_FILE_RANGE_", { WAIT_BEFORE: 1, WRITE: 2, WAIT_AFTER: 4 }),
  ],
  nothing,
);

/** name_to_handle_at(2): `handle` is a `struct file_handle`. */
export const nameToHandleAt = define<
  [directory: DirectoryFd, path: Address, handle: Address, mount: Address, flags: number],
  void
>(
  "name_to_handle_at",
  [
    directory,
    path,
    inout(unknown, "handle"),
    output(unknown, "mount"),
    flags("AT_", { EMPTY_PATH: AT.EMPTY_PATH, SYMLINK_FOLLOW: AT.SYMLINK_FOLLOW }),
  ],
  nothing,
);

/** open_by_handle_at(2). Needs CAP_DAC_READ_SEARCH. */
export const openByHandleAt = define<[mount: Fd, handle: Address, flags: number], Fd>(
  "open_by_handle_at",
  [fd.as("mount"), input(unknown, "handle"), openFlags],
  newFd,
);
