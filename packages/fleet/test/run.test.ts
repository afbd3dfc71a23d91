import { readFileSync } from "node:fs";
import { Cluster, Fleet, type FleetOptions, Host, HostError, Program } from "@rsyscall/fleet";
import { it, noFleet } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import { Duration, Effect, Fiber, FileSystem, Layer, Schema, Stream } from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { assert, describe } from "vitest";
import { requireNode } from "../src/requiredNode.ts";
import { hosts } from "./fleet.ts";

const pid = Program.make("pid", { success: Schema.Number }, () =>
  Effect.flatMap(Host, ({ thread }) => Effect.map(near.getpid(thread.task.sysif), Number)),
);
const add = Program.make(
  "add",
  {
    payload: Schema.Struct({ a: Schema.BigInt, at: Schema.Date }),
    success: Schema.Struct({ sum: Schema.BigInt, at: Schema.Date }),
  },
  ({ a, at }) => Effect.succeed({ sum: a + 1n, at }),
);
class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}
const refuses = Program.make("refuses", { error: Refused }, () =>
  Effect.fail(new Refused({ why: "no" })),
);
const fails = Program.make("fails", {}, () =>
  Effect.flatMap(Host, ({ thread }) => thread.slurp("/no/such/file")),
);
const dies = Program.make("dies", {}, () => Effect.die(new Error("a fault")));
const isKilled = Program.make("isKilled", {}, () =>
  Effect.gen(function* () {
    const { thread } = yield* Host;
    process.kill(yield* near.getpid(thread.task.sysif), "SIGKILL");
    while (true) yield* near.getppid(thread.task.sysif);
  }),
);
const lists = Program.make("lists", { success: Schema.String }, () =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem;
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
    const echoed = yield* spawner.string(ChildProcess.make("echo", ["there"]));
    return `${(yield* files.exists("/proc/self/stat")) ? "here" : "gone"} ${echoed.trim()}`;
  }),
);

/** How many runs are at the same time. */
let most = 0;
let now = 0;
const waits = Program.make("waits", { payload: Schema.Number }, (ms) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      most = Math.max(most, ++now);
    }),
    () => Effect.sleep(ms),
    () => Effect.sync(() => now--),
  ),
);
const unknown = Program.make("unknown", {}, () => Effect.void);

const throws = Program.make("throws", {}, (): Effect.Effect<void> => {
  throw new Error("thrown outside of its Effect");
});
const programs = [pid, add, refuses, fails, dies, throws, isKilled, lists, waits];
const fleet = (options: Partial<FleetOptions<never>>) =>
  Fleet.layer({ programs, ...options }).pipe(
    Layer.provide(hosts),
    Layer.provideMerge(Cluster.memory()),
  );

const inFleet = <A, E>(
  effect: Effect.Effect<A, E, Layer.Success<ReturnType<typeof fleet>>>,
  options: Partial<FleetOptions<never>> = {},
): Effect.Effect<A, E> => Effect.provide(effect, fleet(options));

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, HostError);
    return error as unknown as HostError;
  });

describe("a program on a host", () => {
  it.skipIf(noFleet)("runs in a process that is kept", function* () {
    const [first, second, other] = yield* inFleet(
      Effect.all([
        Fleet.runOn(pid, "a", undefined),
        Fleet.runOn(pid, "a", undefined),
        Fleet.runOn(pid, "b", undefined),
      ]),
    );
    assert.equal(first, second);
    assert.notEqual(first, other);
    assert.notEqual(first, process.pid);
    assert.throws(() => readFileSync(`/proc/${first}/stat`), /ENOENT/, "it is gone with the fleet");
  });

  it.skipIf(noFleet)("gets and gives what its schemas say", function* () {
    const at = new Date(7);
    const result = yield* inFleet(Fleet.runOn(add, "a", { a: 2n ** 70n, at }));
    assert.deepEqual(result, { sum: 2n ** 70n + 1n, at });
  });

  it.skipIf(noFleet)("has Effect's services over its host", function* () {
    assert.equal(yield* inFleet(Fleet.runOn(lists, "a", undefined)), "here there");
  });

  it.skipIf(noFleet)("gives errors of its schema as they are", function* () {
    const error = yield* inFleet(Effect.flip(Fleet.runOn(refuses, "a", undefined)));
    assert.instanceOf(error, Refused);
    assert.equal(error.why, "no");
  });

  it.skipIf(noFleet)("has other errors by name, and says if it may have run", function* () {
    const seen = yield* inFleet(
      Effect.forEach(
        [
          [fails, "a"],
          [dies, "a"],
          [throws, "a"],
          [unknown, "a"],
          [pid, "closed"],
          [pid, "nowhere"],
          [isKilled, "a"],
        ] as const,
        ([program, host]) => failure(Fleet.runOn(program as typeof unknown, host, undefined)),
      ),
    );
    assert.deepEqual(
      seen.map(({ host, problem, error, mayHaveRun }) => [host, problem, error, mayHaveRun]),
      [
        ["a", "Program", "SyscallError", true],
        ["a", "Program", "Error", true],
        ["a", "Program", "Error", true],
        ["a", "UnknownProgram", "UnknownProgram", false],
        ["closed", "Open", "LaunchError", false],
        ["nowhere", "UnknownHost", "UnknownHost", false],
        ["a", "Cut", "SyscallHangup", true],
      ],
    );
    assert.match(seen[0]?.message ?? "", /^a: .*\/no\/such\/file.*ENOENT/);
    assert.match(
      seen[6]?.message ?? "",
      /the connection to the host ended \(.*\); the program may have been performed/,
    );
  });

  it.skipIf(noFleet)("finds its host opened again after a cut", function* () {
    const [before, after] = yield* inFleet(
      Effect.gen(function* () {
        const first = yield* Fleet.runOn(pid, "a", undefined);
        yield* Effect.exit(Fleet.runOn(isKilled, "a", undefined));
        return [first, yield* Fleet.runOn(pid, "a", undefined)];
      }),
    );
    assert.notEqual(before, after);
  });

  it.skipIf(noFleet)("finds its host closed when that was idle", function* () {
    const [before, after] = yield* inFleet(
      Effect.gen(function* () {
        const first = yield* Fleet.runOn(pid, "a", undefined);
        while (true) {
          try {
            readFileSync(`/proc/${first}/stat`);
          } catch {
            break;
          }
          yield* Effect.sleep(20);
        }
        return [first, yield* Fleet.runOn(pid, "a", undefined)];
      }),
      { idle: Duration.millis(50) },
    );
    assert.notEqual(before, after);
  });

  it.skipIf(noFleet)("is interrupted with its caller", function* () {
    now = 0;
    yield* inFleet(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Fleet.runOn(waits, "a", 60_000));
        while (now === 0) yield* Effect.sleep(5);
        yield* Fiber.interrupt(fiber);
        while (now !== 0) yield* Effect.sleep(5);
        // And the host takes the next one.
        yield* Fleet.runOn(waits, "a", 0);
      }),
    );
  });

  it.skipIf(noFleet)("waits for its turn on the host", function* () {
    const counted = (perHost: number | undefined) =>
      Effect.andThen(
        Effect.sync(() => {
          most = now = 0;
        }),
        Effect.map(
          inFleet(
            Effect.forEach([1, 2, 3, 4], () => Fleet.runOn(waits, "a", 20), {
              concurrency: "unbounded",
            }),
            perHost === undefined ? {} : { perHost },
          ),
          () => most,
        ),
      );
    assert.equal(yield* counted(undefined), 1);
    assert.equal(yield* counted(3), 3);
  });
});

describe("a run on many hosts", () => {
  it.skipIf(noFleet)("gives what happens for each, and each host once", function* () {
    const events = yield* inFleet(
      Stream.runCollect(Fleet.run(pid, ["a", "closed", "a", "b"], undefined)),
    );
    const of = (tag: string) => events.filter(({ _tag }) => _tag === tag).map(({ host }) => host);
    assert.deepEqual(of("Started"), ["a", "closed", "b"]);
    assert.sameMembers(of("Done"), ["a", "b"]);
    assert.deepEqual(of("Failed"), ["closed"]);
  });

  it.skipIf(noFleet)("begins no other host after so many failures", function* () {
    const events = yield* inFleet(
      Stream.runCollect(
        Fleet.run(pid, ["closed", "a", "b"], undefined, { concurrency: 1, stopAfter: 1 }),
      ),
    );
    assert.deepEqual(
      events.map(({ _tag, host }) => `${_tag} ${host}`),
      ["Started closed", "Failed closed", "Skipped a", "Skipped b"],
    );
  });

  it.skipIf(noFleet)("has at most so many at a time", function* () {
    most = now = 0;
    yield* inFleet(Stream.runDrain(Fleet.run(waits, ["a", "b", "c"], 20, { concurrency: 2 })));
    assert.equal(most, 2);
  });

  it("refuses numbers that are none", function* () {
    yield* Effect.void;
    for (const concurrency of [0, -1, Number.NaN, 1.5])
      assert.throws(
        () => Fleet.run(pid, ["a"], undefined, { concurrency }),
        /concurrency is .*: it must be a whole number from 1 on, or Infinity/,
      );
    assert.throws(() => Fleet.run(pid, ["a"], undefined, { stopAfter: 0 }), /stopAfter is 0/);
  });

  it.skipIf(noFleet)("ends with its stream", function* () {
    now = 0;
    yield* inFleet(Stream.runDrain(Stream.take(Fleet.run(waits, ["a", "b", "c"], 60_000), 3)));
    assert.equal(now, 0);
  });
});

describe("an older Node", () => {
  it("is refused in words", function* () {
    yield* Effect.void;
    assert.throws(
      () => requireNode("20.19.0"),
      /needs Node 22\.19 or newer.*this is Node 20\.19\.0/,
    );
    assert.throws(() => requireNode("22.18.9"), /needs Node 22\.19/);
    for (const version of ["22.19.0", "24.0.0", "26.1.0"]) requireNode(version);
    if (noFleet !== undefined) assert.throws(() => Cluster.memory(), /needs Node 22\.19/);
  });
});
