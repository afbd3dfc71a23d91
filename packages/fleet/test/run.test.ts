import { Cluster, Fleet, Host, Hosts, Program, Rollout } from "@rsyscall/fleet";
import * as near from "@rsyscall/near";
import { Effect, Layer, Schema, Stream } from "effect";
import { describe, it } from "vitest";

const pid = Program.make("pid", { success: Schema.Number }, () =>
  Effect.flatMap(Host, ({ thread }) => Effect.map(near.getpid(thread.task.sysif), Number)),
);
const fails = Program.make("fails", { error: Schema.String }, () => Effect.fail("no"));
const bug = Program.make("bug", {}, () => Effect.die(new Error("bug")));
const ro = Rollout.make("ro", { payload: Schema.Void, steps: [pid] });
const ro2 = Rollout.make("ro2", { payload: Schema.Void, steps: [pid, fails] });

const env = { command: ["env"] } as const;
const fleet = Fleet.layer({ programs: [pid, fails, bug], rollouts: [ro, ro2] }).pipe(
  Layer.provide(Hosts.layer({ a: env, b: env, c: { command: ["false"] } })),
  Layer.provideMerge(Cluster.sqlite({ filename: ":memory:" })),
);

describe("run", () => {
  it("runs", async () => {
    const t0 = performance.now();
    const program = Effect.gen(function* () {
      console.log(performance.now() - t0);
      console.log(yield* Stream.runCollect(Fleet.run(pid, ["a", "b", "c", "d"], undefined)));
      console.log(performance.now() - t0);
      yield* ro.start("1", ["a", "b", "d"], undefined);
      console.log(yield* ro.outcome("1"));
      console.log(performance.now() - t0);
      yield* ro2.start("1", ["a", "b"], undefined, { batches: [1], approval: true, failures: 1 });
      yield* ro2.approve("1", 1);
      console.log(yield* ro2.outcome("1"));
      console.log(performance.now() - t0);
    });
    await Effect.runPromise(program.pipe(Effect.provide(fleet)));
    console.log(performance.now() - t0);
  });
});
