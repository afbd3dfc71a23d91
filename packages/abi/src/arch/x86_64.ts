import type { Abi } from "../Abi.ts";
import { Int64, reserved, struct, Uint32, Uint64 } from "../Codec.ts";
import { x86Execs } from "../linux/audit.ts";
import { epollEventWithDataAt } from "../sys/epoll.ts";
import { Timespec } from "../time.ts";
import { lookup } from "./lookup.ts";
import { syscalls } from "./x86_64/syscalls.ts";

const stat = struct("struct stat", {
  dev: Uint64,
  ino: Uint64,
  nlink: Int64,
  mode: Uint32,
  uid: Uint32,
  gid: Uint32,
  rdev: Uint64,
  size: Int64,
  blksize: Int64,
  blocks: Int64,
  atime: Timespec,
  mtime: Timespec,
  ctime: Timespec,
  unused: reserved(24),
});

/** Linux on 64-bit x86. The constants of this package are this machine's. */
export const x86_64: Abi = {
  machine: "x86_64",
  elfMachine: 62,
  ...lookup(syscalls),
  stat,
  epollEvent: epollEventWithDataAt(4),
  execs: x86Execs,
  openFlagsToTarget: (flags) => flags,
  openFlagsFromTarget: (flags) => flags,
};
