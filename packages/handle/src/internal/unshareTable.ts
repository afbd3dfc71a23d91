import { CLONE, CLOSE_RANGE } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import type { FdRange } from "@rsyscall/wire";
import { Effect } from "effect";
import { Directory } from "../dirent.ts";
import type { HandleFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/** Gives a task a descriptor table of its own, without the numbers in some ranges. */
export const unshareTable = (
  task: Task,
  ranges: readonly [FdRange, ...ReadonlyArray<FdRange>],
): Effect.Effect<void, HandleFailure> => {
  const [first, ...rest] = ranges.map((range, i) =>
    near.closeRange(task.sysif, range.first, range.last, i === 0 ? CLOSE_RANGE.UNSHARE : 0),
  ) as [near.Syscall<void>, ...Array<near.Syscall<void>>];
  return Effect.asVoid(near.batch([first, ...rest])).pipe(
    near.orOlder(task.sysif, "close_range", () => oneByOne(task, ranges)),
  );
};

const oneByOne = (task: Task, ranges: ReadonlyArray<FdRange>): Effect.Effect<void, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* near.unshare(task.sysif, CLONE.FILES);
      const directory = yield* Directory.make(task, "/proc/self/fd");
      const numbers = (yield* directory.entries())
        .map(({ name }) => Number(name))
        .filter(
          (fd) =>
            fd !== directory.near && ranges.some(({ first, last }) => first <= fd && fd <= last),
        );
      yield* Effect.forEach(numbers, (fd) => Effect.ignore(near.close(task.sysif, near.Fd(fd))), {
        discard: true,
      });
    }),
  );
