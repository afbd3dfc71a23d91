import { define } from "../define.ts";
import type { Address, Fd, PidLike } from "../identifiers.ts";
import { fdOrNone, flags, input, int, pid } from "../kinds.ts";
import { unknown } from "../Memory.ts";
import { newFd } from "../Result.ts";

/** perf_event_open(2): takes a `struct perf_event_attr`, which contains its size. */
export const perfEventOpen = define<
  [attributes: Address, pid: PidLike, cpu: number, group: Fd | -1, flags: number],
  Fd
>(
  "perf_event_open",
  [
    input(unknown, "attributes"),
    pid,
    int.as("cpu"),
    fdOrNone.as("group"),
    flags("PERF_FLAG_", { FD_NO_GROUP: 1, FD_OUTPUT: 2, PID_CGROUP: 4, FD_CLOEXEC: 8 }),
  ],
  newFd,
);
