import { AT, isDirectory } from "@rsyscall/abi";
import { type HandleFailure, mkdir, stat, type Task } from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";

/** mkdir(2) of a directory and of all above it that are missing. It may be there already. */
export const makeDirectories = (
  task: Task,
  path: string,
  mode: number,
): Effect.Effect<void, HandleFailure> =>
  mkdir(task, path, mode).pipe(
    near.catchErrno("EEXIST", (error) => unlessDirectory(task, path, error)),
    near.catchErrno("ENOENT", (error) =>
      // An empty path, or all that could be missing is there: a link that leads nowhere, for instance.
      path === "" ? Effect.fail(error) : makeAll(task, path, mode),
    ),
  );

/** Tries all directories of the path in one round trip. */
const makeAll = (task: Task, path: string, mode: number): Effect.Effect<void, HandleFailure> => {
  const paths = [...path.matchAll(/[^/]+/g)].map(({ 0: name, index }) =>
    path.slice(0, index + name.length),
  );
  const texts = paths.map((path) => near.pathBytes(`${path}\0`));
  return task.withBytes(Buffer.concat(texts), (start) => {
    let at: number = start;
    const calls = texts.map((text, i) => {
      const address = near.Address(at);
      at += text.length;
      return near.mkdirat(task.sysif, AT.FDCWD, address, mode).about(paths[i] as string);
    });
    return Effect.flatMap(near.batchExits(calls), (exits) => {
      for (const [i, exit] of exits.entries()) {
        if (Exit.isSuccess(exit)) continue;
        const error = Cause.squash(exit.cause);
        const isThere = error instanceof near.SyscallError && error.errno === "EEXIST";
        if (!isThere) return Effect.failCause(exit.cause);
        if (i === exits.length - 1) return unlessDirectory(task, path, error);
      }
      return Effect.void;
    });
  });
};

/** What is there already may be a link to a directory. */
const unlessDirectory = (
  task: Task,
  path: string,
  error: near.SyscallError,
): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(stat(task, path), ({ mode }) =>
    isDirectory(mode) ? Effect.void : Effect.fail(error),
  );
