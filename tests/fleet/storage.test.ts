import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describeUnless, it, noFleet, tempDirectory } from "@rsyscall/harness";
import { freePort, HOST } from "@rsyscall/harness/freePort";
import { noPostgres, startPostgres } from "@rsyscall/harness/postgres";
import { Effect } from "effect";
import { assert } from "vitest";
import { type RunnerOptions, startRunner } from "./runners.ts";

/* What a process of a fleet says, before it owns anything, of a storage that it cannot use. */

const failureOf = (cluster: RunnerOptions["cluster"]) =>
  Effect.gen(function* () {
    const failure = yield* (yield* startRunner({ cluster, hosts: {} })).ready;
    return { tag: failure?.tag, message: failure?.message ?? "no failure" };
  });

const says = (
  failure: Effect.Success<ReturnType<typeof failureOf>>,
  ...words: ReadonlyArray<string>
) => {
  assert.equal(failure.tag, "ClusterError", failure.message);
  for (const word of words) assert.include(failure.message, word);
};

/** Each failure is a process that is started. */
const LONG = 60_000;

const sqlite = (filename: string) => ({ kind: "sqlite", filename }) as const;

describeUnless(noFleet, "the storage of a fleet", () => {
  it(
    "is a file of one process at a time, and of the next one when that was killed",
    function* () {
      const filename = `${yield* tempDirectory}/fleet.sqlite`;
      const first = yield* startRunner({ cluster: sqlite(filename), hosts: {} });
      assert.isUndefined(yield* first.ready);
      says(yield* failureOf(sqlite(filename)), filename, "another process has it", "PostgreSQL");
      first.kill("SIGKILL");
      yield* Effect.promise(() => first.ended);
      const next = yield* startRunner({ cluster: sqlite(filename), hosts: {} });
      assert.isUndefined(yield* next.ready);
      next.kill("SIGTERM");
      assert.equal(yield* Effect.promise(() => next.ended), 0, next.log());
      // Damaged in its middle, beyond what is read when it is opened.
      const damaged = `${filename}.damaged`;
      copyFileSync(filename, damaged);
      const bytes = readFileSync(damaged).fill(0xff, 4096, statSync(damaged).size);
      writeFileSync(damaged, bytes);
      says(yield* failureOf(sqlite(damaged)), damaged, "malformed", "damaged");
    },
    LONG,
  );

  it(
    "is a file in a directory that is there, of the right kind",
    function* () {
      const directory = yield* tempDirectory;
      const missing = `${directory}/none/fleet.sqlite`;
      writeFileSync(`${directory}/text`, "x".repeat(8192));
      const [none, text] = yield* Effect.all([
        failureOf(sqlite(missing)),
        failureOf(sqlite(`${directory}/text`)),
      ]);
      says(none, missing, "unable to open database file", "is not there (ENOENT)");
      says(text, `${directory}/text`, "file is not a database");
    },
    LONG,
  );

  it.skipIf(noPostgres)(
    "is a server that answers and lets us in",
    function* () {
      const postgres = yield* startPostgres;
      const place = { kind: "postgres", host: HOST, port: yield* freePort } as const;
      const wrong = yield* failureOf({ ...place, url: postgres.url("wrong") });
      says(wrong, `postgres://postgres:***@${HOST}`, "password authentication failed");
      assert.notInclude(wrong.message, "wrong");
      // The database's own port is taken.
      says(
        yield* failureOf({ ...place, url: postgres.url(), port: postgres.port }),
        `${HOST}:${postgres.port}`,
        "EADDRINUSE",
      );
      yield* postgres.stop;
      says(yield* failureOf({ ...place, url: postgres.url() }), "ECONNREFUSED");
      says(yield* failureOf({ ...place, url: "nonsense" }), "Invalid URL");
    },
    LONG,
  );
});
