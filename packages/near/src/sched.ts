import { Effect } from "effect";
import { call } from "./call.ts";
import type { Address, Pid } from "./identifiers.ts";
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
) => Effect.asVoid(call(sysif, "sched_setaffinity", `pid ${pid}`, pid, size, mask));
