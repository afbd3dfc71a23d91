import { S_IF, S_IFMT, type Stat } from "@rsyscall/abi";
import { type HandleFailure, readlink, symlink, unlink } from "@rsyscall/handle";
import { catchErrno, InvalidArgumentError, Path } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { kindOf, type Occupant, type PathTakenError, place, workshop } from "@rsyscall/transport";
import { Effect, Scope } from "effect";

/**
 * Tells stubs how long to wait for a server that does not answer, and so cannot say it: by a link beside the
 * socket, whose text is a number of seconds. The scope removes it.
 *
 * @param hasReplaced whether the socket has replaced that of a dead server, which may have left its link
 */
export const placeTimeout = Effect.fnUntraced(function* (
  thread: Thread,
  socketPath: Path,
  seconds: number | undefined,
  hasReplaced: boolean,
): Effect.fn.Return<void, HandleFailure | PathTakenError, Scope.Scope> {
  const { task } = thread;
  const outer = yield* Effect.scope;
  const path = Path.make(`${socketPath.text}.timeout`);
  if (seconds === undefined)
    return hasReplaced
      ? yield* catchErrno("ENOENT", () => Effect.void)(unlink(task, path))
      : undefined;
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    return yield* new InvalidArgumentError({
      syscall: "StubServer.make",
      argument: "stubTimeout",
      value: seconds,
      expected: "a whole number of seconds from 0 on",
    });
  yield* Effect.scoped(
    Effect.gen(function* () {
      const made = (yield* workshop(thread, path)).join("timeout");
      yield* symlink(task, String(seconds), made);
      yield* place(thread, made, path, judgeTimeout(thread, path)).pipe(
        Scope.provide(outer),
        Effect.tapError(() => Effect.ignore(unlink(task, made))),
      );
    }),
  );
});

/** What lies at the path of such a link. */
const judgeTimeout =
  ({ task }: Thread, path: Path) =>
  (found: Stat): Effect.Effect<Occupant, HandleFailure> => {
    const other = { problem: kindOf(found), remedy: "choose another name, or another directory" };
    return (found.mode & S_IFMT) === S_IF.LNK
      ? Effect.map(readlink(task, path), ({ text }) => (/^\d+$/.test(text) ? "Leftover" : other))
      : Effect.succeed(other);
  };
