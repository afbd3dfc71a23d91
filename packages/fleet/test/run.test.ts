import { describe, expect, it } from "vitest";
import { Effect, Layer, Schema, Stream } from "effect";
import { Cluster, Host, hostLayer, Hosts, Program, run, runOn } from "@rsyscall/fleet";
import * as near from "@rsyscall/near";

const pid = Program.make("pid", { success: Schema.Number }, () =>
  Effect.flatMap(Host, ({ thread }) => Effect.map(near.getpid(thread.task.sysif), Number)),
);
const fails = Program.make("fails", { error: Schema.String }, () => Effect.fail("no"));
const bug = Program.make("bug", {}, () => Effect.die(new Error("bug")));

const env = { command: ["env"] } as const;
const fleet = hostLayer([pid, fails, bug]).pipe(
  Layer.provide(Hosts.layer({ a: env, b: env, c: { command: ["false"] } })),
  Layer.provideMerge(Cluster.memory()),
);

describe("run", () => {
  it("runs", async () => {
    const t0 = performance.now();
    const program = Effect.gen(function* () {
      console.log(performance.now() - t0);
      console.log(yield* runOn(pid, "a", undefined));
      console.log(performance.now() - t0);
      console.log(yield* runOn(pid, "a", undefined));
      console.log(performance.now() - t0);
      console.log(yield* Effect.exit(runOn(fails, "a", undefined)));
      console.log(yield* Effect.exit(runOn(bug, "a", undefined)));
      console.log(yield* Stream.runCollect(run(pid, ["a", "b", "c", "d"], undefined)));
      console.log(performance.now() - t0);
    });
    await Effect.runPromise(program.pipe(Effect.provide(fleet)));
    console.log(performance.now() - t0);
  });
});
