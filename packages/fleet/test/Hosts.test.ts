import { spawn } from "node:child_process";
import { once as event } from "node:events";
import { Cluster, Fleet, Host, Hosts, once, Program } from "@rsyscall/fleet";
import { eventually, it, noFleet, statusOf, tempDirectory } from "@rsyscall/harness";
import { getppid } from "@rsyscall/near";
import { PersistentTask } from "@rsyscall/task-persistent";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Layer, Schema } from "effect";
import { assert, describe } from "vitest";

const parent = Program.make("parent", { success: Schema.Number }, () =>
  Effect.flatMap(Host, ({ thread }) => Effect.map(getppid(thread.task.sysif), Number)),
);

/** Starts a persistent task that goes on, and gives its pid. */
const keptTask = (thread: Thread, path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const task = yield* PersistentTask.make(thread, path);
      yield* task.keep();
      return Number(task.thread.task.pid);
    }),
  );

describe("a host", () => {
  it.skipIf(noFleet)("is a persistent task, which goes on when the fleet has ended", function* () {
    const path = `${yield* tempDirectory}/task.sock`;
    const thread = yield* LocalThread;
    const started = yield* keptTask(thread, path);
    const seen = Effect.provide(
      Fleet.runOn(parent, "kept", undefined),
      Fleet.layer({ programs: [parent] }).pipe(
        Layer.provide(Hosts.layer({ kept: { persistent: path } })),
        Layer.provideMerge(Cluster.memory()),
      ),
    );
    assert.equal(yield* seen, started);
    assert.equal(yield* seen, started);
    yield* (yield* PersistentTask.connect(thread, path)).end();
    // It is a child of this process, which reaps it when it ends.
    yield* eventually(() => statusOf(started) === undefined);
  });

  it.skipIf(noFleet)("that is persistent lets the next `once` in after a cut", function* () {
    const directory = yield* tempDirectory;
    const path = `${directory}/task.sock`;
    const thread = yield* LocalThread;
    const started = yield* keptTask(thread, path);
    const script = `
      const { Host, Hosts, once } = await import(process.argv[1]);
      const { Effect } = await import(process.argv[2]);
      const [, , , path, marker] = process.argv;
      await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const { thread } = yield* (yield* Hosts).open("kept");
        yield* Effect.provideService(once(marker, () => {
          console.log("begun");
          return thread.run(thread.environ.sh.args("-c", "exec sleep 1000"));
        }), Host, { name: "kept", thread });
      })).pipe(Effect.provide(Hosts.layer({ kept: { persistent: path } }))));`;
    const marker = `${directory}/done`;
    const child = spawn(
      process.execPath,
      [
        ...["--input-type=module", "--eval", script],
        ...[import.meta.resolve("@rsyscall/fleet"), import.meta.resolve("effect"), path, marker],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    yield* Effect.promise(() => event(child.stdout, "data"));
    child.kill("SIGKILL");
    yield* Effect.promise(() => event(child, "close"));
    const again = Effect.scoped(
      Effect.gen(function* () {
        const opening = (yield* Hosts).open("kept");
        if (opening === undefined) return false;
        const { thread } = yield* opening;
        return yield* Effect.provideService(
          once(marker, () => Effect.void),
          Host,
          { name: "kept", thread },
        );
      }),
    ).pipe(Effect.provide(Hosts.layer({ kept: { persistent: path } })));
    assert.isTrue(yield* again);
    yield* (yield* PersistentTask.connect(thread, path)).end();
    yield* eventually(() => statusOf(started) === undefined);
  });

  it("has only the names that its inventory was given", function* () {
    yield* Effect.void;
    const open = Effect.map(Hosts, (hosts) => [hosts.open("toString"), hosts.open("b")]);
    const found = yield* Effect.provide(open, Hosts.layer({ a: { command: ["env"] } }));
    assert.deepEqual(found, [undefined, undefined]);
  });
});
