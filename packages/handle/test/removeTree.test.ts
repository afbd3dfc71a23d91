import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { AT, CLONE, MS, O, type SyscallName } from "@rsyscall/abi";
import { it, launchStub, notRoot, tempDirectory } from "@rsyscall/harness";
import type { SyscallError, Word } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";
import { chdir, Directory, mount, open, removeTree, setresuid, type Task } from "../src/index.ts";

const NOBODY = 65534;

const stubThread = Effect.map(launchStub, ({ call }) => call.thread);

const threads = [
  ["here", LocalThread],
  ["in a stub", stubThread],
] as const;

/** The task, but something is done right before some of its system calls: what others do meanwhile. */
const before = (
  task: Task,
  name: SyscallName,
  meanwhile: (words: ReadonlyArray<Word | undefined>) => void,
): Task => {
  const { sysif } = task;
  return Object.create(task, {
    sysif: {
      value: {
        abi: sysif.abi,
        read: sysif.read.bind(sysif),
        write: sysif.write.bind(sysif),
        syscall: (number: number, ...words: [Word?, Word?, Word?, Word?, Word?, Word?]) =>
          Effect.suspend(() => {
            if (number === sysif.abi.syscallNumber(name)) meanwhile(words);
            return sysif.syscall(number, ...words);
          }),
      },
    },
  }) as Task;
};

const isRmdir = (words: ReadonlyArray<Word | undefined>) => words[2] === AT.REMOVEDIR;

/** A tree, and a directory beside it that is not to be touched. */
const places = Effect.map(tempDirectory, (root) => {
  mkdirSync(`${root}/t/a/b`, { recursive: true });
  writeFileSync(`${root}/t/a/b/file`, "");
  mkdirSync(`${root}/outside`);
  writeFileSync(`${root}/outside/stays`, "");
  return { root, tree: `${root}/t`, outside: `${root}/outside` };
});

const untouched = (outside: string) => assert.deepEqual(readdirSync(outside), ["stays"]);

describe("removeTree", () => {
  for (const [where, thread] of threads) {
    it(`removes files and directories ${where}, however deep`, function* () {
      const { task } = yield* thread;
      const root = yield* tempDirectory;
      // A close travels and is not waited for; whoever has answered after it has closed.
      const descriptors = Effect.map(
        task.sysif.barrier(),
        () => readdirSync(`/proc/${task.pid}/fd`).length,
      );
      const before = yield* descriptors;
      let path = `${root}/deep`;
      mkdirSync(path);
      // Deeper than a path can be, and than most processes may have descriptors.
      const cwd = process.cwd();
      process.chdir(path);
      for (let i = 0; i < 1500; i++) {
        mkdirSync("d");
        writeFileSync("f", "");
        process.chdir("d");
      }
      process.chdir(cwd);
      yield* removeTree(task, `${root}/deep`);
      path = `${root}/file`;
      writeFileSync(path, "");
      yield* removeTree(task, path);
      symlinkSync(cwd, path);
      yield* removeTree(task, path);
      assert.deepEqual(readdirSync(root), []);
      assert.isTrue(existsSync(cwd));
      assert.isAtMost(yield* descriptors, before);
    });

    it(`removes many directories and names of any bytes ${where}`, function* () {
      const { task } = yield* thread;
      const { tree } = yield* places;
      for (let i = 0; i < 1500; i++)
        mkdirSync(`${tree}/a directory ${i}/in it`, { recursive: true });
      for (const bytes of [Buffer.of(0xff, 0xfe), Buffer.from("\n"), Buffer.alloc(255, 0x80)]) {
        const path = Buffer.concat([Buffer.from(`${tree}/`), bytes]);
        mkdirSync(path);
        writeFileSync(Buffer.concat([path, Buffer.of(0x2f, 0x80)]), "");
      }
      yield* removeTree(task, `${tree}//`);
      assert.isFalse(existsSync(tree));
    });

    it(`follows no link ${where}`, function* () {
      const { task } = yield* thread;
      const { tree, outside } = yield* places;
      symlinkSync(outside, `${tree}/a/link`);
      symlinkSync(".", `${tree}/a/itself`);
      symlinkSync("/no/such", `${tree}/a/dangling`);
      yield* removeTree(task, tree);
      assert.isFalse(existsSync(tree));
      symlinkSync(outside, tree);
      // As rmdir(2) and unlink(2) see it, this is a link that ought to be a directory.
      assert.include((yield* Effect.flip(removeTree(task, `${tree}/`))).message, "ENOTDIR");
      untouched(outside);
      yield* removeTree(task, tree);
      assert.isFalse(existsSync(tree));
      untouched(outside);
    });
  }

  it("says what is not there, and what cannot be removed, before it removes anything", function* () {
    const thread = yield* (yield* LocalThread).fork();
    const { task } = thread;
    const { root, tree, outside } = yield* places;
    const error = (yield* Effect.flip(removeTree(task, "/no/such"))) as SyscallError;
    assert.deepInclude({ ...error }, { errno: "ENOENT", subject: "/no/such" });
    yield* chdir(thread, outside);
    for (const [path, errno] of [
      ["", "ENOENT"],
      [".", "EINVAL"],
      ["..", "ENOTEMPTY"],
      [`${tree}/.`, "EINVAL"],
      [`${tree}/a/..`, "ENOTEMPTY"],
      [`${tree}/a/../`, "ENOTEMPTY"],
      ["/proc", "EBUSY"],
      ["a\0b", "InvalidArgumentError"],
    ])
      assert.equal(
        yield* Effect.match(removeTree(task, `${path}`), {
          onSuccess: () => undefined,
          onFailure: (error) => ("errno" in error ? error.errno : error._tag),
        }),
        errno,
      );
    untouched(outside);
    assert.isTrue(existsSync(`${tree}/a/b/file`));
    assert.sameMembers(readdirSync(root), ["t", "outside"]);
  });

  it.skipIf(notRoot)("does not touch what is mounted in it", function* () {
    const { tree, outside } = yield* places;
    const child = yield* (yield* LocalThread).fork();
    yield* child.unshare(CLONE.NEWNS);
    yield* mount(child.task, "none", "/", undefined, MS.REC | MS.PRIVATE);
    yield* mount(child.task, outside, `${tree}/a/b`, undefined, MS.BIND);
    for (const path of [tree, `${tree}/a/b`]) {
      const error = (yield* Effect.flip(removeTree(child.task, path))) as SyscallError;
      assert.equal(error.errno, "EBUSY");
      assert.include(error.subject as string, path);
    }
    untouched(outside);
  });

  it.skipIf(notRoot)("opens what its owner has locked", function* () {
    const { task } = yield* stubThread;
    const root = yield* tempDirectory;
    chmodSync(root, 0o777);
    yield* setresuid(task, { real: NOBODY, effective: NOBODY, saved: NOBODY });
    for (const mode of [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600])
      for (const content of ["", "file", "directory/", "directory/file", "locked/directory/file"]) {
        const [tree, inner] = [`${root}/t`, `${root}/t/inner`];
        const path = `${inner}/${content}`;
        mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
        if (content.endsWith("file")) writeFileSync(path, "");
        const all = readdirSync(root, { recursive: true, encoding: "utf8" });
        for (const name of all) chownSync(`${root}/${name}`, NOBODY, NOBODY);
        if (content.startsWith("locked")) chmodSync(`${inner}/locked`, mode);
        chmodSync(inner, mode);
        yield* removeTree(task, tree);
        assert.deepEqual(readdirSync(root), [], `${mode.toString(8)} ${content}`);
      }
    // Not ours: nothing is lost, nothing is changed.
    mkdirSync(`${root}/theirs/inner`, { recursive: true, mode: 0o755 });
    const error = (yield* Effect.flip(removeTree(task, `${root}/theirs`))) as SyscallError;
    assert.equal(error.errno, "EACCES");
    assert.equal(statSync(`${root}/theirs`).mode & 0o777, 0o755);
    chmodSync(root, 0o755);
    assert.include((yield* Effect.flip(removeTree(task, `${root}/theirs`))).message, "EACCES");
    assert.isTrue(existsSync(`${root}/theirs/inner`));
  });
});

describe("removeTree beside others", () => {
  it("removes what they add meanwhile, unless they never end", function* () {
    const { task } = yield* LocalThread;
    const { root, tree } = yield* places;
    for (const directory of [tree, `${tree}/a`, `${tree}/a/b`]) {
      let left = 5;
      mkdirSync(`${tree}/a/b/c`, { recursive: true });
      const racing = before(task, "unlinkat", (words) => {
        if (isRmdir(words) && existsSync(directory) && left-- > 0)
          mkdirSync(`${directory}/new ${left}/deeper`, { recursive: true });
      });
      yield* removeTree(racing, tree);
      assert.isFalse(existsSync(tree), directory);
    }
    for (const directory of [tree, `${tree}/a`]) {
      mkdirSync(`${tree}/a/b`, { recursive: true });
      let calls = 0;
      const racing = before(task, "unlinkat", (words) => {
        calls++;
        if (isRmdir(words) && existsSync(directory)) writeFileSync(`${directory}/again`, "");
      });
      const error = (yield* Effect.flip(removeTree(racing, tree))) as SyscallError;
      assert.equal(error.errno, "ENOTEMPTY");
      assert.isBelow(calls, 3000);
    }
    yield* removeTree(task, tree);
    assert.deepEqual(readdirSync(root), ["outside"]);
  });

  it("does not mind when they remove it too", function* () {
    const { task } = yield* LocalThread;
    const { root, tree } = yield* places;
    // t, a, b, and twice the way back: c is empty.
    for (let nth = 1; nth <= 5; nth++) {
      mkdirSync(`${tree}/a/b/c`, { recursive: true });
      let opened = 0;
      const racing = before(task, "openat", () => {
        if (++opened === nth) rmSync(tree, { recursive: true });
      });
      yield* removeTree(racing, tree);
      assert.isAtLeast(opened, nth);
    }
    assert.deepEqual(readdirSync(root), ["outside"]);
  });

  it("does not follow a link that they put in place of a directory", function* () {
    const { task } = yield* LocalThread;
    for (const swapped of ["t", "t/a", "t/a/b"]) {
      const { root, tree, outside } = yield* places;
      let opened = 0;
      const racing = before(task, "openat", () => {
        if (++opened !== swapped.split("/").length) return;
        renameSync(`${root}/${swapped}`, `${root}/away`);
        symlinkSync(outside, `${root}/${swapped}`);
      });
      yield* removeTree(racing, tree);
      assert.isFalse(existsSync(tree));
      untouched(outside);
    }
  });

  it.skipIf(notRoot)("changes no mode through such a link", function* () {
    const { task } = yield* stubThread;
    const { root, tree, outside } = yield* places;
    for (const path of [root, tree, `${tree}/a`, `${tree}/a/b`, outside])
      chownSync(path, NOBODY, NOBODY);
    chmodSync(outside, 0o755);
    yield* setresuid(task, { real: NOBODY, effective: NOBODY, saved: NOBODY });
    const swap = () => {
      if (existsSync(`${root}/away`)) return;
      renameSync(`${tree}/a`, `${root}/away`);
      symlinkSync(outside, `${tree}/a`);
    };
    let opened = 0;
    const unlocking = before(task, "openat", (words) => {
      // The third: t, a as a directory that may not be read, a to be unlocked.
      if (++opened !== 3) return;
      assert.equal(Number(words[2]) & O.PATH, O.PATH);
      swap();
    });
    // The first is for Linux 6.6 and later, the second for those before.
    const changing = before(before(task, "fchmodat2", swap), "fchmodat", swap);
    for (const racing of [unlocking, changing]) {
      chmodSync(`${tree}/a`, 0);
      yield* removeTree(racing, tree);
      assert.isTrue(existsSync(`${root}/away`));
      assert.equal(statSync(outside).mode & 0o777, 0o755);
      assert.isFalse(existsSync(tree));
      untouched(outside);
      mkdirSync(tree);
      chownSync(tree, NOBODY, NOBODY);
      renameSync(`${root}/away`, `${tree}/a`);
    }
  });

  it("does not go up from a directory that they have moved away", function* () {
    const { task } = yield* LocalThread;
    const { root, tree, outside } = yield* places;
    let opened = 0;
    const racing = before(task, "openat", () => {
      // The fourth: t, a, b and the way back.
      if (++opened === 4) renameSync(`${tree}/a/b`, `${outside}/b`);
    });
    const error = (yield* Effect.flip(removeTree(racing, tree))) as SyscallError;
    assert.equal(error.errno, "ESTALE");
    assert.include(error.message, "moved away");
    assert.sameMembers(readdirSync(outside), ["b", "stays"]);
    assert.deepEqual(readdirSync(tree), ["a"]);
    assert.sameMembers(readdirSync(root), ["t", "outside"]);
  });

  it("can be interrupted, and leaves no descriptor open", function* () {
    const { task } = yield* stubThread;
    const { tree } = yield* places;
    const descriptors = () => readdirSync(`/proc/${task.pid}/fd`).length;
    // The stub has its channels in place once it answers, and what was closed is closed.
    yield* task.sysif.barrier();
    const open = descriptors();
    let opened = 0;
    let fiber: Fiber.Fiber<unknown, unknown> | undefined;
    const racing = before(task, "openat", () => {
      if (++opened === 3) fiber?.interruptUnsafe();
    });
    fiber = yield* Effect.forkChild(removeTree(racing, tree));
    const exit = yield* Fiber.await(fiber);
    assert.isTrue(Exit.hasInterrupts(exit));
    assert.isTrue(existsSync(`${tree}/a/b/file`));
    yield* task.sysif.barrier();
    assert.equal(descriptors(), open);
    yield* removeTree(task, tree);
    assert.isFalse(existsSync(tree));
  });

  it("is relative to a directory that may only be passed through", function* () {
    const { task } = yield* LocalThread;
    const { root, outside } = yield* places;
    const directory = yield* Directory.make(task, root, O.PATH);
    yield* directory.removeTree("t");
    yield* Effect.scoped(open(task, `${root}/t`, O.CREAT | O.WRONLY));
    yield* directory.removeTree("t");
    assert.deepEqual(readdirSync(root), ["outside"]);
    untouched(outside);
  });
});
