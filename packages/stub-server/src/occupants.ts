import { O, S_IF, S_IFMT, type Stat } from "@rsyscall/abi";
import { type HandleFailure, readlink } from "@rsyscall/handle";
import { catchErrno, type Path } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { kindOf, type Occupant } from "@rsyscall/transport";
import { Effect } from "effect";
import { isStub } from "./stubFile.ts";

const OTHER_PLACE = "choose another directory, and put that before this one in PATH";

/** Bytes: more than any stub executable has. */
const EXECUTABLE_SIZE_AT_MOST = 4 * 1024 * 1024;

/** Judges what lies at the path of an executable. Its socket is ours by now, so a stub there is a leftover. */
export const judgeExecutable =
  (thread: Thread, path: Path, stub: Path) =>
  (found: Stat): Effect.Effect<Occupant, HandleFailure> =>
    Effect.map(isExecutableOfOurs(thread, path, stub, found), (itIs) =>
      itIs ? "Leftover" : { problem: kindOf(found), remedy: OTHER_PLACE },
    );

const isExecutableOfOurs = (
  thread: Thread,
  path: Path,
  stub: Path,
  { mode, size }: Stat,
): Effect.Effect<boolean, HandleFailure> => {
  const kind = mode & S_IFMT;
  if (kind === S_IF.LNK)
    return Effect.map(readlink(thread.task, path), ({ name }) => name === stub.name);
  if (kind !== S_IF.REG || size > EXECUTABLE_SIZE_AT_MOST) return Effect.succeed(false);
  return Effect.scoped(
    Effect.flatMap(thread.open(path, O.RDONLY | O.NOFOLLOW | O.NONBLOCK), (file) =>
      Effect.map(file.readBytes(Number(size)), isStub),
    ),
  ).pipe(catchErrno("EACCES", () => Effect.succeed(false)));
};
