import type { Stat } from "@rsyscall/abi";
import { type HandleFailure, readlink, stat } from "@rsyscall/handle";
import { Path } from "@rsyscall/near";
import { type Command, ExecutableNotFoundError, type Thread, whichAll } from "@rsyscall/thread";
import { Effect, Option } from "effect";
import type { FileView } from "./FileView.ts";
import { isStub, namedSocket } from "./stubFile.ts";

/** Where stubs find their server, and the name of the stub that it has put in place, if it has put one. */
export interface Place {
  readonly thread: Thread;
  readonly socket: Path;
  readonly name: string | undefined;
}

/** Links that the kernel follows at most: MAXSYMLINKS. */
const LINKS_AT_MOST = 40;

/**
 * The program behind a stub of a server: the next one of that name in PATH, or the first one if the stub is not
 * there. All that leads to the server is passed over, be it a link, a copy, or a stub that finds no server by
 * itself. A stub of another server counts as a program like any other; but a server whose stub is in front has had its
 * turn, and its stubs behind are passed over too. So two servers whose stubs are in PATH more than once do not hand a
 * call to each other for ever.
 *
 * @param view how the caller sees its files
 * @param execfn the path by which it was executed
 */
export const realProgram: (
  view: FileView,
  place: Place,
  execfn: Path | undefined,
  name: string,
) => Effect.Effect<Command, ExecutableNotFoundError | HandleFailure> = Effect.fnUntraced(function* (
  { thread, environ, exe },
  { thread: serverThread, socket },
  execfn,
  name,
) {
  const { task } = thread;
  const statOf = (path: Path) => Effect.option(stat(task, path));
  const server = yield* Effect.option(stat(serverThread.task, socket));
  const proc = yield* statOf(exe);
  const own = Option.isSome(proc) || execfn === undefined ? proc : yield* statOf(execfn);
  const candidates = yield* whichAll(task, environ, name);
  const behind: Array<Command> = [];
  const inFront: Array<Stat> = [];
  let isPast = false;
  for (const command of candidates) {
    const leadsTo = yield* serverOf(command.executable);
    if (leadsTo === "nowhere" || (leadsTo !== undefined && isServer(leadsTo))) {
      // A program in front of the stub may be a wrapper that calls it.
      if (!isPast) behind.length = 0;
      isPast = true;
      continue;
    }
    if (leadsTo !== undefined) {
      if (!isPast) inFront.push(leadsTo);
      else if (inFront.some((other) => isSameFile(other, leadsTo))) continue;
    }
    behind.push(command);
  }
  const [real] = behind;
  if (real !== undefined) return real;
  const tried = candidates.map(({ executable }) => executable.text);
  return yield* new ExecutableNotFoundError({ program: name, tried, notExecutable: undefined });

  function isServer(other: Stat): boolean {
    return Option.isSome(server) && isSameFile(other, server.value);
  }

  /** The socket of a stub's server; undefined for a program that is no stub. */
  function* serverOf(path: Path) {
    const status = yield* statOf(path);
    if (Option.isNone(status) || Option.isNone(own)) return undefined;
    let named: Path | undefined;
    if (!isSameFile(status.value, own.value)) {
      if (status.value.size !== own.value.size) return undefined;
      const bytes = yield* Effect.orElseSucceed(thread.slurp(path), () => new Uint8Array());
      if (!isStub(bytes)) return undefined;
      named = namedSocket(bytes);
    }
    const found = named === undefined ? yield* socketBeside(path) : yield* statOf(named);
    return Option.getOrElse(found, () => "nowhere" as const);
  }

  /** As stub-c/src/connect.c looks for it. */
  function* socketBeside(executed: Path) {
    let path = executed;
    for (let links = 0; links < LINKS_AT_MOST; links++) {
      const beside = yield* statOf(Path.make(`${path.text}.sock`));
      if (Option.isSome(beside)) return beside;
      const target = yield* Effect.option(readlink(task, path));
      if (Option.isNone(target)) break;
      path = path.parent.join(target.value);
    }
    return Option.none<Stat>();
  }
});

const isSameFile = (a: Stat, b: Stat): boolean => a.dev === b.dev && a.ino === b.ino;
