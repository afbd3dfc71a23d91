import { AT, type Stat } from "@rsyscall/abi";
import {
  fchmodat,
  fstatat,
  mkdirat,
  type PathLike,
  pathText,
  type SyscallFailure,
  umask as setUmask,
} from "@rsyscall/near";
import type { Effect } from "effect";
import type { MallocFailure, Task } from "../Task.ts";

/** stat(2), or lstat(2) with AT.SYMLINK_NOFOLLOW. */
export const stat = (task: Task, path: PathLike, flags = 0): Effect.Effect<Stat, MallocFailure> =>
  task.withPath("stat", path, (address) =>
    task.withResult(task.abi.stat, (status) =>
      fstatat(task.sysif, AT.FDCWD, address, status, flags, pathText(path)),
    ),
  );

/** mkdir(2). The mode is cut by the process's umask. */
export const mkdir = (
  task: Task,
  path: PathLike,
  mode = 0o777,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("mkdir", path, (address) =>
    mkdirat(task.sysif, AT.FDCWD, address, mode, pathText(path)),
  );

/** chmod(2): the mode as it is given, whatever the umask. */
export const chmod = (
  task: Task,
  path: PathLike,
  mode: number,
): Effect.Effect<void, MallocFailure> =>
  task.withPath("chmod", path, (address) =>
    fchmodat(task.sysif, AT.FDCWD, address, mode, pathText(path)),
  );

/**
 * umask(2): the permissions that new files do not get, for the task and who shares its directory with
 * it (CLONE.FS: all threads of a process). Gives those before.
 */
export const umask = (task: Task, mask: number): Effect.Effect<number, SyscallFailure> =>
  setUmask(task.sysif, mask);
