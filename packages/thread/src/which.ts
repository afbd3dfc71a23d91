import { ACCESS, AT, S_IF, S_IFMT } from "@rsyscall/abi";
import { actsWithRealIds, type MallocFailure, type Task } from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";
import { Command } from "./Command.ts";
import { type Environment, isCString } from "./Environment.ts";

/** No program of that name can be executed. */
export class ExecutableNotFoundError extends near.TaggedError("ExecutableNotFoundError")<{
  /** The name that was looked for. */
  readonly program: string;
  /** The paths that were tried. */
  readonly tried: ReadonlyArray<string>;
  /** A file of that name that is there, but may not be executed. */
  readonly notExecutable: string | undefined;
}> {
  /** The code that execvp(3) and errors of Node have: ENOENT, or EACCES for a file that may not be executed. */
  get code(): "ENOENT" | "EACCES" {
    return this.notExecutable === undefined ? "ENOENT" : "EACCES";
  }

  override get message(): string {
    const program = near.printable(this.program);
    if (program === "") return "the name of the program is empty: give its name, or its path";
    if (this.notExecutable !== undefined) {
      const file = near.printable(this.notExecutable);
      const subject = file === program ? file : `${program}: ${file}`;
      return `${subject} may not be executed: give it execute permission (chmod +x) if it is a program, or name another file`;
    }
    // A name with a slash is a path, and PATH is not used.
    if (this.program.includes("/"))
      return `${program}: there is no such file: give a path that exists, or a name to look for in PATH`;
    const tried = near.printable([...new Set(this.tried)].join(", ")) || "nothing";
    const words = /\s/.test(this.program) ? "; its arguments are words of their own" : "";
    return `${program}: not found in PATH (tried ${tried}): install it, or give its path${words}`;
  }
}

/** The directories in which execvp(3) looks without PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * Finds a program as execvp(3) does, by the PATH of an environment, in the file system as the task sees it now.
 * Nothing is cached; one round trip asks about all candidates.
 */
export const which = (
  task: Task,
  environ: Environment,
  name: near.PathLike,
): Effect.Effect<Command, ExecutableNotFoundError | MallocFailure> =>
  Effect.flatMap(
    Effect.suspend(() => search(task, environ, name)),
    ({ found: [first], tried, notExecutable }) =>
      first === undefined
        ? Effect.fail(
            new ExecutableNotFoundError({ program: near.pathText(name), tried, notExecutable }),
          )
        : Effect.succeed(first),
  );

/** As `which`, but returns all programs of that name, in the order of PATH. */
export const whichAll = (
  task: Task,
  environ: Environment,
  name: near.PathLike,
): Effect.Effect<ReadonlyArray<Command>, MallocFailure> =>
  Effect.map(
    Effect.suspend(() => search(task, environ, name)),
    ({ found }) => found,
  );

interface Found {
  readonly found: ReadonlyArray<Command>;
  readonly tried: ReadonlyArray<string>;
  readonly notExecutable: string | undefined;
}

/** Finds the programs of a name. PATH is read when this is called. */
const search = (
  task: Task,
  environ: Environment,
  name: near.PathLike,
): Effect.Effect<Found, MallocFailure> => {
  if (near.pathProblem(name) !== undefined)
    return Effect.fail(near.invalidPath("which", name, "name"));
  const file = near.pathText(name);
  const places = file.includes("/")
    ? [file]
    : (environ.get("PATH") ?? DEFAULT_PATH)
        .split(":")
        // An empty element is the working directory.
        .map((directory) => near.Path.make(directory || ".", file).text);
  // Text that cannot be a path names no file.
  const candidates = file === "" ? [] : places.filter(isCString);
  if (candidates.length === 0)
    return Effect.succeed({ found: [], tried: [], notExecutable: undefined });
  const { sysif } = task;
  const newer: Access = (at, path) =>
    near.faccessat2(sysif, AT.FDCWD, at, ACCESS.X, AT.EACCESS).about(path);
  const older: Access = (at, path) => near.faccessat(sysif, AT.FDCWD, at, ACCESS.X).about(path);
  return ask(task, file, candidates, newer).pipe(
    near.orOlder(sysif, "faccessat2", (refusal) =>
      Effect.flatMap(actsWithRealIds(task), (itDoes) =>
        itDoes ? ask(task, file, candidates, older) : Effect.fail(refusal),
      ),
    ),
  );
};

/** Asks whether the file whose path is at an address may be executed. */
type Access = (at: near.Address, path: string) => near.Syscall<void>;

/** Which of some paths are programs. All are asked for in one round trip. */
const ask = (
  task: Task,
  file: string,
  candidates: ReadonlyArray<string>,
  access: Access,
): Effect.Effect<Found, MallocFailure> => {
  const paths = candidates.map((path) => near.pathBytes(`${path}\0`));
  const { stat } = task.abi;
  const text = paths.reduce((sum, path) => sum + path.length, 0);
  return task.withMemory(stat.size * paths.length + text, 8, (statuses) => {
    const bytes = new Uint8Array(text);
    const base = statuses + stat.size * paths.length;
    const asked: Array<near.Syscall<void>> = [];
    let end = 0;
    for (const [i, path] of paths.entries()) {
      bytes.set(path, end);
      const at = near.Address(base + end);
      const status = near.Address(statuses + stat.size * i);
      asked.push(
        access(at, candidates[i] as string),
        near.fstatat(task.sysif, AT.FDCWD, at, status, 0),
      );
      end += path.length;
    }
    const askAll = near.batchExitsThen(asked, task.sysif.read(statuses, stat.size * paths.length));
    return Effect.flatMap(
      Effect.andThen(task.sysif.write(near.Address(base), bytes), askAll),
      ([exits, read]): Effect.Effect<Found, near.SyscallFailure> => {
        const isSuccess = (i: number) => exits[i]?._tag === "Success";
        const found: Array<Command> = [];
        let notExecutable: string | undefined;
        for (const [i, path] of candidates.entries()) {
          if (!isSuccess(2 * i + 1)) continue;
          const permission = exits[2 * i] as Exit.Exit<void, near.SyscallFailure>;
          if (Exit.isFailure(permission) && isRefusal(permission))
            return Effect.failCause(permission.cause);
          const status = near.decoded("newfstatat", path, () =>
            stat.decode(read.subarray(stat.size * i, stat.size * (i + 1))),
          );
          if (Exit.isFailure(status)) return Effect.failCause(status.cause);
          // For a directory X means something else.
          if ((status.value.mode & S_IFMT) === S_IF.REG && Exit.isSuccess(permission))
            found.push(Command.make(path).argv0(file));
          else notExecutable ??= path;
        }
        return Effect.succeed({ found, tried: candidates, notExecutable });
      },
    );
  });
};

/** Whether the kernel refuses the call, and not the file: execvp(3) stops at these errors as well. */
const isRefusal = ({ cause }: Exit.Failure<void, near.SyscallFailure>): boolean => {
  const error = Cause.squash(cause);
  return (
    error instanceof near.SyscallError && (error.errno === "ENOSYS" || error.errno === "EPERM")
  );
};
