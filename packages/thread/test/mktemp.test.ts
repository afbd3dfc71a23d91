import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { O, type SyscallName } from "@rsyscall/abi";
import { chdir, chmod, mkdir, open, setresuid, type Task } from "@rsyscall/handle";
import { it, launchStub, notRoot, tempDirectory } from "@rsyscall/harness";
import { Address, type SyscallError, type Word } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";
import { mkdtemp, mkstemp } from "../src/mktemp.ts";

/** The task, but somebody has already made what it is about to make, the first `times` times. */
const beaten = (task: Task, by: (path: string) => void, times: number): Task => {
  const { sysif } = task;
  const makes = ["mkdirat", "openat"].map((name) => sysif.abi.syscallNumber(name as SyscallName));
  let left = times;
  const syscall = (number: number, ...words: [Word?, Word?, Word?, Word?, Word?, Word?]) =>
    Effect.gen(function* () {
      if (makes.includes(number)) {
        const bytes = yield* sysif.read(Address(Number(words[1])), 256);
        const path = Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString();
        if (path.includes("x-") && left-- > 0) by(path);
      }
      return yield* sysif.syscall(number, ...words);
    });
  return Object.create(task, {
    sysif: {
      value: {
        abi: sysif.abi,
        read: sysif.read.bind(sysif),
        write: sysif.write.bind(sysif),
        syscall,
      },
    },
  }) as Task;
};

const threads = [
  ["here", LocalThread],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
] as const;

for (const [where, make] of threads)
  describe(`temporary files ${where}`, () => {
    it("are private, have names of their own, and go with the scope", function* () {
      const thread = yield* make;
      const directory = yield* tempDirectory;
      const scope = yield* Scope.make();
      const paths = yield* Scope.provide(
        Effect.replicateEffect(thread.mkdtemp({ directory, prefix: "x-" }), 20),
        scope,
      );
      const { path, file } = yield* Scope.provide(thread.mkstemp({ directory }), scope);
      yield* file.writeAllText("content");
      assert.equal(statSync(path.text).size, 7);
      assert.equal(statSync(path.text).mode & 0o777, 0o600);
      assert.equal(new Set(paths.map(String)).size, 20);
      for (const each of paths) {
        assert.match(each.text, /\/x-[\w-]{16}$/);
        assert.equal(statSync(each.text).mode & 0o777, 0o700);
      }
      yield* Scope.close(scope, Exit.void);
      assert.deepEqual(readdirSync(directory), []);
    });

    it("go with all that is in them, and nothing that they point to", function* () {
      const thread = yield* make;
      const outside = yield* tempDirectory;
      writeFileSync(`${outside}/file`, "stays");
      const path = yield* Effect.scoped(
        Effect.gen(function* () {
          const { text } = yield* thread.mkdtemp();
          mkdirSync(`${text}/a/b/c`, { recursive: true });
          symlinkSync(outside, `${text}/a/link`);
          symlinkSync("/no/such", `${text}/dangling`);
          for (let i = 0; i < 300; i++) writeFileSync(`${text}/a/file ${i} ${"x".repeat(100)}`, "");
          mkdirSync(`${text}/locked`);
          writeFileSync(`${text}/locked/inside`, "", { mode: 0o000 });
          yield* chdir(thread, `${text}/a`);
          return text;
        }).pipe(Effect.ensuring(Effect.ignore(chdir(thread, process.cwd())))),
      );
      assert.isFalse(existsSync(path));
      assert.deepEqual(readdirSync(outside), ["file"]);
    });

    it("are made in TMPDIR, and say where not", function* () {
      const thread = yield* make;
      const directory = yield* tempDirectory;
      yield* thread.environ.set("TMPDIR", directory);
      const path = yield* thread.mkdtemp();
      assert.equal(path.parent.text, directory);
      yield* thread.environ.set("TMPDIR", "/no/such");
      const error = (yield* Effect.flip(Effect.asVoid(thread.mkdtemp()))) as SyscallError;
      assert.deepInclude({ ...error }, { errno: "ENOENT", subject: "/no/such" });
      yield* thread.environ.delete("TMPDIR");
      assert.equal(thread.environ.tmpdir.text, "/tmp");
    });
  });

describe("a temporary directory of a child", () => {
  it("is removed wherever the child has got to", function* () {
    const directory = yield* tempDirectory;
    mkdirSync(`${directory}/root`);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const child = yield* (yield* LocalThread).fork();
        const path = yield* child.mkdtemp({ directory });
        assert.isTrue(existsSync(path.text));
        yield* chdir(child, "/");
        yield* child.chroot(`${directory}/root`);
      }),
    );
    assert.deepEqual(readdirSync(directory), ["root"]);
  });
});

describe("the name of a temporary file", () => {
  it("is another one when somebody has it, and nobody's file is opened or removed", function* () {
    const { task, environ } = yield* LocalThread;
    const directory = yield* tempDirectory;
    const options = { directory, prefix: "x-" };
    const theirs = (path: string) => symlinkSync("/no/such", path);
    for (const make of [
      (beatenTask: Task) => mkdtemp(beatenTask, environ, options),
      (beatenTask: Task) => Effect.map(mkstemp(beatenTask, environ, options), ({ path }) => path),
    ]) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const path = yield* make(beaten(task, theirs, 3));
          assert.isFalse(lstatSync(path.text).isSymbolicLink());
          assert.equal(readdirSync(directory).length, 4);
        }),
      );
      assert.equal(readdirSync(directory).length, 3);
      const error = (yield* Effect.flip(
        Effect.asVoid(make(beaten(task, theirs, 1000))),
      )) as SyscallError;
      assert.equal(error.errno, "EEXIST");
      const names = readdirSync(directory);
      assert.equal(names.length, 3 + 17);
      for (const name of names) rmSync(`${directory}/${name}`);
    }
  });

  it("is refused where it can be no name", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    for (const [options, errno] of [
      [{ directory, prefix: "a\0" }, "InvalidArgumentError"],
      [{ directory, prefix: "\ud800" }, "InvalidArgumentError"],
      [{ directory: `${directory}\0` }, "InvalidArgumentError"],
      [{ directory, prefix: "no/such/" }, "ENOENT"],
      [{ directory, prefix: "x".repeat(255) }, "ENAMETOOLONG"],
    ] as const)
      for (const make of [
        Effect.asVoid(thread.mkdtemp(options)),
        Effect.asVoid(thread.mkstemp(options)),
      ])
        assert.equal(
          yield* Effect.map(Effect.flip(make), (error) =>
            "errno" in error ? error.errno : error._tag,
          ),
          errno,
        );
    assert.deepEqual(readdirSync(directory), []);
  });
});

describe("the end of a temporary directory", () => {
  it.skipIf(notRoot)("comes although its owner has locked what is in it", function* () {
    const { thread } = (yield* launchStub).call;
    const directory = yield* tempDirectory;
    chmodSync(directory, 0o777);
    yield* setresuid(thread.task, { real: 65534, effective: 65534, saved: 65534 });
    yield* Effect.scoped(
      Effect.gen(function* () {
        const path = yield* thread.mkdtemp({ directory });
        const { task } = thread;
        for (const inner of ["a", "a/b", "a/b/c"]) yield* mkdir(task, path.join(inner));
        yield* Effect.scoped(open(task, path.join("a/b/file"), O.CREAT | O.WRONLY, 0));
        for (const inner of ["a/b/c", "a/b", "a"]) yield* chmod(task, path.join(inner), 0o500);
        yield* chmod(task, path, 0);
      }),
    );
    assert.deepEqual(readdirSync(directory), []);
  });

  it("does not come when the process is gone, and nobody fails for it", function* () {
    const directory = yield* tempDirectory;
    const left: Array<string> = [];
    yield* Effect.scoped(
      Effect.gen(function* () {
        const child = yield* (yield* LocalThread).fork();
        left.push((yield* child.mkdtemp({ directory })).name);
        left.push((yield* child.mkstemp({ directory })).path.name);
        yield* child.exit(0);
      }),
    );
    assert.sameMembers(readdirSync(directory), left);
  });
});
