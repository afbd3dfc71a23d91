import type { Abi } from "../Abi.ts";
import { Int32, Int64, reserved, struct, Uint32, Uint64 } from "../Codec.ts";
import { O } from "../fcntl.ts";
import { armExecs } from "../linux/audit.ts";
import { epollEventWithDataAt } from "../sys/epoll.ts";
import { Timespec } from "../time.ts";
import { syscalls } from "./aarch64/syscalls.ts";
import { lookup } from "./lookup.ts";

const stat = struct("struct stat", {
  dev: Uint64,
  ino: Uint64,
  mode: Uint32,
  nlink: Uint32,
  uid: Uint32,
  gid: Uint32,
  rdev: Uint64,
  pad: reserved(8),
  size: Int64,
  blksize: Int32,
  blocks: Int64,
  atime: Timespec,
  mtime: Timespec,
  ctime: Timespec,
  unused: reserved(8),
});

/** The open flags whose value is not that of x86_64 (Linux: arch/arm64/include/uapi/asm/fcntl.h). */
const openFlags = [
  { ours: O.DIRECTORY, target: 0o040000 },
  { ours: O.NOFOLLOW, target: 0o100000 },
  { ours: O.DIRECT, target: 0o200000 },
  { ours: O.LARGEFILE, target: 0o400000 },
];

const translate = (flags: number, from: "ours" | "target", to: "ours" | "target"): number =>
  // What is no set of flags stays so: the call that gets it refuses it.
  (flags | 0) !== flags
    ? flags
    : openFlags.reduce(
        (result, flag) => (flags & flag[from] ? result | flag[to] : result),
        flags & ~openFlags.reduce((mask, flag) => mask | flag[from], 0),
      );

/** Linux on 64-bit ARM. */
export const aarch64: Abi = {
  machine: "aarch64",
  elfMachine: 183,
  ...lookup(syscalls),
  stat,
  epollEvent: epollEventWithDataAt(8),
  execs: armExecs,
  openFlagsToTarget: (flags) => translate(flags, "ours", "target"),
  openFlagsFromTarget: (flags) => translate(flags, "target", "ours"),
};
