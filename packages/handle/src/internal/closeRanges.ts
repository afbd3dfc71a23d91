import { CLONE, CLOSE_RANGE } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import type { FdRange } from "@rsyscall/wire";
import { Effect } from "effect";
import { Directory } from "../dirent.ts";
import type { IoFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/** Ranges of numbers of descriptors. */
type Ranges = readonly [FdRange, ...ReadonlyArray<FdRange>];

/** Closes the numbers in some ranges. */
export const closeRanges = (task: Task, ranges: Ranges): Effect.Effect<void, IoFailure> =>
  close(task, ranges, false);

/** Gives a task a descriptor table of its own, without the numbers in some ranges. */
export const unshareTable = (task: Task, ranges: Ranges): Effect.Effect<void, IoFailure> =>
  close(task, ranges, true);

const close = (task: Task, ranges: Ranges, unshares: boolean): Effect.Effect<void, IoFailure> => {
  const [first, ...rest] = ranges.map((range, i) =>
    near.closeRange(
      task.sysif,
      range.first,
      range.last,
      unshares && i === 0 ? CLOSE_RANGE.UNSHARE : 0,
    ),
  ) as [near.Syscall<void>, ...Array<near.Syscall<void>>];
  return Effect.asVoid(near.batch([first, ...rest])).pipe(
    near.orOlder(task.sysif, "close_range", () => oneByOne(task, ranges, unshares)),
  );
};

const oneByOne = (
  task: Task,
  ranges: ReadonlyArray<FdRange>,
  unshares: boolean,
): Effect.Effect<void, IoFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (unshares) yield* near.unshare(task.sysif, CLONE.FILES);
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
