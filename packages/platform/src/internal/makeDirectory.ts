import { AT, isDirectory } from "@rsyscall/abi";
import { type HandleFailure, mkdir, stat, type Task } from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";

/** Makes a directory and all that are missing above it: mkdir(2). It may exist already. */
export const makeDirectories = (
  task: Task,
  path: string,
  mode: number,
): Effect.Effect<void, HandleFailure> =>
  mkdir(task, path, mode).pipe(
    near.catchErrno("EEXIST", (error) => unlessDirectory(task, path, error)),
    near.catchErrno("ENOENT", (error) =>
      // The path is empty, or nothing that could be made is missing: a link that leads nowhere, for instance.
      path === "" ? Effect.fail(error) : makeAll(task, path, mode),
    ),
  );

/** Tries to make all directories of the path in one round trip. */
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

/** Succeeds if the path exists already as a directory, or as a link to one. */
const unlessDirectory = (
  task: Task,
  path: string,
  error: near.SyscallError,
): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(stat(task, path), ({ mode }) =>
    isDirectory(mode) ? Effect.void : Effect.fail(error),
  );
