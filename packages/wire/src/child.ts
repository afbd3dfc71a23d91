import { Int32, Int64, Sigset, struct, Uint32, type ValueOf } from "@rsyscall/abi";

/*
 * A child that serves system calls: stub-c/include/rsyscall/child.h, docs/protocol.md.
 */

/** `struct rsyscall_fd_range`: descriptors from `first` to `last`, both included. */
export type FdRange = ValueOf<typeof FdRange>;

/** See {@link FdRange}. */
export const FdRange = struct("struct rsyscall_fd_range", { first: Uint32, last: Uint32 });

/** `struct rsyscall_child`: the parameters of a child, and its outcome. */
export const Child = struct("struct rsyscall_child", {
  /** The stream socket on which it serves; -1: none. */
  fd: Int32,
  /** The pid that getppid(2) must return; 0: not checked. */
  parent: Int32,
  /** The signal that it gets when its parent dies; 0: none. */
  deathSignal: Uint32,
  /** The kernel clears it when the child has left the memory. */
  tid: Uint32,
  /** Signals whose disposition becomes SIG_DFL. */
  defaultSignals: Sigset,
  sigmask: Sigset,
  restoresSigmask: Uint32,
  rangeCount: Uint32,
  requestCount: Uint32,
  /** Out: the request that has failed, counted from 1; 0: none. */
  failed: Uint32,
  /** Out: its result. */
  result: Int64,
  /** Addresses: of `FdRange`s, which it closes first... */
  ranges: Int64,
  /** ... of `Request`s, which it performs then... */
  requests: Int64,
  /** ... and of its `Ring`; 0: it serves over the socket alone. */
  ring: Int64,
});

/** The outcome of a child: `failed` and `result` of `Child`, which are adjacent. */
export const ChildOutcome = struct(
  "failed, result of struct rsyscall_child",
  { failed: Uint32, result: Int64 },
  { packed: true },
);
