import { describeUnless, it, noFleet, tempDirectory } from "@rsyscall/harness";
import { noSshd } from "@rsyscall/harness/sshd";
import { Effect } from "effect";
import { assert } from "vitest";
import {
  checkNothingIsLeft,
  checkOutcomes,
  noDisk,
  refuse,
  smallDisk,
  startHosts,
  until,
} from "./hosts.ts";
import { startRunner } from "./runners.ts";

/* Rollouts of one process that keeps them in a file. Each time it is killed, a new one goes on. */

const LONG = 60_000;

describeUnless(noFleet ?? noSshd, "a fleet of one process", () => {
  it(
    "brings its hosts to their end though it is killed twice",
    function* () {
      const hosts = yield* startHosts(6);
      const filename = `${yield* tempDirectory}/fleet.sqlite`;
      const start = Effect.gen(function* () {
        const cluster = { kind: "sqlite", filename } as const;
        const runner = yield* startRunner({ cluster, hosts: hosts.addresses });
        assert.isUndefined(yield* runner.ready);
        return runner;
      });
      const [refusing, full, cut, ...others] = hosts.names as [string, string, string];
      const last = hosts.names.at(-1) as string;
      refuse(hosts.sshd(refusing));
      if (noDisk === undefined) yield* smallDisk(hosts.sshd(full));
      const isWorking = (host: string, step: string) =>
        hosts.log(host).some((line) => line.startsWith(`working ${step}`));

      // In the middle of steps.
      const first = yield* start;
      yield* first.start(
        "upgrade",
        "1",
        hosts.names,
        { seconds: 1 },
        {
          batches: [5, 1],
          approval: true,
          failures: 2,
        },
      );
      yield* until(() => isWorking(cut, "install"));
      hosts.sshd(cut).signal("SIGKILL");
      yield* until(() => others.some((host) => host !== last && isWorking(host, "migrate")));
      first.kill("SIGKILL");
      yield* Effect.promise(() => first.ended);

      // While it waits for approval.
      const second = yield* start;
      const begun = hosts.names.filter((host) => host !== refusing && host !== last);
      yield* until(() => begun.every((host) => hosts.count(host, "end", "migrate") === 1));
      yield* Effect.sleep("500 millis");
      second.kill("SIGKILL");
      yield* Effect.promise(() => second.ended);
      assert.equal(hosts.count(last, "begin", "prepare"), 0);

      const third = yield* start;
      yield* third.approve("upgrade", "1", 1);
      const outcomes = yield* third.outcome("upgrade", "1");
      checkOutcomes(hosts, outcomes, { refusing, full, cut });
      third.kill("SIGTERM");
      assert.equal(yield* Effect.promise(() => third.ended), 0, third.log());
      yield* checkNothingIsLeft(hosts);
    },
    LONG,
  );

  it(
    "opens a host again whose link was cut while no program ran",
    function* () {
      const hosts = yield* startHosts(1);
      const [host] = hosts.names as [string];
      const runner = yield* startRunner({ cluster: { kind: "memory" }, hosts: hosts.addresses });
      assert.isUndefined(yield* runner.ready);
      const run = runner.run("prepare", [host], { seconds: 0 });
      assert.deepEqual(
        (yield* run).map(({ _tag }) => _tag),
        ["Started", "Done"],
      );
      hosts.sshd(host).signal("SIGKILL");
      yield* until(() => hosts.sshd(host).connections().length === 0);
      assert.deepEqual(
        (yield* run).map(({ _tag }) => _tag),
        ["Started", "Done"],
      );

      const [events] = yield* Effect.all(
        [
          runner.run("install", [host], { seconds: 10 }),
          Effect.andThen(
            until(() => hosts.count(host, "begin", "install") === 1),
            Effect.sync(() => hosts.sshd(host).signal("SIGKILL")),
          ),
        ],
        { concurrency: 2 },
      );
      assert.deepInclude(events[1]?.error, { problem: "Cut", mayHaveRun: true });
      assert.include(events[1]?.message, "may have been performed");
      assert.equal(hosts.count(host, "begin", "install"), 1);
      runner.kill("SIGTERM");
      yield* Effect.promise(() => runner.ended);
      yield* checkNothingIsLeft(hosts);
    },
    LONG,
  );
});
