import { CpuSet } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "./errors.ts";
import { argument, checked, encoded, int } from "./internal/checked.ts";
import type { TaskLike } from "./TaskLike.ts";

/** sched_getaffinity(2): the CPUs that a task may run on and its cpuset allows. `pid` 0 stands for the task itself. */
export const schedGetaffinity = (
  { task }: TaskLike,
  pid: near.Pid | number = 0,
): Effect.Effect<CpuSet, MallocFailure> => {
  const { size, alignment } = CpuSet;
  return checked(
    "sched_getaffinity",
    [argument("pid", pid, int)],
    task.withMemory(size, alignment, (mask) =>
      Effect.map(
        near.batchThen(
          [near.schedGetaffinity(task.sysif, pid, size, mask)],
          task.sysif.read(mask, size),
        ),
        ([[written], bytes]) => CpuSet.decode(bytes.subarray(0, written)),
      ),
    ),
  );
};

/**
 * sched_setaffinity(2): sets the CPUs that one task, named by its pid, may run on; 0 stands for the task itself.
 * The kernel ignores CPUs that the machine does not have or that the cpuset does not allow: EINVAL if none is
 * left. Numbers from 8192 on are EINVAL.
 */
export const schedSetaffinity = (
  { task }: TaskLike,
  pid: near.Pid | number,
  cpus: CpuSet,
): Effect.Effect<void, MallocFailure> => {
  return checked(
    "sched_setaffinity",
    [argument("pid", pid, int)],
    Effect.flatMap(encoded("sched_setaffinity", "cpus", CpuSet, cpus), (bytes) =>
      task.withBytes(
        bytes,
        (mask) => near.schedSetaffinity(task.sysif, pid, bytes.length, mask),
        CpuSet.alignment,
      ),
    ),
  );
};
