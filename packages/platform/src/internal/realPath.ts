import { AT } from "@rsyscall/abi";
import { getcwd, type HandleFailure, type Task } from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Cause, Effect, Exit } from "effect";

/** Links that are followed at most, as in the kernel. */
const MOST_LINKS = 40;

/** Components whose links are read together, and the bytes for the target of each. */
const AT_ONCE = 8;
const LINK_SIZE = 4096;

/** The names in a path. A trailing slash is a ".": the name before it must be a directory. */
const namesOf = (path: string): Array<string> => {
  const names = path.split("/").filter((name) => name !== "");
  return path.endsWith("/") && names.length > 0 ? [...names, "."] : names;
};

const isDots = (name: string): boolean => name === "." || name === "..";

/**
 * realpath(3), by readlink(2) of the names on the way: not by /proc, which the process may not have. The
 * ".." of a linked directory is its real parent, as for the kernel. Several names that are no links take
 * one round trip.
 */
export const realPath = Effect.fnUntraced(function* (
  task: Task,
  path: string,
): Effect.fn.Return<string, HandleFailure> {
  if (path === "") return yield* Effect.fail(near.SyscallError.of("readlinkat", "ENOENT", path));
  let known: ReadonlyArray<string> = [];
  let left: ReadonlyArray<string> = namesOf(path);
  if (!path.startsWith("/")) {
    const { text } = yield* getcwd(task);
    // The directory is outside of the process's root.
    if (!text.startsWith("/"))
      return yield* Effect.fail(near.SyscallError.of("getcwd", "ENOENT", path));
    known = namesOf(text);
  }
  for (let links = 0; left.length > 0; ) {
    const dots = left.findIndex(isDots);
    const run = left.slice(0, Math.min(dots < 0 ? AT_ONCE : dots + 1, AT_ONCE));
    const link = yield* firstLink(task, known, run, path);
    if (link === undefined) {
      const names = run.filter((name) => !isDots(name));
      known = [...known, ...names];
      if (run.at(-1) === "..") known = known.slice(0, -1);
      left = left.slice(run.length);
    } else {
      if (++links > MOST_LINKS)
        return yield* Effect.fail(near.SyscallError.of("readlinkat", "ELOOP", path));
      known = link.target.startsWith("/") ? [] : [...known, ...run.slice(0, link.index)];
      left = [...namesOf(link.target), ...left.slice(link.index + 1)];
    }
  }
  return `/${known.join("/")}`;
});

/** Reads the links among the names below a directory that is known, and gives the first. */
const firstLink = (
  task: Task,
  known: ReadonlyArray<string>,
  names: ReadonlyArray<string>,
  subject: string,
): Effect.Effect<
  { readonly index: number; readonly target: string } | undefined,
  HandleFailure
> => {
  const paths = names.map((_, i) =>
    near.pathBytes(`/${[...known, ...names.slice(0, i + 1)].join("/")}\0`),
  );
  const text = Buffer.concat(paths);
  const room = LINK_SIZE * paths.length;
  return task.withMemory(room + text.length, 1, (buffer) => {
    const targetOf = (i: number) => near.Address(buffer + LINK_SIZE * i);
    let at = buffer + room;
    const reads = paths.map((path, i) => {
      const address = near.Address(at);
      at += path.length;
      return near.readlinkat(task.sysif, AT.FDCWD, address, targetOf(i), LINK_SIZE).about(subject);
    });
    return Effect.flatMap(
      Effect.andThen(task.sysif.write(near.Address(buffer + room), text), near.batchExits(reads)),
      (exits) => {
        for (const [index, exit] of exits.entries()) {
          if (Exit.isSuccess(exit))
            return Effect.map(task.sysif.read(targetOf(index), exit.value), (bytes) => ({
              index,
              target: near.Path.make(bytes).text,
            }));
          const error = Cause.squash(exit.cause);
          // It exists, and is no link.
          const isPlain = error instanceof near.SyscallError && error.errno === "EINVAL";
          if (!isPlain) return Effect.failCause(exit.cause);
        }
        return Effect.succeed(undefined);
      },
    );
  });
};
