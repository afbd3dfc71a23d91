import { O } from "@rsyscall/abi";
import { type HandleFailure, type IoFailure, open, type Task } from "@rsyscall/handle";
import { Path, type PathLike, SyscallError } from "@rsyscall/near";
import { Effect } from "effect";
import type { Command } from "./Command.ts";

/** Bytes at the beginning of a file that show whether it is text. */
const SAMPLE_SIZE = 256;

/**
 * Executes a command as execvp(3) does. Text without "#!", which the kernel refuses with ENOEXEC, is given to the
 * shell, which reads it as a script. A file that is not text, such as a program for another machine, stays
 * ENOEXEC.
 *
 * @param task sees the file
 * @param cwd the directory to which its path is relative, if not the task's working directory
 * @param execute fails with the kernel's error of execve(2)
 */
export const orByShell = <A, R>(
  task: Task,
  command: Command,
  cwd: PathLike | undefined,
  execute: (command: Command) => Effect.Effect<A, HandleFailure, R>,
): Effect.Effect<A, HandleFailure, R> =>
  Effect.catchIf(execute(command), isNoProgram, (error) => {
    const { executable } = command;
    const path = cwd === undefined ? executable : Path.make(cwd).join(executable);
    return Effect.flatMap(
      // The shell could not read it either.
      Effect.orElseSucceed(isText(task, path), () => false),
      (isScript) => (isScript ? execute(command.byShell()) : Effect.fail(error)),
    );
  });

const isNoProgram = (error: HandleFailure): boolean =>
  error instanceof SyscallError && error.syscall === "execve" && error.errno === "ENOEXEC";

/** Whether there is no NUL in the first line, as shells check it. */
const isText = (task: Task, path: Path): Effect.Effect<boolean, IoFailure> =>
  Effect.scoped(
    Effect.map(
      Effect.flatMap(open(task, path, O.RDONLY), (file) => file.readBytes(SAMPLE_SIZE)),
      (bytes) => {
        const nul = bytes.indexOf(0);
        const newline = bytes.indexOf(0x0a);
        return nul < 0 || (newline >= 0 && newline < nul);
      },
    ),
  );
