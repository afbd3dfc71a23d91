import { Cluster, command, Fleet, Host, Hosts, once, Program, Rollout } from "@rsyscall/fleet";
import { childrenOf, describeUnless, it, noFleet, tempDirectory, textOf } from "@rsyscall/harness";
import { Effect, Fiber, Layer, Schema } from "effect";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { assert } from "vitest";
import { until } from "./fleet.ts";

/** A host whose connection is cut when its cat(1) is killed. */
const hosts = Hosts.layer({ a: { command: ["sh", "-c", 'cat | "$@"', "sh"] } });

const cats = (pid: number): ReadonlyArray<number> =>
  childrenOf(pid).flatMap((child) =>
    textOf(`/proc/${child}/comm`) === "cat\n" ? [child] : cats(child),
  );

/** Works in a child of the program that the step starts, and says so in a log. */
const script = (log: string) =>
  `echo begin $$ >> ${log}
  sh -c 'for i in 1 2 3 4 5; do sleep 0.1; echo work $$ >> ${log}; done'
  echo end $$ >> ${log}`;

const steps = {
  "command of fleet": (log: string) => command.execute({ words: ["sh", "-c", script(log)] }),
  "ChildProcessSpawner of Effect": (log: string) =>
    Effect.flatMap(ChildProcessSpawner.ChildProcessSpawner, (spawner) =>
      spawner.exitCode(ChildProcess.make("sh", ["-c", script(log)])),
    ),
  "run of a Thread": (log: string) =>
    Effect.flatMap(Host, ({ thread }) => thread.run(thread.environ.sh.args("-c", script(log)))),
};

describeUnless(noFleet, "a step in `once` that is begun again after a cut", () => {
  for (const [name, perform] of Object.entries(steps))
    it(`does not meet what the one before has begun by the ${name}`, function* () {
      const directory = yield* tempDirectory;
      const log = `${directory}/log`;
      const lines = Effect.sync(() => textOf(log).split("\n").slice(0, -1));
      const step = Program.make("step", { payload: Schema.Void }, () =>
        once(`${directory}/done`, () => perform(log) as Effect.Effect<unknown, Error, never>),
      );
      const rollout = Rollout.make("rollout", { payload: Schema.Void, steps: [step] });
      const fleet = Fleet.layer({ rollouts: [rollout] }).pipe(
        Layer.provide(hosts),
        Layer.provideMerge(Cluster.memory({ entityMessagePollInterval: 50 })),
      );
      const program = Effect.gen(function* () {
        yield* rollout.start("1", ["a"], undefined);
        const outcome = yield* Effect.forkChild(rollout.outcome("1"));
        yield* until(lines, (all) => all.some((line) => line.startsWith("work")));
        for (const cat of cats(process.pid)) process.kill(cat, "SIGKILL");
        const { hosts } = yield* Fiber.join(outcome);
        assert.deepEqual([hosts[0]?.status, hosts[0]?.again], ["done", ["step"]]);
      });
      yield* Effect.provide(program, fleet);
      const all = yield* lines;
      const second = all.findLastIndex((line) => line.startsWith("begin"));
      assert.isAbove(second, 0, all.join("\n"));
      const [, worker] = (all[second + 1] as string).split(" ");
      const work = Array.from({ length: 5 }, () => `work ${worker}`);
      const own = (all[second] as string).replace("begin", "end");
      assert.deepEqual(all.slice(second + 1), [...work, own], all.join("\n"));
      assert.equal(all.filter((line) => line.startsWith("end")).length, 1);
    });
});
