import { AT } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { actsWithRealIds } from "../credentials.ts";
import type { Task } from "../Task.ts";

/**
 * faccessat2(2), or faccessat(2) if the former is refused and the latter means the same. faccessat(2) checks the
 * real ids, which are nearly always the effective ones.
 */
export const accessAt = (
  task: Task,
  directory: near.DirectoryFd,
  path: near.Address,
  mode: number,
  flags: number,
): Effect.Effect<void, near.SyscallFailure> => {
  const { sysif } = task;
  const older = near.faccessat(sysif, directory, path, mode);
  if (flags === 0) return older;
  return near
    .faccessat2(sysif, directory, path, mode, flags)
    .pipe(
      near.orOlder(sysif, "faccessat2", (refusal) =>
        flags === AT.EACCESS
          ? Effect.flatMap(actsWithRealIds(task), (itDoes) =>
              itDoes ? older : Effect.fail(refusal),
            )
          : Effect.fail(refusal),
      ),
    );
};
