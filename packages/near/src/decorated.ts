import type { SyscallInterface } from "./SyscallInterface.ts";

/**
 * An interface that does some things differently from another one, and everything else the same. Operations of both
 * are ordered together, because they go through the same interface in the end.
 *
 * A change of `syscall` alone leaves `direct` as it is, and calls that can be submitted directly still are: set
 * `direct: undefined` to have all calls made by `syscall`.
 *
 * @param change the members that differ, given the interface
 */
export const decorated = (
  inner: SyscallInterface,
  change: (inner: SyscallInterface) => Partial<SyscallInterface>,
): SyscallInterface => ({
  abi: inner.abi,
  direct: inner.direct,
  waits: inner.waits,
  activityFd: inner.activityFd,
  inner,
  syscall: (number, ...words) => inner.syscall(number, ...words),
  read: (address, length) => inner.read(address, length),
  write: (address, bytes) => inner.write(address, bytes),
  get lastWrite() {
    return inner.lastWrite;
  },
  barrier: () => inner.barrier(),
  close: () => inner.close(),
  ...change(inner),
});

/** The interface that makes the calls, below all decorators. */
export const undecorated = (sysif: SyscallInterface): SyscallInterface =>
  sysif.inner === undefined ? sysif : undecorated(sysif.inner);
