import { AT, isSymlink, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/** chmod(2) of the file of a descriptor, which may be an O_PATH one: fchmodat2(2), or chmod(2) of the path in /proc. */
export const chmodByFd = (
  task: Task,
  fd: near.Fd,
  mode: number,
): Effect.Effect<void, MallocFailure> =>
  task
    .withBytes(near.pathBytes("\0"), (empty) =>
      near.fchmodat2(task.sysif, fd, empty, mode, AT.EMPTY_PATH),
    )
    .pipe(near.orOlder(task.sysif, "fchmodat2", () => chmodByProc(task, fd, mode)));

const chmodByProc = (task: Task, fd: near.Fd, mode: number): Effect.Effect<void, MallocFailure> =>
  task.withBytes(near.pathBytes(`/proc/self/fd/${fd}\0`), (address) =>
    near.fchmodat(task.sysif, AT.FDCWD, address, mode),
  );

/**
 * fchmodat2(2), or an equivalent if that is refused: by a descriptor for AT.SYMLINK_NOFOLLOW, and by /proc for
 * AT.EMPTY_PATH. A link has no mode of its own: EOPNOTSUPP, which not all kernels return for the path in /proc.
 */
export const chmodAt = (
  task: Task,
  directory: near.Fd,
  path: near.Address,
  mode: number,
  flags: number,
  name: near.PathLike,
): Effect.Effect<void, MallocFailure> =>
  near.fchmodat2(task.sysif, directory, path, mode, flags).pipe(
    near.orOlder(task.sysif, "fchmodat2", (refusal): Effect.Effect<void, MallocFailure> => {
      if (flags === AT.EMPTY_PATH && near.pathText(name) === "")
        return chmodByProc(task, directory, mode);
      if (flags !== AT.SYMLINK_NOFOLLOW) return Effect.fail(refusal);
      const { sysif, abi } = task;
      const how = O.PATH | O.NOFOLLOW | O.CLOEXEC;
      return Effect.acquireUseRelease(
        near.openat(sysif, directory, path, how, 0),
        (fd) =>
          Effect.flatMap(
            task.withResult(abi.stat, (status) => near.fstat(sysif, fd, status)),
            (status): Effect.Effect<void, MallocFailure> =>
              isSymlink(status.mode)
                ? Effect.fail(near.SyscallError.of("fchmodat2", "EOPNOTSUPP"))
                : chmodByProc(task, fd, mode),
          ),
        (fd) => Effect.ignore(near.close(sysif, fd)),
      );
    }),
  );
