import { CLONE } from "@rsyscall/abi";
import { launchStub, noNamespaces } from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** A process in which the services are tried. */
export interface ThreadKind {
  readonly name: string;
  readonly thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;
  readonly missing: string | undefined;
}

const kind = (
  name: string,
  thread: ThreadKind["thread"],
  missing: string | undefined = undefined,
): ThreadKind => ({ name, thread, missing });

/** Where a Thread can be: the services are to behave alike in all of them. */
export const threadKinds: ReadonlyArray<ThreadKind> = [
  kind("this process", LocalThread),
  kind(
    "a fork",
    Effect.flatMap(LocalThread, (thread) => thread.fork()),
  ),
  kind(
    "a fork in a mount and user namespace of its own",
    Effect.flatMap(LocalThread, (thread) => thread.clone(CLONE.NEWUSER | CLONE.NEWNS)),
    noNamespaces,
  ),
  kind(
    "a stub",
    Effect.map(launchStub, ({ call }) => call.thread),
  ),
  kind(
    "a process behind a command's stdin and stdout",
    Effect.gen(function* () {
      const { thread } = yield* CommandTask.make(yield* LocalThread, (program, ...args) =>
        Command.make(program, ...args),
      );
      return thread;
    }),
  ),
];
