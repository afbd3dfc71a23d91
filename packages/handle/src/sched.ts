import { CpuSet } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "./encode.ts";
import { checked, encoded, isInt } from "./internal/checked.ts";
import type { MallocFailure } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * sched_getaffinity(2): the CPUs that a task may run on, and its cpuset allows. 0 stands for the task
 * itself.
 */
export const schedGetaffinity = (
  { task }: TaskLike,
  pid: near.Pid | number = 0,
): Effect.Effect<CpuSet, MallocFailure> => {
  const { size, alignment } = CpuSet;
  return checked(
    isInt(pid),
    "sched_getaffinity",
    `pid ${pid}`,
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
 * sched_setaffinity(2): the CPUs that one task, by its pid, may run on; 0 stands for the task itself.
 * CPUs that the machine does not have, or that its cpuset does not allow, are passed over: EINVAL if
 * none is left. Numbers from 8192 on are EINVAL.
 */
export const schedSetaffinity = (
  { task }: TaskLike,
  pid: near.Pid | number,
  cpus: CpuSet,
): Effect.Effect<void, MallocFailure> => {
  const subject = `pid ${pid}`;
  return checked(
    isInt(pid),
    "sched_setaffinity",
    subject,
    Effect.flatMap(
      encoded("sched_setaffinity", subject, () => encode(CpuSet, cpus)),
      (bytes) =>
        task.withBytes(
          bytes,
          (mask) => near.schedSetaffinity(task.sysif, pid, bytes.length, mask),
          CpuSet.alignment,
        ),
    ),
  );
};
