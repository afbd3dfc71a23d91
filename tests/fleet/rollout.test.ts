import { describeUnless, it, noFleet, slow } from "@rsyscall/harness";
import { freePort, HOST } from "@rsyscall/harness/freePort";
import { noPostgres, type Postgres, startPostgres } from "@rsyscall/harness/postgres";
import { noSshd } from "@rsyscall/harness/sshd";
import { Effect, Exit, Scope } from "effect";
import { afterAll, assert, beforeAll } from "vitest";
import {
  checkNothingIsLeft,
  checkOutcomes,
  checkPromises,
  noDisk,
  refuse,
  smallDisk,
  startHosts,
  type TestHosts,
  until,
} from "./hosts.ts";
import { type Runner, startRunner } from "./runners.ts";

/* Rollouts over three processes that share a database of PostgreSQL, on hosts that are real ssh servers. */

/** Each host costs the key exchange of an ssh, twice if its owner ends. */
const HOSTS = slow === undefined ? 50 : 12;

const settings = {
  // After which a killed or frozen process is missed; a third of it is how long one may get no time.
  shardLockExpiration: slow === undefined ? "15 seconds" : "6 seconds",
  refreshAssignmentsInterval: "500 millis",
  entityMessagePollInterval: "1 second",
  entityTerminationTimeout: "3 seconds",
};

/** A process that gets no time loses its locks as a frozen one does, which is an attempt less. */
const attempts = 4;

const LONG = 120_000;

describeUnless(noFleet ?? noSshd ?? noPostgres, "a fleet of three processes", () => {
  const scope = Effect.runSync(Scope.make());
  let postgres: Postgres;
  let hosts: TestHosts;
  let runners: Array<Runner> = [];

  /** Starts processes until there are three, and waits until each of them owns hosts. */
  const three = Effect.gen(function* () {
    while (runners.length < 3) {
      const place = { host: HOST, port: yield* freePort };
      const cluster = { kind: "postgres", url: postgres.url(), ...place } as const;
      runners.push(yield* startRunner({ cluster, hosts: hosts.addresses, settings }));
    }
    for (const runner of runners) assert.isUndefined(yield* runner.ready);
    while (true) {
      const shares = yield* Effect.forEach(runners, (runner) => runner.owned(hosts.names));
      const owned = shares.reduce((sum, share) => sum + share.hosts.length, 0);
      if (owned === hosts.names.length && shares.every((share) => share.hosts.length > 0)) return;
      yield* Effect.sleep("50 millis");
    }
  }).pipe(Scope.provide(scope));

  /** Takes the process out of the three. */
  const without = (runner: Runner) => {
    runners = runners.filter((other) => other !== runner);
    return runners as [Runner, Runner];
  };

  /** The process that performs a rollout, and the hosts that it owns. */
  const performer = Effect.fnUntraced(function* (name: string) {
    for (const runner of runners) {
      const owned = yield* runner.owned(hosts.names, "upgrade", name);
      if (owned.performs) return { runner, owned: owned.hosts };
    }
    return assert.fail("no process performs the rollout");
  });

  /** Begins a rollout on the hosts that nothing is wrong with. */
  const begin = Effect.fnUntraced(function* (name: string) {
    yield* three;
    hosts.forget();
    const [, , , ...some] = hosts.names;
    const [first] = runners as [Runner];
    const options = { concurrency: HOSTS, attempts };
    yield* first.start("upgrade", name, some, { seconds: 1 }, options);
    return some;
  });

  const allAreDone = Effect.fnUntraced(function* (runner: Runner, name: string) {
    for (const outcome of yield* runner.outcome("upgrade", name)) {
      checkPromises(hosts, outcome);
      assert.equal(outcome.status, "done", `${outcome.host}: ${outcome.detail}`);
    }
  });

  const isWorking = (host: string, step = "install") =>
    hosts.log(host).some((line) => line.startsWith(`working ${step}`));

  beforeAll(async () => {
    const made = Effect.all([startPostgres, startHosts(HOSTS)], { concurrency: 2 });
    [postgres, hosts] = await Effect.runPromise(Scope.provide(made, scope));
  }, LONG);

  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), LONG);

  it(
    `brings ${HOSTS} hosts to their end when one of them is killed`,
    function* () {
      yield* three;
      const [refusing, full, cut] = hosts.names as [string, string, string];
      refuse(hosts.sshd(refusing));
      if (noDisk === undefined) yield* smallDisk(hosts.sshd(full));
      const [first] = runners as [Runner];
      yield* first.start(
        "upgrade",
        "killed",
        hosts.names,
        { seconds: 1 },
        {
          failures: 2,
          concurrency: HOSTS,
          attempts,
        },
      );

      yield* until(() => isWorking(cut));
      hosts.sshd(cut).signal("SIGKILL");
      yield* until(() => hosts.names.filter((host) => isWorking(host)).length > HOSTS / 3);
      const killed = yield* performer("killed");
      killed.runner.kill("SIGKILL");
      const [other] = without(killed.runner);

      const outcomes = yield* other.outcome("upgrade", "killed");
      checkOutcomes(hosts, outcomes, { refusing, full, cut });
    },
    LONG,
  );

  it(
    "does not do twice what is in `once` when one of them is frozen",
    function* () {
      const some = yield* begin("frozen");
      const shares = yield* Effect.forEach(runners, (runner) => runner.owned(some));
      const most = Math.max(...shares.map((share) => share.hosts.length));
      const frozen = shares.findIndex((share) => share.hosts.length === most);
      const runner = runners[frozen] as Runner;
      const its = shares[frozen]?.hosts ?? [];
      // It has the lock of `once` on these hosts.
      const held = () => its.filter((host) => isWorking(host, "migrate"));
      yield* until(() => held().length > 0);
      runner.kill("SIGSTOP");
      const [other] = without(runner);
      // The others open its hosts, and wait there for the lock.
      yield* until(() => held().every((host) => hosts.sshd(host).connections().length > 1));
      runner.kill("SIGCONT");
      runners.push(runner);

      yield* allAreDone(other, "frozen");
    },
    LONG,
  );

  it(
    "goes on on the others when one of them ends in order",
    function* () {
      const some = yield* begin("stopped");
      yield* until(() => some.some((host) => isWorking(host)));
      const stopped = yield* performer("stopped");
      stopped.runner.kill("SIGTERM");
      const [other] = without(stopped.runner);
      assert.equal(yield* Effect.promise(() => stopped.runner.ended), 0, stopped.runner.log());

      yield* allAreDone(other, "stopped");
    },
    LONG,
  );

  // Effect's cluster may take 20 seconds for it.
  it.skipIf(slow)(
    "goes on when PostgreSQL was restarted",
    function* () {
      const some = yield* begin("restarted");
      yield* until(() => some.some((host) => isWorking(host)));
      yield* postgres.stop;
      yield* postgres.start;
      yield* allAreDone(runners[0] as Runner, "restarted");
    },
    LONG,
  );

  it(
    "says of a program whose owner was killed that it may have run, and does not run it again",
    function* () {
      yield* three;
      hosts.forget();
      const [asking, owner] = runners as [Runner, Runner];
      const { hosts: its } = yield* owner.owned(hosts.names.slice(1));
      const [events] = yield* Effect.all(
        [
          asking.run("install", its, { seconds: 2 }),
          Effect.andThen(
            until(() => its.every((host) => isWorking(host))),
            Effect.sync(() => owner.kill("SIGKILL")),
          ),
        ],
        { concurrency: 2 },
      );
      without(owner);
      const failed = events.filter(({ _tag }) => _tag === "Failed");
      assert.sameMembers(
        failed.map(({ host }) => host),
        [...its],
      );
      for (const { error } of failed)
        assert.deepInclude(error, { problem: "Moved", mayHaveRun: true });
      // The next owner answers for these hosts, and has not begun it.
      const next = yield* asking.run("prepare", its, { seconds: 0 });
      assert.isTrue(next.every(({ _tag }) => _tag !== "Failed"));
      for (const host of its) assert.equal(hosts.count(host, "begin", "install"), 1, host);
    },
    LONG,
  );

  it(
    "leaves nothing on the hosts",
    function* () {
      for (const runner of runners) runner.kill("SIGTERM");
      yield* Effect.promise(() => Promise.all(runners.map(({ ended }) => ended)));
      yield* checkNothingIsLeft(hosts);
    },
    LONG,
  );
});
