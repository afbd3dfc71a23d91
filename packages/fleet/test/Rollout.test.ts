import {
  Attempt,
  Cluster,
  Fleet,
  Host,
  Program,
  Rollout,
  type RolloutOptions,
} from "@rsyscall/fleet";
import { it, noFleet, tempDirectory } from "@rsyscall/harness";
import { Effect, Layer, Schema } from "effect";
import { assert, describe } from "vitest";
import { hosts } from "./fleet.ts";

/** What the steps have done: host, step, and whether again. */
const log: Array<string> = [];

const Work = Schema.Struct({ fails: Schema.Array(Schema.String) });
const step = (name: string) =>
  Program.make(name, { payload: Work }, ({ fails }) =>
    Effect.gen(function* () {
      const host = yield* Host;
      const { again, key } = yield* Attempt;
      assert.match(key, new RegExp(`/${host.name}/${name}$`));
      log.push(`${host.name} ${name}${again ? " again" : ""}`);
      if (fails.includes(`${host.name} ${name}`)) return yield* Effect.fail(new Error("full"));
    }),
  );
const first = step("first");
const second = step("second");
const work = Rollout.make("work", { payload: Work, steps: [first, second] });

/** A step that waits until it is let go on. */
let begun = 0;
let opened = false;
const waits = Program.make("waits", { payload: Work }, () =>
  Effect.gen(function* () {
    const { again } = yield* Attempt;
    begun++;
    log.push(again ? "waits again" : "waits");
    while (!opened) yield* Effect.sleep(5);
  }),
);
const slow = Rollout.make("slow", { payload: Work, steps: [first, waits, second] });

const settings: Cluster.ClusterSettings = {
  entityMessagePollInterval: 50,
  // How long a process that ends waits for the steps that run.
  entityTerminationTimeout: 500,
};
const fleet = Fleet.layer({ rollouts: [work, slow] }).pipe(Layer.provide(hosts));
const inMemory = Layer.suspend(() => Layer.provideMerge(fleet, Cluster.memory(settings)));

const rolledOut = (
  names: ReadonlyArray<string>,
  fails: ReadonlyArray<string>,
  options?: RolloutOptions,
) =>
  Effect.gen(function* () {
    log.length = 0;
    yield* work.start("1", names, { fails }, options);
    return (yield* work.outcome("1")).hosts;
  });

describe("a rollout", () => {
  it.skipIf(noFleet)("performs the steps of each host in order", function* () {
    const outcome = yield* Effect.provide(rolledOut(["a", "b", "a"], []), inMemory);
    assert.deepEqual(outcome, [
      { host: "a", status: "done", again: [] },
      { host: "b", status: "done", again: [] },
    ]);
    for (const host of ["a", "b"])
      assert.deepEqual(
        log.filter((line) => line.startsWith(host)),
        [`${host} first`, `${host} second`],
      );
  });

  it.skipIf(noFleet)("names the step that fails, and begins no other host", function* () {
    const outcome = yield* Effect.provide(
      rolledOut(["a", "b", "c"], ["b first"], { concurrency: 1 }),
      inMemory,
    );
    assert.deepEqual(outcome, [
      { host: "a", status: "done", again: [] },
      { host: "b", status: "failed", step: "first", error: "Error", detail: "b: full", again: [] },
      { host: "c", status: "skipped", again: [] },
    ]);
    assert.deepEqual(log, ["a first", "a second", "b first"]);
  });

  it.skipIf(noFleet)("lets as many hosts fail as it is told", function* () {
    const outcome = yield* Effect.provide(
      rolledOut(["a", "closed", "b"], ["a second"], { failures: 2, batches: [1], attempts: 1 }),
      inMemory,
    );
    assert.deepEqual(
      outcome.map(({ host, status, step: failed, error }) => [host, status, failed, error]),
      [
        ["a", "failed", "second", "Error"],
        ["closed", "failed", "first", "LaunchError"],
        ["b", "done", undefined, undefined],
      ],
    );
  });

  it.skipIf(noFleet)(
    "waits for the approval of a batch, and ends where it is rejected",
    function* () {
      const outcome = yield* Effect.provide(
        Effect.gen(function* () {
          log.length = 0;
          const options = { batches: [1], approval: true };
          yield* work.start("2", ["a", "b", "c"], { fails: [] }, options);
          while (!log.includes("a second")) yield* Effect.sleep(10);
          yield* Effect.sleep(200);
          assert.deepEqual(log, ["a first", "a second"], "b is not begun");
          yield* work.approve("2", 1);
          yield* work.reject("2", 2);
          return (yield* work.outcome("2")).hosts;
        }),
        inMemory,
      );
      assert.deepEqual(
        outcome.map(({ status }) => status),
        ["done", "done", "skipped"],
      );
    },
  );

  it.skipIf(noFleet)("is started once under its id", function* () {
    yield* Effect.provide(
      Effect.gen(function* () {
        yield* rolledOut(["a"], []);
        yield* work.start("1", ["b"], { fails: [] });
        assert.deepEqual(
          (yield* work.outcome("1")).hosts.map(({ host }) => host),
          ["a"],
        );
      }),
      inMemory,
    );
    assert.deepEqual(log, ["a first", "a second"]);
  });

  it.skipIf(noFleet)(
    "goes on with its storage after its process, and names what it began again",
    function* () {
      log.length = 0;
      begun = 0;
      opened = false;
      const filename = `${yield* tempDirectory}/fleet.sqlite`;
      const process = Layer.provideMerge(fleet, Cluster.sqlite({ filename }, settings));
      yield* Effect.provide(
        Effect.gen(function* () {
          yield* slow.start("1", ["a"], { fails: [] });
          while (begun === 0) yield* Effect.sleep(5);
        }),
        process,
      );
      opened = true;
      const { hosts: outcome } = yield* Effect.provide(slow.outcome("1"), process);
      assert.deepEqual(outcome, [{ host: "a", status: "done", again: ["waits"] }]);
      assert.deepEqual(log, ["a first", "waits", "waits again", "a second"]);
    },
  );

  it("refuses what is no plan", function* () {
    yield* Effect.void;
    assert.throws(() => Rollout.make("none", { payload: Work, steps: [] }), /it needs steps/);
    assert.throws(
      () => Rollout.make("two", { payload: Work, steps: [first, first] }),
      /a name of its own/,
    );
  });

  it("refuses numbers that are none", function* () {
    yield* Effect.void;
    const refused = (options: RolloutOptions, message: RegExp) =>
      assert.throws(() => work.start("3", ["a"], { fails: [] }, options), message);
    for (const batches of [[], [0], [1, -1], [1.5], [Number.NaN]]) refused({ batches }, /batches/);
    refused({ failures: -1 }, /failures is -1: it must be a whole number from 0 on, or Infinity/);
    refused({ failures: 0.5 }, /failures is 0.5/);
    refused({ concurrency: 0 }, /concurrency is 0/);
    refused({ attempts: 0 }, /attempts is 0/);
  });

  it.skipIf(noFleet)("may have no limits", function* () {
    const options = { failures: Infinity, concurrency: Infinity, attempts: Infinity };
    const outcome = yield* Effect.provide(rolledOut(["a"], [], options), inMemory);
    assert.deepEqual(outcome, [{ host: "a", status: "done", again: [] }]);
  });

  it.skipIf(noFleet)("that was not started has no outcome, and nothing to approve", function* () {
    yield* Effect.provide(
      Effect.gen(function* () {
        const none = /^work "none": none of this id was started/;
        assert.match((yield* Effect.flip(work.outcome("none"))).message, none);
        assert.match((yield* Effect.flip(work.approve("none", 1))).message, none);
        yield* rolledOut(["a", "b"], [], { batches: [1] });
        for (const batch of [0, 2, 1.5])
          assert.match(
            (yield* Effect.flip(work.reject("1", batch))).message,
            /^work "1": batch .* waits for no approval: those that do are 1 to 1$/,
          );
      }),
      inMemory,
    );
  });
});
