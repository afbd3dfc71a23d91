import {
  Cluster,
  Fleet,
  FleetState,
  Host,
  Program,
  Rollout,
  type RolloutStatus,
} from "@rsyscall/fleet";
import { it, noFleet, tempDirectory } from "@rsyscall/harness";
import { freePort } from "@rsyscall/harness/freePort";
import { noPostgres, startPostgres } from "@rsyscall/harness/postgres";
import { Effect, Fiber, Layer, Schema, Stream } from "effect";
import { SqlClient } from "effect/sql";
import { assert, describe } from "vitest";
import { hosts, until } from "./fleet.ts";

/** Hosts on which `waits` goes on. */
const letGo = new Set<string>();

const Work = Schema.Struct({ fails: Schema.Array(Schema.String) });
const first = Program.make("first", { payload: Work }, () => Effect.void);
const waits = Program.make("waits", { payload: Work }, ({ fails }) =>
  Effect.gen(function* () {
    const { name } = yield* Host;
    while (!letGo.has(name)) yield* Effect.sleep(5);
    if (fails.includes(name)) return yield* Effect.fail(new Error("the disk is full"));
  }),
);
const work = Rollout.make("work", { payload: Work, steps: [first, waits] });
/** Its name has what means something in a pattern. */
const other = Rollout.make("work_%/\\", { payload: Work, steps: [first] });

const settings: Cluster.ClusterSettings = { entityMessagePollInterval: 50 };
const fleet = Fleet.layer({ programs: [waits], rollouts: [work, other] }).pipe(
  Layer.provide(hosts),
);

/** State, hosts by batch, and steps, as text. */
const shown = ({ state, batches }: RolloutStatus): string => {
  const at = "batch" in state ? ` ${state.batch}` : "";
  const hostsOf = batches.map((batch) =>
    batch.map(({ host, status, step }) => `${host} ${status}${step ? ` ${step}` : ""}`).join(", "),
  );
  return `${state._tag}${at}: ${hostsOf.join(" | ")}`;
};

const goesOn = (kind: string) =>
  Effect.gen(function* () {
    letGo.clear();
    const state = yield* FleetState;
    const is = (id: string, text: string) =>
      until(work.status(id), (status) => shown(status) === text);
    assert.equal(shown(yield* work.status("1")), "Unknown: ");

    // It waits for approval, and is rejected.
    const options = { batches: [1], approval: true };
    const before = Date.now();
    yield* work.start("1", ["a", "b", "c"], { fails: [] }, options);
    yield* is("1", "Running 0: a running waits | b pending | c pending");
    letGo.add("a");
    yield* is("1", "WaitsForApproval 1: a done | b pending | c pending");
    yield* work.approve("1", 1);
    yield* is("1", "Running 1: a done | b running waits | c pending");
    letGo.add("b");
    yield* is("1", "WaitsForApproval 2: a done | b done | c pending");
    yield* work.reject("1", 2);
    const end = yield* is("1", "Ended: a done | b done | c skipped");
    assert.deepEqual(end.counts, {
      all: 3,
      pending: 0,
      running: 0,
      done: 2,
      failed: 0,
      skipped: 1,
    });
    assert.isAtLeast(end.began, before - 1);
    assert.isAtLeast(end.ended as number, end.began);

    // One fails: the others are not begun.
    yield* work.start("2", ["a", "b", "closed"], { fails: ["a"] }, { ...options, failures: 0 });
    const failed = yield* is("2", "Ended: a failed waits | b skipped | closed skipped");
    assert.deepEqual(failed.batches[0], [
      { host: "a", status: "failed", step: "waits", error: "Error", detail: "a: the disk is full" },
    ]);

    yield* other.start("x", ["a"], { fails: [] });
    yield* until(other.status("x"), ({ state: { _tag } }) => _tag === "Ended");
    assert.equal((yield* other.status("1")).state._tag, "Unknown");
    const list = yield* state.rollouts();
    assert.deepEqual(
      list.map(({ name, id, state: { _tag }, counts }) => [name, id, _tag, counts.done]),
      [
        ["work_%/\\", "x", "Ended", 1],
        ["work", "2", "Ended", 0],
        ["work", "1", "Ended", 2],
      ],
    );
    assert.deepEqual(
      (yield* state.rollouts(1)).map(({ id }) => id),
      ["x"],
    );

    // Which process owns which hosts, and what runs there.
    letGo.clear();
    const runners = yield* until(state.runners(), ([runner]) => runner?.healthy === true);
    assert.equal(runners.length, 1);
    const run = yield* Effect.forkScoped(
      Stream.runDrain(Fleet.run(waits, ["a", "closed"], { fails: [] })),
    );
    const known = yield* until(
      Effect.map(state.hosts(), (all) => new Map(all.map((host) => [host.host, host]))),
      (all) => all.get("a")?.programs.length === 1 && all.get("closed")?.state === "failed",
    );
    assert.deepEqual([...known.keys()].sort(), ["a", "b", "closed"], kind);
    assert.equal(known.get("a")?.runner, runners[0]?.address);
    assert.equal(known.get("a")?.programs[0]?.program, "waits");
    assert.equal(known.get("b")?.state, "open");
    assert.notEqual(known.get("closed")?.detail, "");
    letGo.add("a");
    yield* Fiber.join(run);
    yield* until(state.hosts(), (all) => all.every(({ programs }) => programs.length === 0));
  });

describe("the state of a fleet", () => {
  it.skipIf(noFleet)("is known in memory", function* () {
    yield* Effect.provide(goesOn("memory"), Layer.provideMerge(fleet, Cluster.memory(settings)));
  });

  it.skipIf(noFleet)("is known by SQLite, and kept", function* () {
    const filename = `${yield* tempDirectory}/fleet.sqlite`;
    const cluster = Layer.provideMerge(fleet, Cluster.sqlite({ filename }, settings));
    yield* Effect.provide(goesOn("SQLite"), cluster);
    yield* Effect.provide(
      Effect.gen(function* () {
        const state = yield* FleetState;
        assert.deepEqual(yield* state.hosts(), [], "a process that ends has no hosts");
        assert.equal(shown(yield* work.status("1")), "Ended: a done | b done | c skipped");
        assert.equal((yield* state.rollouts()).length, 3);
      }),
      cluster,
    );
  });

  it.skipIf(noFleet)("says why a rollout could not be performed", function* () {
    const steps = [Program.make("step", { payload: Schema.Json }, () => Effect.void)];
    const here = Rollout.make("odd", { payload: Schema.Struct({ n: Schema.Number }), steps });
    const other = Rollout.make("odd", { payload: Schema.Struct({ n: Schema.String }), steps });
    yield* Effect.provide(
      Effect.gen(function* () {
        yield* other.start("1", ["a"], { n: "of other code" });
        const { state, counts } = yield* until(
          here.status("1"),
          (status) => status.state._tag === "Ended",
        );
        assert.match((state as { readonly problem?: string }).problem ?? "", /Expected/);
        assert.equal(counts.failed, 1);
        assert.equal((yield* FleetState.use((all) => all.rollouts()))[0]?.state._tag, "Ended");
      }),
      Fleet.layer({ rollouts: [here] }).pipe(
        Layer.provide(hosts),
        Layer.provideMerge(Cluster.memory(settings)),
      ),
    );
  });

  it.skipIf(noFleet)("is not written for each program", function* () {
    letGo.add("a");
    yield* Effect.provide(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient;
        const changes = Effect.map(
          sql<{ changes: number }>`SELECT total_changes() AS changes`,
          ([row]) => Number(row?.changes),
        );
        const run = Stream.runDrain(Fleet.run(waits, ["a"], { fails: [] }));
        yield* run;
        const before = yield* changes;
        for (let i = 0; i < 200; i++) yield* run;
        assert.isBelow((yield* changes) - before, 50);
      }),
      Layer.provideMerge(
        fleet,
        Cluster.sqlite({ filename: `${yield* tempDirectory}/fleet.sqlite` }, settings),
      ),
    );
  });

  it.skipIf(noFleet ?? noPostgres)("is known by PostgreSQL, to another process too", function* () {
    const { url } = yield* startPostgres;
    const process = Effect.map(freePort, (port) =>
      Layer.provideMerge(
        fleet,
        Cluster.postgres({ url: url(), host: "127.0.0.1", port }, settings),
      ),
    );
    yield* Effect.provide(goesOn("PostgreSQL"), yield* process);

    letGo.add("b").add("c");
    // Two, and one that was killed long ago.
    const one = yield* Layer.build(Layer.fresh(yield* process));
    const two = yield* Layer.build(Layer.fresh(yield* process));
    const names = ["a", "b", "c", ...Array.from({ length: 20 }, (_, i) => `closed${i}`)];
    yield* Effect.provide(
      until(
        FleetState.use((state) => state.runners()),
        (all) => all.filter(({ healthy }) => healthy).length === 2,
      ),
      two,
    );
    yield* Effect.provide(Stream.runDrain(Fleet.run(waits, names, { fails: [] })), one);
    yield* Effect.provide(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient;
        yield* sql`INSERT INTO rsyscall_hosts (host, runner, state, since, programs)
          VALUES ('d', '127.0.0.1:1', 'open', 1, '[{"program":"old","since":1}]')`;
      }),
      one,
    );
    for (const context of [one, two])
      yield* Effect.provide(
        until(
          FleetState.use((state) => state.hosts()),
          (all) => {
            const states = Object.fromEntries(all.map(({ host, state }) => [host, state]));
            return states["a"] === "open" && states["b"] === "open" && states["d"] === "lost";
          },
        ),
        context,
      );
  });
});
