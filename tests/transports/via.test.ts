import { CLONE, SHUT, SIG } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { Socket } from "@rsyscall/handle";
import { it, launchStub, notRoot, untilEnded, worksAsync } from "@rsyscall/harness";
import { pattern } from "@rsyscall/harness/taskStream";
import { CommandTask } from "@rsyscall/task-command";
import { StdinTask } from "@rsyscall/task-stdin";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";
import { script, through } from "../../packages/task-command/test/worlds.ts";

/*
 * Commands from any Thread, also from one that is behind another command.
 */

const plain = script('exec "$@"');

const launch = Effect.flatMap(LocalThread, (local) => CommandTask.make(local, plain));

/** Calls, memory, channels, children and programs of a Thread. */
const worksFully = (thread: Thread) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* worksAsync(thread);
      const bytes = pattern(2 ** 20 + 1);
      const pointer = yield* thread.ptr(new Uint8Array(bytes));
      assert.isTrue(Buffer.from(yield* pointer.read()).equals(bytes));
      type Client = AsyncFileDescriptor<Socket>;
      const [[client, far]] = (yield* thread.connection.openAsyncChannels(1)) as [[Client, Socket]];
      const counter = yield* thread.spawn(Command.make("/bin/sh", "-c", "wc -c"), {
        stdin: far,
        stdout: far,
      });
      yield* far.close();
      yield* client.sendAllBytes(bytes);
      yield* client.handle.shutdown(SHUT.WR);
      assert.match(new TextDecoder().decode(yield* client.readBytes()), /1048577/);
      assert.isTrue((yield* counter.wait()).clean);
      const child = yield* thread.fork();
      yield* worksAsync(child);
      const state = yield* child.run(Command.make("/bin/sh", "-c", "exit 7"));
      assert.equal(state.exitStatus, 7);
    }),
  );

const places: ReadonlyArray<
  [name: string, thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["the local thread", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a clone that shares files", Effect.flatMap(LocalThread, (t) => t.clone(CLONE.FILES))],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  [
    "a task behind a command's stdin",
    Effect.map(
      Effect.flatMap(LocalThread, (local) => StdinTask.make(local, plain)),
      ({ thread }) => thread,
    ),
  ],
  ["a task behind a command", Effect.map(launch, ({ thread }) => thread)],
  ["a fork of a task behind a command", Effect.flatMap(launch, ({ thread }) => thread.fork())],
];

const ways = [
  ["its stdin and stdout", (parent: Thread) => CommandTask.make(parent, plain)],
  ["its stdin", (parent: Thread) => StdinTask.make(parent, plain)],
] as const;

for (const [way, from] of ways)
  describe(`a task behind a command by ${way}`, () => {
    for (const [name, parent] of places)
      it(`works from ${name}`, function* () {
        const far = yield* from(yield* parent);
        yield* worksFully(far.thread);
        yield* far.thread.exit(0);
        yield* far.ended();
      });
  });

describe("a chain of commands", () => {
  it.skipIf(notRoot)("works in a container on a host in a container", function* () {
    const inside = (name: string) =>
      through(
        ...(["/usr/bin/unshare", "--uts", "--mount", "--pid", "--fork", "--mount-proc"] as const),
        ...["/bin/sh", "-c", `hostname ${name}; exec "$@"`, "sh"],
      );
    let parent: Thread = yield* LocalThread;
    for (const name of ["one", "two", "three"]) {
      const { thread } = yield* CommandTask.make(parent, inside(name));
      const hostname = yield* thread.slurp("/proc/sys/kernel/hostname");
      assert.equal(new TextDecoder().decode(hostname), `${name}\n`);
      yield* worksFully(thread);
      parent = thread;
    }
  });

  it("takes those along that are behind it", function* () {
    const first = yield* launch;
    const second = yield* CommandTask.make(first.thread, plain);
    const third = yield* CommandTask.make(second.thread, plain);
    yield* first.process.kill(SIG.KILL);
    for (const far of [first, second, third]) {
      yield* far.ended();
      yield* untilEnded(far.thread.task.pid);
    }
  });
});
