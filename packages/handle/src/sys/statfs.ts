import { Statfs } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import type { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { TaskLike } from "../TaskLike.ts";

/** statfs(2): the file system that has the file, its size and what is free. */
export const statfs = (
  { task }: TaskLike,
  path: near.PathLike,
): Effect.Effect<Statfs, MallocFailure> =>
  task.withPath("statfs", path, (address) =>
    task.withResult(Statfs, (status) => near.statfs(task.sysif, address, status)),
  );
