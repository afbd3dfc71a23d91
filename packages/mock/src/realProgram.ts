import { closeSync, openSync, readSync } from "node:fs";
import { CLONE, O } from "@rsyscall/abi";
import { type FileDescriptor, learnNamespaces, open } from "@rsyscall/handle";
import { Path } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Command, ExecutableNotFoundError, which } from "@rsyscall/thread";
import { Effect } from "effect";
import { findProgram } from "./names.ts";
import { placeOf } from "./places.ts";

/** The name by which a call has come. */
export const nameOf = (call: StubCall): string =>
  (call.execfn ?? Path.make(call.argv[0] ?? "")).name;

/** Where the program behind a call is. */
export interface Behind {
  /** PATH without the mock. */
  readonly searchPath: string;
  /** The mocked path by which the call has come; undefined if it has come by a name. */
  readonly place: string | undefined;
  /** All mocked paths: stubs may be at them. */
  readonly places: ReadonlySet<string>;
}

/**
 * The program that the caller would have got without us: that of the path, or the next one of the name in the caller's
 * PATH. Where the mock is all of PATH, the one that PATH had without it.
 */
export const realProgram = (
  call: StubCall,
  { searchPath, place, places }: Behind,
  /** Of another program, which is looked for in the same way. */
  other?: string,
) => {
  if (place !== undefined && other === undefined) return programAt(call, place);
  const name = other ?? nameOf(call);
  const next = Effect.flatMap(call.real(name), (command) => uncovered(call, command, places));
  return Effect.catchTag(next, "ExecutableNotFoundError", (error) => {
    const found = findProgram(searchPath, name);
    return found === undefined ? Effect.fail(error) : Effect.succeed(call.command(found));
  });
};

/** A command whose program is the real one, also where the caller sees a stub at its path. */
const uncovered = (call: StubCall, command: Command, places: ReadonlySet<string>) => {
  const { text } = command.executable;
  const place = places.size > 0 && text.startsWith("/") ? placeOf(text) : undefined;
  if (place === undefined || !places.has(place)) return Effect.succeed(command);
  const { task, connection } = call.thread;
  return Effect.flatMap(learnNamespaces(task, CLONE.NEWNS), () =>
    task.namespaces.mnt.is(connection.accessTask.namespaces.mnt)
      ? Effect.succeed(command)
      : programAt(call, place),
  );
};

/**
 * The program that a mocked place has without us, called as the stub was. It is found from the root of this process, in
 * whose mount namespace no stub covers it: so /proc/self/exe of the program is what it would be without us.
 */
const programAt = Effect.fnUntraced(function* (call: StubCall, place: string) {
  const { task, environ, connection } = call.thread;
  const root = yield* open(connection.accessTask, "/", O.PATH | O.DIRECTORY);
  const [passed] = yield* connection.passTo([root]);
  // Low numbers are what scripts use for themselves.
  const here = yield* (passed as FileDescriptor).dup(HIGH);
  yield* (passed as FileDescriptor).close();
  // The interpreter of a script opens it by this path too.
  if (!isElf(place)) yield* here.setCloexec(false);
  const { executable } = yield* which(task, environ, `/proc/self/fd/${here.near}${place}`).pipe(
    Effect.catchTag("ExecutableNotFoundError", ({ notExecutable }) =>
      Effect.fail(
        new ExecutableNotFoundError({
          program: place,
          tried: [place],
          notExecutable: notExecutable === undefined ? undefined : place,
        }),
      ),
    ),
  );
  const [argv0 = place, ...args] = call.argvBytes;
  return Command.make(executable, ...args).argv0(argv0);
});

/** The least number of the descriptor by which a real program is found. */
const HIGH = 100;

/** Whether a file is a program that is no script. One that cannot be read is no script. */
const isElf = (path: string): boolean => {
  try {
    const fd = openSync(path, "r");
    try {
      const magic = Buffer.alloc(4);
      readSync(fd, magic, 0, 4, 0);
      return magic.equals(ELF);
    } finally {
      closeSync(fd);
    }
  } catch {
    return true;
  }
};

const ELF = Buffer.from("\x7fELF", "latin1");
