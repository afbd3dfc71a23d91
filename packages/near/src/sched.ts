import { cloneFlagNames } from "@rsyscall/abi";
import { call, callVoid } from "./call.ts";
import type { Address, Fd, Pid } from "./identifiers.ts";
import type { SyscallInterface } from "./SyscallInterface.ts";

/** sched_getaffinity(2): gives how many bytes of the mask it wrote. `size` in bytes. */
export const schedGetaffinity = (
  sysif: SyscallInterface,
  pid: Pid | number,
  size: number,
  mask: Address,
) => call(sysif, "sched_getaffinity", `pid ${pid}`, pid, size, mask);

/** sched_setaffinity(2). `size` in bytes. */
export const schedSetaffinity = (
  sysif: SyscallInterface,
  pid: Pid | number,
  size: number,
  mask: Address,
) => callVoid(sysif, "sched_setaffinity", `pid ${pid}`, pid, size, mask);

/** unshare(2) */
export const unshare = (sysif: SyscallInterface, flags: number) =>
  callVoid(sysif, "unshare", cloneFlagNames(flags), flags);

/** setns(2): 0 for whatever namespace the descriptor is. */
export const setns = (sysif: SyscallInterface, fd: Fd, flags: number) =>
  callVoid(sysif, "setns", `fd ${fd}`, fd, flags);
