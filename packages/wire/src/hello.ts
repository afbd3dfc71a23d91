import { arrayOf, Int32, struct, Uint32, Uint64, type ValueOf } from "@rsyscall/abi";

/*
 * How a process introduces itself: struct rsyscall_hello of stub-c/include/rsyscall/protocol.h, docs/protocol.md.
 */

/** The first bytes of a hello, and of a welcome. */
export const MAGIC = "rsyscall";

/** The version of the protocol. */
export const VERSION = 1;

/** `enum rsyscall_namespace`: the indexes of `namespaces` in the hello. */
export const NS = {
  CGROUP: 0,
  IPC: 1,
  MNT: 2,
  NET: 3,
  PID: 4,
  TIME: 5,
  USER: 6,
  UTS: 7,
  COUNT: 8,
} as const;

/** `fdCount` of a process that cannot see /proc/self/fd. */
export const FDS_UNKNOWN = 0xffff_ffff;

/** The numbers after its listening socket that a persistent process keeps free for its next handshake. */
export const SPARES = 5;

/**
 * `struct rsyscall_hello`. Behind it follow argv and environment (`argvSize` and `envpSize` bytes of strings, each
 * with its NUL), the working directory and the path that was executed (`cwdSize` and `execfnSize` bytes, without a
 * NUL), and `fdCount` descriptors of 4 bytes.
 */
export type Hello = ValueOf<typeof Hello>;

/** See {@link Hello}. */
export const Hello = struct("struct rsyscall_hello", {
  magic: Uint64,
  version: Uint32,
  /** e_machine of elf(5). */
  machine: Uint32,
  /** The size of this structure, in bytes. */
  size: Uint32,
  argc: Uint32,
  envc: Uint32,
  fdCount: Uint32,
  argvSize: Uint64,
  envpSize: Uint64,
  cwdSize: Uint32,
  execfnSize: Uint32,
  sigmask: Uint64,
  pageSize: Uint32,
  pid: Int32,
  ppid: Int32,
  uid: Uint32,
  gid: Uint32,
  syscallFd: Int32,
  dataFd: Int32,
  connectionFd: Int32,
  lifelineFd: Int32,
  listeningFd: Int32,
  /** By `NS`: inode numbers in nsfs, or 0. */
  namespaces: arrayOf(Uint64, NS.COUNT),
  serverSymbol: Uint64,
  arenaAddress: Uint64,
  arenaSize: Uint64,
  ignored: Uint64,
  /** Bit N: it takes a welcome of status N. */
  answers: Uint64,
  /** The flags of a welcome that it knows. */
  welcomeFlags: Uint64,
});

/** The fields that every version has: `Hello` up to `argc`. */
export const HelloPrefix = struct(
  "struct rsyscall_hello (prefix)",
  { magic: Uint64, version: Uint32, machine: Uint32, size: Uint32 },
  { packed: true },
);
