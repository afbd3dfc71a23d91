import { F, F_SEAL, FD, Int64, SPLICE_F } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, DirectoryFd, Fd } from "./identifiers.ts";
import {
  directory,
  fd,
  flags,
  inout,
  mode,
  oneOf,
  openFlags,
  path,
  size,
  uint,
  word,
} from "./kinds.ts";
import { unknown, value } from "./Memory.ts";
import { countOf, newFd, type Result, someInt } from "./Result.ts";
import { type AnyKind, SyscallDefinition } from "./SyscallDefinition.ts";
import type { Word } from "./SyscallInterface.ts";

/** openat(2). `flags` have our values (`O`); the target's are made of them here. */
export const openat = define<
  [directory: DirectoryFd, path: Address, flags: number, mode: number],
  Fd
>("openat", [directory, path, openFlags, mode], newFd);

const command = oneOf("F_", F, "command");

const variant = (argument: AnyKind, result: Result<number> = someInt) =>
  new SyscallDefinition("fcntl", [fd, command, argument.as("argument")], result);

const withInt = variant(flags());
const withAddress = variant(inout(unknown, "argument"));
const withHint = variant(inout(value(Int64), "argument"));
const duplicating = variant(uint, newFd);

/** What the argument is, by the command: 32 bits, unless it is an address. */
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

/** splice(2): one of the two is a pipe, whose offset is NULL. Gives how many bytes; 0 at the end. */
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
