import { SigHow, type Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { HandleFailure } from "./errors.ts";
import { FdTable } from "./FdTable.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";
import { execImage, execStrings } from "./internal/execImage.ts";
import { unshareTable } from "./internal/unshareTable.ts";
import { sigprocmask } from "./signal.ts";
import type { Task } from "./Task.ts";

/**
 * unshare(2) with CLONE_FILES: the task has a descriptor table of its own from now on, with its own
 * handles and stdio in it and nothing else. The handles of the other tasks stay where they are.
 */
export const unshareFiles = (task: Task): Effect.Effect<void, HandleFailure> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      const from = task.fdTable;
      if (from.isOnlyOf(task)) return Effect.void;
      const [first, ...rest] = from.notOf(task);
      if (first === undefined) return Effect.void;
      return Effect.andThen(
        unshareTable(task, [first, ...rest]),
        Effect.suspend(() => {
          task.fdTable = new FdTable(task.pid);
          task.fdTable.join(task);
          return from.leave(task, task.fdTable);
        }),
      );
    }),
  );

export interface ExecOptions {
  /** The program's name and arguments. */
  readonly argv: ReadonlyArray<string | Uint8Array>;
  /** The environment, as `NAME=value` strings. */
  readonly envp: ReadonlyArray<string | Uint8Array>;
  /** The signals that are blocked when the program starts. */
  readonly sigmask: Sigset;
}

/**
 * execve(2): the task's process becomes another program, and the task is gone. Descriptors that are
 * not close-on-exec stay open in it, signals that are ignored stay ignored.
 *
 * If the kernel refuses, the task lives on as it was; but one that shared its descriptor table has
 * its own then, because a program never shares one.
 */
export const execve = (
  task: Task,
  path: near.PathLike,
  options: ExecOptions,
): Effect.Effect<void, HandleFailure> =>
  exec(task, "execve", path, near.pathText(path), options, (at, argv, envp) =>
    near.execve(task.sysif, at, argv, envp, near.pathText(path)),
  );

/**
 * execveat(2): as `execve`, of a path relative to a directory; or of the directory descriptor itself
 * as the program, with an empty path and AT.EMPTY_PATH. A script cannot be executed by a descriptor
 * that is close-on-exec: its interpreter would not find it (ENOENT).
 */
export const execveat = (
  task: Task,
  directory: FileDescriptor,
  path: near.PathLike,
  options: ExecOptions & { readonly flags?: number },
): Effect.Effect<void, HandleFailure> => {
  const subject = `fd ${directory.near}${near.pathText(path) && `/${near.pathText(path)}`}`;
  return Effect.flatMap(directory.borrow(task), (fd) =>
    exec(task, "execveat", path, subject, options, (at, argv, envp) =>
      near.execveat(task.sysif, fd, at, argv, envp, options.flags ?? 0, subject),
    ),
  );
};

const exec = (
  task: Task,
  syscall: "execve" | "execveat",
  path: near.PathLike,
  subject: string,
  { argv, envp, sigmask }: ExecOptions,
  call: (path: near.Address, argv: near.Address, envp: near.Address) => near.Syscall<void>,
): Effect.Effect<void, HandleFailure> => {
  const strings = execStrings(path, argv, envp);
  if (strings === undefined) return Effect.fail(near.SyscallError.of(syscall, "EINVAL", subject));
  const image = execImage(strings, argv.length, sigmask);
  const changesMask = !sameSet(task.sigmask, sigmask);
  const run = task.withMemory(image.size, 8, (base) =>
    Effect.andThen(
      task.sysif.write(base, image.at(base)),
      near.batch([
        ...(changesMask
          ? [
              near.sigprocmask(
                task.sysif,
                SigHow.SETMASK,
                near.Address(base + image.sigmask),
                near.NULL,
              ),
            ]
          : []),
        call(
          near.Address(base + image.path),
          near.Address(base + image.argv),
          near.Address(base + image.envp),
        ),
      ]),
    ),
  );
  const restoreMask = Effect.ignore(sigprocmask(task, SigHow.SETMASK, task.sigmask));
  return Effect.uninterruptible(
    // In a table that others share, the controller's socket would stay open, and nobody would notice
    // the exec.
    Effect.matchEffect(Effect.andThen(unshareFiles(task), run), {
      // An exec that comes back has failed.
      onSuccess: () => Effect.die(new Error(`${syscall} returned`)),
      onFailure: (error) => {
        if (
          error instanceof near.SyscallHangup &&
          error.syscall === syscall &&
          error.cause === undefined
        )
          return task.leave;
        const failure = Effect.fail(error);
        return changesMask && error instanceof near.SyscallError
          ? Effect.andThen(restoreMask, failure)
          : failure;
      },
    }),
  );
};

const sameSet = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
  a.size === b.size && [...a].every((value) => b.has(value));
