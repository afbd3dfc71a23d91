import { SigHow, type Sigset } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, Exit, Option } from "effect";
import type { BorrowFailure, IoFailure, MallocFailure } from "./errors.ts";
import { FdTable } from "./FdTable.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";
import { unshareTable } from "./internal/closeRanges.ts";
import { execImage, execStrings } from "./internal/execImage.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * unshare(2) with CLONE_FILES: gives the task a descriptor table of its own, with the descriptors of its own
 * handles and stdio in it and nothing else. The handles of the other tasks stay valid in the old table.
 */
export const unshareFiles = ({ task }: TaskLike): Effect.Effect<void, IoFailure> =>
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

/** What a program is executed with. */
export interface ExecOptions {
  /** The program's name and arguments. */
  readonly argv: ReadonlyArray<string | Uint8Array>;
  /** The environment, as `NAME=value` strings. */
  readonly envp: ReadonlyArray<string | Uint8Array>;
  /** The signals that are blocked when the program starts. Default: those that the task has blocked. */
  readonly sigmask?: Sigset | undefined;
}

/**
 * execve(2): the task's process becomes another program, and the task is gone. Descriptors that are not
 * close-on-exec stay open in it, and signals that are ignored or blocked stay so.
 *
 * If the kernel refuses, the task stays as it was, except that a task that shared its descriptor table has its
 * own then, because a program never shares one.
 *
 * The call has succeeded when the task has begun it and hung up without an answer: a refusal is an answer. If the
 * process is killed inside the system call, it is unknown whether it was a program already: that passes for
 * success. If the process is killed before, or the connection to it is cut, that is a SyscallHangup.
 */
export const execve = (
  { task }: TaskLike,
  path: near.PathLike,
  options: ExecOptions,
): Effect.Effect<void, IoFailure> =>
  exec(task, "execve", path, near.pathSubject(path), options, (at, argv, envp) =>
    near.execve(task.sysif, at, argv, envp),
  );

/**
 * execveat(2): as `execve`, of a path relative to a directory; with an empty path and AT.EMPTY_PATH, the program
 * is the file of the descriptor itself. A script cannot be executed by a descriptor that is close-on-exec: its
 * interpreter would not find it (ENOENT).
 */
export const execveat = (
  { task }: TaskLike,
  directory: FileDescriptor,
  path: near.PathLike,
  options: ExecOptions & { readonly flags?: number },
): Effect.Effect<void, MallocFailure | BorrowFailure> => {
  const below = near.pathSubject(path);
  const subject = `fd ${directory.near}${below ? `/${below}` : ""}`;
  return Effect.flatMap(directory.borrow(task), (fd) =>
    exec(task, "execveat", path, subject, options, (at, argv, envp) =>
      near.execveat(task.sysif, fd, at, argv, envp, options.flags ?? 0),
    ),
  );
};

const exec = (
  task: Task,
  syscall: "execve" | "execveat",
  path: near.PathLike,
  subject: string | undefined,
  { argv, envp, sigmask }: ExecOptions,
  call: (path: near.Address, argv: near.Address, envp: near.Address) => near.Syscall<void>,
): Effect.Effect<void, IoFailure> => {
  const strings = execStrings(syscall, path, argv, envp);
  if (strings instanceof near.InvalidArgumentError) return Effect.fail(strings);
  const mask = sigmask ?? task.programSignals.maskOf(task.sigmask);
  const image = execImage(strings, argv.length, mask, task.programSignals.actions);
  const { sysif } = task;
  const run = task.withMemory(image.size, 8, (base) => {
    const at = (offset: number) => near.Address(base + offset);
    const setSignals = near.batchExits([
      ...image.actions.map(({ signal, action, old }) =>
        near.sigaction(sysif, signal, at(action), at(old)),
      ),
      near.sigprocmask(sysif, SigHow.SETMASK, at(image.sigmask), at(image.oldSigmask)),
      call(at(image.path), at(image.argv), at(image.envp)).about(subject ?? ""),
    ]);
    const restoreSignals = near.batchExits([
      ...image.actions.map(({ signal, old }) => near.sigaction(sysif, signal, at(old))),
      near.sigprocmask(sysif, SigHow.SETMASK, at(image.oldSigmask), near.NULL),
    ]);
    const setAndCall = Effect.andThen(sysif.write(base, image.at(base)), setSignals);
    return Effect.flatMap(setAndCall, (exits): Effect.Effect<void, near.SyscallFailure> => {
      const before = failureOf(exits.at(-2));
      const failure = failureOf(exits.at(-1));
      // An exec that returns has failed.
      if (failure === undefined)
        return Effect.fail(near.impossible(syscall, subject, "it returned"));
      if (failure instanceof near.SyscallError)
        return Effect.andThen(restoreSignals, Effect.fail(failure));
      // The task was alive when it reached the call.
      const hasBegun = before === undefined || before instanceof near.SyscallError;
      return hasBegun && near.hasLeft(failure) ? task.leave() : Effect.fail(failure);
    });
  });
  // In a table that other tasks share, the controller's socket would stay open, and the controller would not
  // notice the exec.
  return Effect.uninterruptible(Effect.andThen(unshareFiles(task), run));
};

const failureOf = (
  exit: Exit.Exit<void, near.SyscallFailure> | undefined,
): near.SyscallFailure | undefined =>
  exit === undefined || Exit.isSuccess(exit)
    ? undefined
    : Option.getOrUndefined(Exit.findErrorOption(exit));
