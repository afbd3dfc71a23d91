import { CpuSet, Int32, SCHED, Timespec, Uint32 } from "@rsyscall/abi";
import { define } from "./define.ts";
import type { Address, Fd, PidLike } from "./identifiers.ts";
import {
  cloneFlags,
  fd,
  flags,
  input,
  oneOf,
  output,
  pid,
  smallSize,
  uint,
  word,
} from "./kinds.ts";
import { bytes, unknown, value } from "./Memory.ts";
import { between, countOf, nothing } from "./Result.ts";
import type { Word } from "./SyscallInterface.ts";

/** sched_getaffinity(2): gives the number of bytes of the mask that it wrote. */
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

/** setns(2): `flags` 0 allows any kind of namespace. */
export const setns = define<[fd: Fd, flags: number], void>("setns", [fd, cloneFlags], nothing);

/** sched_yield(2) */
export const schedYield = define<[], void>("sched_yield", [], nothing);

/** sched_setparam(2): `priority` points to 32 bits. */
export const schedSetparam = define<[pid: PidLike, priority: Address], void>(
  "sched_setparam",
  [pid, input(value(Int32), "priority")],
  nothing,
);

/** sched_getparam(2): `priority` points to 32 bits. */
export const schedGetparam = define<[pid: PidLike, priority: Address], void>(
  "sched_getparam",
  [pid, output(value(Int32), "priority")],
  nothing,
  { prompt: true },
);

/** sched_setscheduler(2): `priority` points to 32 bits. */
export const schedSetscheduler = define<[pid: PidLike, policy: number, priority: Address], void>(
  "sched_setscheduler",
  [pid, oneOf("SCHED_", SCHED, "policy"), input(value(Int32), "priority")],
  nothing,
);

/** sched_getscheduler(2): gives the policy. */
export const schedGetscheduler = define<[pid: PidLike], number>(
  "sched_getscheduler",
  [pid],
  between(0, 2 ** 31 - 1),
  { prompt: true },
);

/** sched_get_priority_max(2) */
export const schedGetPriorityMax = define<[policy: number], number>(
  "sched_get_priority_max",
  [oneOf("SCHED_", SCHED, "policy")],
  between(0, 99),
  { prompt: true },
);

/** sched_get_priority_min(2) */
export const schedGetPriorityMin = define<[policy: number], number>(
  "sched_get_priority_min",
  [oneOf("SCHED_", SCHED, "policy")],
  between(0, 99),
  { prompt: true },
);

/** sched_rr_get_interval(2) */
export const schedRrGetInterval = define<[pid: PidLike, interval: Address], void>(
  "sched_rr_get_interval",
  [pid, output(value(Timespec), "interval")],
  nothing,
  { prompt: true },
);

/** sched_setattr(2): takes a `struct sched_attr`, which contains its size. */
export const schedSetattr = define<[pid: PidLike, attributes: Address, flags: number], void>(
  "sched_setattr",
  [pid, input(unknown, "attributes"), flags()],
  nothing,
);

/** sched_getattr(2): writes a `struct sched_attr`. */
export const schedGetattr = define<
  [pid: PidLike, attributes: Address, length: number, flags: number],
  void
>("sched_getattr", [pid, output(bytes(2), "attributes"), uint.as("length"), flags()], nothing, {
  prompt: true,
});

/** getcpu(2): writes the 32-bit numbers of the processor and of its NUMA node. `cache` is not used. */
export const getcpu = define<[cpu: Address, node: Address, cache?: Word], void>(
  "getcpu",
  [output(value(Uint32), "cpu"), output(value(Uint32), "node"), word.as("cache").or(0)],
  nothing,
  { prompt: true },
);

/** kcmp(2): compares a resource of two processes: 0 if they share it. */
export const kcmp = define<
  [pid1: PidLike, pid2: PidLike, type: number, index1: Word, index2: Word],
  number
>(
  "kcmp",
  [
    pid.as("pid1"),
    pid.as("pid2"),
    oneOf(
      "KCMP_",
      { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4, IO: 5, SYSVSEM: 6, EPOLL_TFD: 7 },
      "type",
    ),
    word.as("index1"),
    word.as("index2"),
  ],
  between(0, 3),
);
