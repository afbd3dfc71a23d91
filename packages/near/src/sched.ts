import { CpuSet } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, Fd, PidLike } from "./identifiers.ts";
import { cloneFlags, fd, input, output, pid, smallSize } from "./kinds.ts";
import { value } from "./Memory.ts";
import { countOf, nothing } from "./Result.ts";

/** sched_getaffinity(2): gives how many bytes of the mask it wrote. */
export const schedGetaffinity = define<[pid: PidLike, length: number, mask: Address], number>(
  "sched_getaffinity",
  [pid, smallSize, output(value(CpuSet, 1), "mask")],
  countOf(1),
  { prompt: true },
);

/** sched_setaffinity(2). */
export const schedSetaffinity = define<[pid: PidLike, length: number, mask: Address], void>(
  "sched_setaffinity",
  [pid, smallSize, input(value(CpuSet, 1), "mask")],
  nothing,
);

/** unshare(2) */
export const unshare = define<[flags: number], void>("unshare", [cloneFlags], nothing);

/** setns(2): 0 for whatever namespace the descriptor is. */
export const setns = define<[fd: Fd, flags: number], void>("setns", [fd, cloneFlags], nothing);
