import { CLONE } from "@rsyscall/abi";
import { execute, launchStub } from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** Why there can be no process in namespaces of its own. */
export const noNamespaces: string | undefined = await Effect.runPromise(
  Effect.map(execute("unshare", ["-Urm", "true"]), ({ status }) =>
    status === 0 ? undefined : "no user namespaces",
  ),
);

/** A process in which the services are tried. */
export interface Place {
  readonly name: string;
  readonly thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;
  readonly missing: string | undefined;
}

const place = (
  name: string,
  thread: Place["thread"],
  missing: string | undefined = undefined,
): Place => ({ name, thread, missing });

/** Where a Thread can be: the services are to behave alike in all of them. */
export const places: ReadonlyArray<Place> = [
  place("this process", LocalThread),
  place(
    "a fork",
    Effect.flatMap(LocalThread, (thread) => thread.fork()),
  ),
  place(
    "a fork in a mount and user namespace of its own",
    Effect.flatMap(LocalThread, (thread) => thread.clone(CLONE.NEWUSER | CLONE.NEWNS)),
    noNamespaces,
  ),
  place(
    "a stub",
    Effect.map(launchStub, ({ call }) => call.thread),
  ),
  place(
    "a process behind a command's stdin and stdout",
    Effect.gen(function* () {
      const { thread } = yield* CommandTask.launch(yield* LocalThread, (program, ...args) =>
        Command.make(program, ...args),
      );
      return thread;
    }),
  ),
];
