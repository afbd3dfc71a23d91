import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { chdir, setresuid } from "@rsyscall/handle";
import { it, launchStub, notRoot, tempDirectory } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { type Command, Environment, type ExecutableNotFoundError, which } from "../src/index.ts";

const program = (path: string) => {
  writeFileSync(path, "#!/bin/sh\nexit 7\n");
  chmodSync(path, 0o755);
};

/** How a search fails. A command that is found is no good failure to report: paths have parents. */
const failure = <E>(search: Effect.Effect<Command, E>) => Effect.flip(Effect.asVoid(search));

const places = Effect.map(tempDirectory, (root) => {
  const directories = ["a", "b", "c", "d", "e"].map((name) => `${root}/${name}`);
  for (const directory of directories) mkdirSync(directory);
  return { root, directories, environ: Environment.fromRecord({ PATH: directories.join(":") }) };
});

const threads = [
  ["here", LocalThread],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
] as const;

describe("which", () => {
  for (const [where, thread] of threads)
    it(`finds a program as soon as it is there, and not when it is gone: ${where}`, function* () {
      const { task } = yield* thread;
      const { directories, environ } = yield* places;
      const path = `${directories[2]}/new`;
      for (let i = 0; i < 2; i++) {
        const error = (yield* failure(which(task, environ, "new"))) as ExecutableNotFoundError;
        assert.equal(error._tag, "ExecutableNotFoundError");
        assert.deepEqual(
          error.tried,
          directories.map((directory) => `${directory}/new`),
        );
      }
      program(path);
      const command = yield* which(task, environ, "new");
      assert.equal(command.executable.text, path);
      assert.deepEqual(command.argv, ["new"]);
      program(`${directories[1]}/new`);
      assert.equal((yield* which(task, environ, "new")).executable.text, `${directories[1]}/new`);
      rmSync(path);
      rmSync(`${directories[1]}/new`);
      assert.equal((yield* failure(which(task, environ, "new")))._tag, "ExecutableNotFoundError");
    });

  it("looks in many places in one round trip, some of them missing", function* () {
    const thread = yield* (yield* LocalThread).fork();
    const { root, directories } = yield* places;
    program(`${root}/e/deep`);
    yield* chdir(thread, root);
    const PATH = [
      ...Array.from({ length: 36 }, (_, i) => `${root}/missing ${i}`),
      ...["", "a/../b", "/dev/null", "e"],
    ].join(":");
    const { task } = thread;
    const { sysif } = task;
    let submitted = 0;
    let trips = 0;
    // What is submitted before the first answer has come takes one trip.
    const trip = <A, E>(operation: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        if (submitted++ === 0) trips++;
        return operation.pipe(
          Effect.tap(() => Effect.yieldNow),
          Effect.tap(() => Effect.sync(() => (submitted = 0))),
        );
      });
    const counted = Object.create(task, {
      sysif: {
        value: {
          abi: sysif.abi,
          write: sysif.write.bind(sysif),
          read: (...words: Parameters<typeof sysif.read>) => trip(sysif.read(...words)),
          syscall: (...words: Parameters<typeof sysif.syscall>) => trip(sysif.syscall(...words)),
        },
      },
    }) as typeof task;
    const environ = Environment.fromRecord({ PATH });
    const command = yield* which(counted, environ, "deep");
    assert.equal(command.executable.text, "e/deep");
    assert.equal(trips, 1);
    assert.equal((yield* thread.run(command)).exitStatus, 7);
    rmSync(`${directories[4]}/deep`);
    const error = (yield* failure(which(task, environ, "deep"))) as ExecutableNotFoundError;
    assert.equal(error.tried.length, 40);
    assert.deepEqual(error.tried.slice(-4), ["./deep", "a/../b/deep", "/dev/null/deep", "e/deep"]);
  });

  it("asks when it is run, each time, with the PATH of that time", function* () {
    const { task } = yield* LocalThread;
    const { directories, environ } = yield* places;
    const find = which(task, environ, "later");
    assert.equal((yield* failure(find))._tag, "ExecutableNotFoundError");
    program(`${directories[0]}/later`);
    assert.equal((yield* find).executable.text, `${directories[0]}/later`);
    yield* environ.set("PATH", "/no/such");
    const error = (yield* failure(find)) as ExecutableNotFoundError;
    assert.deepEqual(error.tried, ["/no/such/later"]);
  });

  it("passes over directories and what may not be executed, and says so", function* () {
    const { task } = yield* LocalThread;
    const { directories, environ } = yield* places;
    mkdirSync(`${directories[0]}/thing`);
    writeFileSync(`${directories[1]}/thing`, "");
    const error = (yield* failure(which(task, environ, "thing"))) as ExecutableNotFoundError;
    assert.equal(error.notExecutable, `${directories[0]}/thing`);
    assert.include(error.message, "may not be executed");
    program(`${directories[3]}/thing`);
    assert.equal((yield* which(task, environ, "thing")).executable.text, `${directories[3]}/thing`);
  });

  it("takes a name with a slash as it is, and an empty place as the working directory", function* () {
    const thread = yield* (yield* LocalThread).fork();
    const { root, environ } = yield* places;
    program(`${root}/here`);
    const found = yield* which(thread.task, environ, `${root}/here`);
    assert.equal(found.executable.text, `${root}/here`);
    yield* chdir(thread, root);
    for (const PATH of ["/no/such::/bin", ":", ".", `/nowhere:`]) {
      const command = yield* which(thread.task, Environment.fromRecord({ PATH }), "here");
      assert.equal((yield* thread.run(command)).exitStatus, 7, PATH);
    }
    assert.equal(
      (yield* which(thread.task, Environment.fromRecord({}), "sh")).executable.name,
      "sh",
      "without PATH",
    );
    for (const name of ["", "a\0b", "a\0/b", "\ud800", "/\udfff"])
      assert.equal(
        (yield* failure(which(thread.task, environ, name)))._tag,
        "ExecutableNotFoundError",
      );
  });

  it.skipIf(notRoot)("asks for the rights with which the process acts", function* () {
    const { task } = (yield* launchStub).call.thread;
    const { root, directories, environ } = yield* places;
    program(`${directories[0]}/mine`);
    chmodSync(`${directories[0]}/mine`, 0o700);
    chmodSync(root, 0o755);
    yield* setresuid(task, { effective: 65534 });
    const error = (yield* failure(which(task, environ, "mine"))) as ExecutableNotFoundError;
    assert.equal(error.notExecutable, `${directories[0]}/mine`);
  });
});
