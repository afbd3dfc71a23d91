import type { SyscallInterface } from "./SyscallInterface.ts";

/**
 * Makes an interface that replaces some members of another one. The operations of both are ordered together, because
 * they go through the same interface in the end.
 *
 * If `change` replaces only `syscall`, calls that can be submitted directly still go through `direct`. Set
 * `direct: undefined` to make all calls by `syscall`.
 *
 * @param change gives the members that differ; it gets the interface
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
  read: (address, length, into) => inner.read(address, length, into),
  write: (address, bytes) => inner.write(address, bytes),
  transfers: inner.transfers,
  get lastWrite() {
    return inner.lastWrite;
  },
  barrier: () => inner.barrier(),
  close: () => inner.close(),
  ...change(inner),
});

/** Returns the interface below all decorators, which makes the calls. */
export const undecorated = (sysif: SyscallInterface): SyscallInterface =>
  sysif.inner === undefined ? sysif : undecorated(sysif.inner);
