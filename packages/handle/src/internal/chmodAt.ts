import { AT, isSymlink, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";

/** chmod(2) of what a descriptor is of, which may be an O_PATH one: fchmodat2(2), or by its path in /proc. */
export const chmodByFd = (
  task: Task,
  fd: near.Fd,
  mode: number,
  subject: string,
): Effect.Effect<void, MallocFailure> =>
  task
    .withPath("fchmodat2", "", (empty) =>
      near.fchmodat2(task.sysif, fd, empty, mode, AT.EMPTY_PATH, subject),
    )
    .pipe(near.orOlder(task.sysif, "fchmodat2", () => chmodByProc(task, fd, mode, subject)));

const chmodByProc = (
  task: Task,
  fd: near.Fd,
  mode: number,
  subject: string,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("fchmodat", `/proc/self/fd/${fd}`, (address) =>
    near.fchmodat(task.sysif, AT.FDCWD, address, mode, subject),
  );

/**
 * fchmodat2(2), or what does the same where that is refused: by a descriptor for AT.SYMLINK_NOFOLLOW, and in /proc
 * for AT.EMPTY_PATH. A link has no mode of its own: EOPNOTSUPP, which not all kernels say of the path in /proc.
 */
export const chmodAt = (
  task: Task,
  directory: near.Fd,
  path: near.Address,
  mode: number,
  flags: number,
  subject: string,
): Effect.Effect<void, MallocFailure> =>
  near.fchmodat2(task.sysif, directory, path, mode, flags, subject).pipe(
    near.orOlder(task.sysif, "fchmodat2", (refusal): Effect.Effect<void, MallocFailure> => {
      if (flags === AT.EMPTY_PATH && subject === "")
        return chmodByProc(task, directory, mode, subject);
      if (flags !== AT.SYMLINK_NOFOLLOW) return Effect.fail(refusal);
      const { sysif, abi } = task;
      const how = O.PATH | O.NOFOLLOW | O.CLOEXEC;
      return Effect.acquireUseRelease(
        near.openat(sysif, directory, path, how, 0, subject),
        (fd) =>
          Effect.flatMap(
            task.withResult(abi.stat, (status) => near.fstat(sysif, fd, status)),
            (status): Effect.Effect<void, MallocFailure> =>
              isSymlink(status.mode)
                ? Effect.fail(near.SyscallError.of("fchmodat2", "EOPNOTSUPP", subject))
                : chmodByProc(task, fd, mode, subject),
          ),
        (fd) => Effect.ignore(near.close(sysif, fd)),
      );
    }),
  );
