import { Rlimit } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { MallocFailure } from "../errors.ts";
import { argument, checked, encodedBy, exactly, id, int } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";

/** Limits to set: whole numbers; RLIM_INFINITY stands for no limit. */
export interface NewRlimit {
  /** The soft limit, at most the hard one. */
  readonly cur: number | bigint;
  /** The hard limit. To raise it takes CAP_SYS_RESOURCE, so without that, lowering it is permanent. */
  readonly max: number | bigint;
}

/**
 * prlimit(2): sets the limits of a process for one resource (`RLIMIT`), if they are given, and returns the
 * previous ones. `pid` 0 stands for the task's own process. Limits belong to whole processes.
 *
 * @example
 * ```ts
 * import { RLIMIT } from "@rsyscall/abi";
 * import { prlimit, type Task } from "@rsyscall/handle";
 *
 * const noCore = (task: Task, pid: number) => prlimit(task, pid, RLIMIT.CORE, { cur: 0, max: 0 });
 * ```
 */
export const prlimit = (
  { task }: TaskLike,
  pid: near.Pid | number,
  resource: number,
  limit?: NewRlimit,
): Effect.Effect<Rlimit, MallocFailure> => {
  const { size, alignment } = Rlimit;
  const bytes =
    limit === undefined
      ? Effect.succeed(undefined)
      : encodedBy({ syscall: "prlimit64", argument: "limit", value: limit, expected: LIMIT }, () =>
          encode(Rlimit, { cur: exactly(limit.cur), max: exactly(limit.max) }),
        );
  return checked(
    "prlimit64",
    [argument("pid", pid, int), argument("resource", resource, int)],
    Effect.flatMap(bytes, (bytes) =>
      task.withMemory(2 * size, alignment, (old) => {
        const set = near.Address(old + size);
        const change = near.batchThen(
          [near.prlimit(task.sysif, pid, resource, bytes === undefined ? near.NULL : set, old)],
          task.sysif.read(old, size),
        );
        return Effect.map(
          bytes === undefined ? change : Effect.andThen(task.sysif.write(set, bytes), change),
          ([, before]) => Rlimit.decode(before),
        );
      }),
    ),
  );
};

/** getrlimit(2): the limits of the task's process for one resource (`RLIMIT`). */
export const getrlimit = (
  { task }: TaskLike,
  resource: number,
): Effect.Effect<Rlimit, MallocFailure> => prlimit(task, 0, resource);

/** setrlimit(2): sets the limits of the task's process, and returns the previous ones. */
export const setrlimit = (
  { task }: TaskLike,
  resource: number,
  limit: NewRlimit,
): Effect.Effect<Rlimit, MallocFailure> => prlimit(task, 0, resource, limit);

/**
 * getpriority(2): the nice value, from -20 (first) to 19 (last); the least one if there are several tasks. ESRCH
 * if there is none.
 *
 * @param which of `PRIO`: the kind of the id
 * @param who a pid (PRIO.PROCESS is about that one task), a process group or a user id; 0 for the
 * task's own
 */
export const getpriority = (
  { task }: TaskLike,
  which: number,
  who: number,
): Effect.Effect<number, near.SyscallFailure> =>
  checked("getpriority", ids(which, who), near.getpriority(task.sysif, which, who));

/**
 * setpriority(2): sets the nice value of all tasks that `getpriority` looks at. The kernel takes values beyond
 * -20 and 19 as these. EACCES without the right to lower it.
 */
export const setpriority = (
  { task }: TaskLike,
  which: number,
  who: number,
  nice: number,
): Effect.Effect<void, near.SyscallFailure> =>
  checked(
    "setpriority",
    [...ids(which, who), argument("nice", nice, int)],
    near.setpriority(task.sysif, which, who, nice),
  );

/** The limits that prlimit(2) takes, in words. */
const LIMIT = "two limits, cur and max, each from 0 to RLIM_INFINITY";

const ids = (which: number, who: number) => [
  argument("which", which, int),
  argument("who", who, id),
];
