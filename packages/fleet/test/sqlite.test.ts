import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Cluster, ClusterError, Fleet, Program, Rollout } from "@rsyscall/fleet";
import { describeUnless, it, noFleet, notRoot, tempDirectory } from "@rsyscall/harness";
import { Effect, Layer, Logger, Schema } from "effect";
import { assert } from "vitest";
import { hosts } from "./fleet.ts";

interface Database {
  exec(sql: string): void;
  close(): void;
}
/** Changes a file by SQL. */
const change = (filename: string, sql: string) => {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite" as never) as unknown as {
    DatabaseSync: new (filename: string) => Database;
  };
  const database = new DatabaseSync(filename);
  database.exec(sql);
  database.close();
};

const opened = (filename: string) =>
  Effect.scoped(Layer.build(Cluster.sqlite({ filename }))).pipe(Effect.asVoid);

const refused = (filename: string, ...words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(opened(filename));
    assert.instanceOf(error, ClusterError);
    for (const word of [filename, ...words]) assert.include(error.message, word);
  });

const disk = (directory: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(directory);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4M", "disk", directory]);
    }),
    () => Effect.sync(() => void execFileSync("umount", ["--lazy", directory])),
  );

describeUnless(noFleet, "a file of SQLite", () => {
  it("has a name, by which it is kept", function* () {
    for (const name of ["", ":memory:"]) yield* refused(name, "not the name of a file", "memory()");
  });

  it("of a newer version is refused", function* () {
    const directory = yield* tempDirectory;
    for (const table of [
      "rsyscall_migrations",
      "cluster_migrations",
      "cluster_runner_migrations",
    ]) {
      const filename = `${directory}/${table}`;
      yield* opened(filename);
      yield* opened(filename);
      change(filename, `INSERT INTO ${table} (migration_id, name) VALUES (999, 'future')`);
      yield* refused(filename, "a newer version has changed it", `${table} has migration 999`);
    }
  });

  it("of another application is refused, and left as it is", function* () {
    const directory = yield* tempDirectory;
    const changes = {
      tables: "CREATE TABLE users (name)",
      clash: "CREATE TABLE cluster_messages (x)",
      id: "PRAGMA application_id = 7",
    };
    for (const [name, sql] of Object.entries(changes)) {
      const filename = `${directory}/${name}`;
      change(filename, sql);
      yield* refused(filename, "belongs to another application", "a new file");
      // Neither tables nor a write-ahead log.
      assert.deepEqual(readFileSync(filename).subarray(18, 20), Buffer.from([1, 1]));
    }
    // One of before there was an id for ours.
    const old = `${directory}/old`;
    yield* opened(old);
    change(old, "PRAGMA application_id = 0");
    yield* opened(old);
    assert.equal(readFileSync(old).subarray(68, 72).toString(), "rsys");
  });

  it.skipIf(notRoot)("that may not be written is refused in words", function* () {
    const directory = yield* tempDirectory;
    const filename = `${directory}/fleet.sqlite`;
    yield* opened(filename);
    yield* disk(`${directory}/disk`);
    writeFileSync(`${directory}/disk/fleet.sqlite`, readFileSync(filename));
    execFileSync("mount", ["-o", "remount,ro", `${directory}/disk`]);
    yield* refused(`${directory}/disk/fleet.sqlite`, "read-only (EROFS)");
    yield* refused(`${directory}/disk/new.sqlite`, "read-only (EROFS)");
    yield* refused(`${directory}/none/new.sqlite`, "is not there (ENOENT)");
    // Another user: in a process of its own.
    chmodSync(directory, 0o755);
    const script = `
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const { Cluster } = await import(process.argv[1]);
      const { Effect, Layer } = await import(process.argv[2]);
      for (const filename of process.argv.slice(3)) {
        const built = Effect.scoped(Layer.build(Cluster.sqlite({ filename })));
        console.log((await Effect.runPromise(Effect.flip(built))).message);
      }`;
    const other = `${directory}/other.sqlite`;
    writeFileSync(other, readFileSync(filename));
    chownSync(other, 65534, 65534);
    const said = execFileSync(process.execPath, [
      ...["--input-type=module", "--eval", script],
      import.meta.resolve("@rsyscall/fleet"),
      import.meta.resolve("effect"),
      ...[filename, other],
    ]);
    const [denied = "", beside = ""] = said.toString().split("\n");
    assert.include(denied, "this user may not write to it (EACCES)");
    assert.include(beside, "may not write to its directory");
  });

  it.skipIf(notRoot)("whose disk is full waits until it has space", function* () {
    const directory = `${yield* tempDirectory}/disk`;
    yield* disk(directory);
    const said: Array<string> = [];
    const logger = Logger.make(({ message }) => void said.push(String(message)));
    const fills = Program.make("fills", {}, () =>
      Effect.sync(() => {
        try {
          for (let size = 65_536; size > 0; size = Math.floor(size / 16))
            for (let i = 0; ; i++)
              try {
                writeFileSync(`${directory}/${size}-${i}`, new Uint8Array(size));
              } catch {
                break;
              }
        } finally {
          const free = () => {
            for (const name of readdirSync(directory).filter((name) => /^\d/.test(name)))
              rmSync(`${directory}/${name}`);
          };
          setTimeout(free, 1200);
        }
      }),
    );
    const after = Program.make("after", {}, () => Effect.void);
    const rollout = Rollout.make("fill", { payload: Schema.Void, steps: [fills, after] });
    const fleet = Fleet.layer({ rollouts: [rollout] }).pipe(
      Layer.provide(hosts),
      Layer.provideMerge(Cluster.sqlite({ filename: `${directory}/fleet.sqlite` })),
      Layer.provide(Logger.layer([logger])),
    );
    const program = Effect.gen(function* () {
      yield* rollout.start("1", ["a"], undefined);
      const outcome = yield* rollout.outcome("1");
      assert.deepEqual(
        outcome.hosts.map(({ status }) => status),
        ["done"],
      );
    });
    yield* Effect.provide(program, fleet);
    assert.include(said.join("\n"), "fleet.sqlite: its disk is full: rollouts go on when");
    assert.include(said.join("\n"), "has space again");
  });
});
