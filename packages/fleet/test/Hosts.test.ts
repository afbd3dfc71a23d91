import { Cluster, Fleet, Host, Hosts, Program } from "@rsyscall/fleet";
import { eventually, it, noFleet, statusOf, tempDirectory } from "@rsyscall/harness";
import { PersistentTask } from "@rsyscall/task-persistent";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Layer, Schema } from "effect";
import { assert, describe } from "vitest";

const pid = Program.make("pid", { success: Schema.Number }, () =>
  Effect.map(Host, ({ thread }) => Number(thread.task.pid)),
);

describe("a host", () => {
  it.skipIf(noFleet)("is a persistent task, which goes on when the fleet has ended", function* () {
    const path = `${yield* tempDirectory}/task.sock`;
    const thread = yield* LocalThread;
    const started = yield* Effect.scoped(
      Effect.gen(function* () {
        const task = yield* PersistentTask.make(thread, path);
        yield* task.keep();
        return Number(task.thread.task.pid);
      }),
    );
    const seen = Effect.provide(
      Fleet.runOn(pid, "kept", undefined),
      Fleet.layer({ programs: [pid] }).pipe(
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

  it("has only the names that its inventory was given", function* () {
    yield* Effect.void;
    const open = Effect.map(Hosts, (hosts) => [hosts.open("toString"), hosts.open("b")]);
    const found = yield* Effect.provide(open, Hosts.layer({ a: { command: ["env"] } }));
    assert.deepEqual(found, [undefined, undefined]);
  });
});
