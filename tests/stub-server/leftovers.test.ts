import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { execute, it, missing, mock, start, tempDirectory } from "@rsyscall/harness";
import { StubServer, StubServerError, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";

const fixture = fileURLToPath(new URL("../fixtures/watched.mjs", import.meta.url));

/** Kills a server in a process of its own, and gives the files that it has left. */
const leftover = (options: StubServerOptions = {}) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const args = [fixture, directory, "serve", JSON.stringify(options)];
    const running = yield* start(process.execPath, args);
    yield* running.line((line) => line === "ready");
    yield* running.kill("SIGKILL");
    yield* running.ended;
    return directory;
  });

const serve = (directory: string, status: number, options?: StubServerOptions) =>
  Effect.map(
    mock(() => Effect.succeed(status), { directory, name: "stub", ...options }),
    ({ server }) => server,
  );

const refusedAt = (directory: string, name = "stub") =>
  Effect.flatMap(LocalThread, (thread) =>
    Effect.flip(Effect.scoped(StubServer.make(thread, directory, name))),
  ) as Effect.Effect<StubServerError, unknown, LocalThread>;

describe("what a server has left that was killed", () => {
  for (const link of ["symlink", "copy", "script"] as const)
    it(`is taken over by the next one (${link})`, function* () {
      const directory = yield* leftover({ link });
      assert.sameMembers(readdirSync(directory), ["stub", "stub.sock"]);
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* serve(directory, 5);
          assert.equal((yield* execute(`${directory}/stub`)).status, 5);
          assert.sameMembers(readdirSync(directory), ["stub", "stub.sock"]);
        }),
      );
      assert.deepEqual(readdirSync(directory), []);
    });

  it("with a timeout for its stubs: that goes, too", function* () {
    const directory = yield* leftover({ stubTimeout: 9 });
    assert.equal(readlinkSync(`${directory}/stub.sock.timeout`), "9");
    yield* serve(directory, 5);
    assert.sameMembers(readdirSync(directory), ["stub", "stub.sock"]);
  });

  it("is taken over by one of many that start at once, and the others are told", function* () {
    const directory = yield* leftover();
    const thread = yield* LocalThread;
    const made = yield* Effect.all(
      Array.from({ length: 8 }, () =>
        Effect.exit(StubServer.make(thread, directory, "stub", { allow: () => true })),
      ),
      { concurrency: "unbounded" },
    );
    const servers = made.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []));
    assert.equal(servers.length, 1);
    yield* Effect.forkScoped((servers[0] as StubServer).serve(() => Effect.succeed(4)));
    assert.equal((yield* execute(`${directory}/stub`)).status, 4);
    assert.sameMembers(readdirSync(directory), ["stub", "stub.sock"]);
  });
});

describe("what is not ours", () => {
  it("a server that listens is named by its pid, and lives on", function* () {
    const directory = yield* tempDirectory;
    yield* serve(directory, 3);
    const error = yield* refusedAt(directory);
    assert.equal(error.reason, "NameTaken");
    assert.include(
      error.message,
      `stub.sock is the socket of a server that listens (pid ${process.pid})`,
    );
    assert.equal((yield* execute(`${directory}/stub`)).status, 3);
  });

  it("a program stays, and the error does not advise to remove it", function* () {
    const directory = yield* tempDirectory;
    const path = `${directory}/git`;
    const things: Record<string, [make: () => void, words: RegExp]> = {
      program: [() => writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 }), /is a file that is not/],
      link: [() => symlinkSync("/usr/bin/git", path), /is a link to something that is not ours/],
      directory: [() => mkdirSync(path), /is a directory/],
    };
    for (const [make, words] of Object.values(things)) {
      make();
      const before = lstatSync(path, { bigint: true });
      const error = yield* refusedAt(directory, "git");
      assert.instanceOf(error, StubServerError);
      assert.equal(error.reason, "NameTaken");
      assert.match(error.message, words);
      assert.match(error.message, /choose another directory, and put that before this one in PATH/);
      assert.notMatch(error.message, /remove/);
      assert.equal(lstatSync(path, { bigint: true }).ino, before.ino);
      assert.deepEqual(readdirSync(directory), ["git"]);
      rmSync(path, { recursive: true });
    }
  });

  it("a server that closes removes only what it has placed", function* () {
    const directory = yield* tempDirectory;
    const first = yield* Scope.make();
    yield* Scope.provide(serve(directory, 1, { stubTimeout: 30 }), first);
    for (const file of readdirSync(directory)) rmSync(`${directory}/${file}`);
    yield* serve(directory, 2);
    yield* Scope.close(first, Exit.void);
    assert.sameMembers(readdirSync(directory), ["stub", "stub.sock"]);
    assert.equal((yield* execute(`${directory}/stub`)).status, 2);
  });

  it("a path with escapes is shown without them", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/a\u001b[2J`, "");
    const error = yield* refusedAt(directory, "a\u001b[2J");
    assert.include(error.message, "/a\\x1b[2J is a file");
  });
});

describe("in a directory that others may write", () => {
  it.skipIf(missing("python3"))(
    "no other file's mode is changed when the socket is swapped for a link",
    function* () {
      const directory = yield* tempDirectory;
      chmodSync(directory, 0o777);
      const victim = `${yield* tempDirectory}/victim`;
      writeFileSync(victim, "secret", { mode: 0o600 });
      // It replaces the file by a link to the victim, as fast as it can.
      const attack = `
import os, sys
directory, victim = sys.argv[1:]
print("ready", flush=True)
while True:
    for name in os.listdir(directory):
        path = directory + "/" + name
        try:
            os.rename(path, path + "~")
            os.symlink(victim, path)
        except OSError: pass`;
      const attacker = yield* start("/usr/bin/env", ["python3", "-ISc", attack, directory, victim]);
      yield* attacker.line((line) => line === "ready");
      const thread = yield* LocalThread;
      for (let i = 0; i < 100; i++)
        yield* Effect.ignore(
          Effect.scoped(StubServer.listenOn(thread, `${directory}/${i}`, { allow: () => true })),
        );
      assert.equal(statSync(victim).mode & 0o777, 0o600);
      assert.equal(readFileSync(victim, "utf8"), "secret");
    },
  );
});
