import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { CLONE } from "@rsyscall/abi";
import { PipeReader } from "@rsyscall/handle";
import {
  eventually,
  hasEnded,
  it,
  launchStub,
  noNamespaces,
  notRoot,
  statusOf,
  tempDirectory,
  untilEnded,
  worksAsync,
} from "@rsyscall/harness";
import { SyscallHangup } from "@rsyscall/near";
import { CommandTask } from "@rsyscall/task-command";
import { PersistentTask, PersistentTaskError } from "@rsyscall/task-persistent";
import { StdinTask } from "@rsyscall/task-stdin";
import { Command, fieldsOf, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";

const env = (...words: ReadonlyArray<string | Uint8Array>) =>
  Command.make("/usr/bin/env", ...(words as ReadonlyArray<string>));

const throughCommand = (from: Thread) =>
  Effect.map(CommandTask.make(from, env), ({ thread }) => thread);

type Way = Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;

/** Kinds of parents, and whether the task then shares memory with us. */
const ways: ReadonlyArray<[name: string, way: Way, sharesMemory: boolean]> = [
  [
    "stdin",
    Effect.flatMap(LocalThread, (local) =>
      Effect.map(StdinTask.make(local, env), ({ thread }) => thread),
    ),
    true,
  ],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread), true],
  ["a command", Effect.flatMap(LocalThread, throughCommand), false],
  [
    "a command in a command",
    Effect.flatMap(Effect.flatMap(LocalThread, throughCommand), throughCommand),
    false,
  ],
];

describe("a persistent task behind another transport", () => {
  for (const [name, way, sharesMemory] of ways)
    it(`outlives it, and is found through another one: ${name}`, function* () {
      const path = `${yield* tempDirectory}/socket`;
      const scope = yield* Scope.make();
      const first = yield* Effect.flatMap(way, (parent) => PersistentTask.make(parent, path)).pipe(
        Scope.provide(scope),
      );
      const { pid } = first.thread.task;
      yield* Effect.addFinalizer(() => {
        if (!hasEnded(pid)) process.kill(pid, "SIGKILL");
        return untilEnded(pid);
      });
      assert.equal(fieldsOf(first.thread).memory !== undefined, sharesMemory);
      yield* worksAsync(first.thread);
      const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
      assert.deepEqual(yield* (yield* first.thread.ptr(bytes)).read(), bytes);
      const [reader, writer] = yield* first.thread.pipe();
      const fd = reader.near;
      yield* first.keep();
      const waiting = yield* Effect.forkChild(Effect.flip(reader.readBytes(1)), {
        startImmediately: true,
      });
      while (!/^(0|63) /.test(readFileSync(`/proc/${pid}/syscall`, "latin1")))
        yield* Effect.yieldNow;
      reader.disown();
      writer.disown();
      yield* Scope.close(scope, Exit.void);
      assert.instanceOf(yield* Fiber.join(waiting), SyscallHangup);

      const second = yield* Effect.flatMap(way, (parent) => PersistentTask.connect(parent, path));
      assert.equal(second.thread.task.pid, pid);
      yield* worksAsync(second.thread);
      yield* second.adopt(fd, PipeReader);
      yield* second.end();
      yield* untilEnded(pid);
    });
});

/** A task that is kept, with the path of its socket, and without its controller. */
const kept = Effect.gen(function* () {
  const path = `${yield* tempDirectory}/socket`;
  const pid = yield* Effect.scoped(
    Effect.gen(function* () {
      const task = yield* PersistentTask.make(yield* LocalThread, path);
      yield* task.keep();
      return task.thread.task.pid;
    }),
  );
  yield* Effect.addFinalizer(() => {
    if (!hasEnded(pid)) process.kill(pid, "SIGKILL");
    // It is a child of this process, which reaps it when it ends.
    return eventually(() => statusOf(pid) === undefined);
  });
  return { path, pid };
});

describe("the path of a persistent task", () => {
  it("is taken over from one that was killed", function* () {
    const { path, pid } = yield* kept;
    const sockets = readdirSync(`/proc/${pid}/fd`).flatMap(
      (fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.slice(1) ?? [],
    );
    process.kill(pid, "SIGKILL");
    yield* untilEnded(pid);
    // A thread of this process closes what it had of the listening socket, and perhaps later than this.
    const inUse = () => readFileSync("/proc/net/unix", "latin1");
    yield* eventually(() => sockets.every((inode) => !inUse().includes(` ${inode} `)));
    assert.isTrue(existsSync(path));
    const task = yield* PersistentTask.make(yield* LocalThread, path);
    assert.notEqual(task.thread.task.pid, pid);
    yield* worksAsync(task.thread);
    yield* task.end();
    assert.isFalse(existsSync(path));
  });

  it("stays that of one that listens, and no error advises to remove it", function* () {
    const { path, pid } = yield* kept;
    const local = yield* LocalThread;
    const error = yield* Effect.flip(PersistentTask.make(local, path));
    assert.instanceOf(error, PersistentTaskError);
    assert.equal((error as PersistentTaskError).reason, "PathTaken");
    assert.include(error.message, `is the socket of a server that listens (pid ${pid})`);
    assert.notInclude(error.message, "remove");
    const task = yield* PersistentTask.connect(local, path);
    yield* worksAsync(task.thread);
    yield* task.end();
  });

  it("is left to others that have taken it meanwhile", function* () {
    const local = yield* LocalThread;
    const { path, pid } = yield* kept;
    const later = yield* PersistentTask.connect(local, path);
    rmSync(path);
    writeFileSync(path, "another");
    yield* later.end();
    yield* untilEnded(pid);
    assert.equal(readFileSync(path, "utf8"), "another");

    const directory = yield* tempDirectory;
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* PersistentTask.make(local, `${directory}/socket`);
        rmSync(`${directory}/socket`);
        writeFileSync(`${directory}/socket`, "another");
      }),
    );
    assert.deepEqual(readdirSync(directory), ["socket"]);
  });
});

describe.skipIf(noNamespaces !== undefined)("a persistent task in a pid namespace", () => {
  it("numbers its children as it does itself, though /proc is that of the host", function* () {
    const local = yield* LocalThread;
    const inside = yield* local.clone(CLONE.NEWPID | (notRoot === undefined ? 0 : CLONE.NEWUSER));
    const path = `${yield* tempDirectory}/socket`;
    const task = yield* PersistentTask.make(inside, path);
    assert.isBelow(task.thread.task.pid, 10);
    const { pid } = yield* task.thread.spawn(Command.make("/bin/sleep", "1000"));
    assert.isBelow(pid, 10);
    const [child] = yield* task.children();
    assert.deepEqual(child, { pid, command: "/bin/sleep 1000", hasEnded: false });
    yield* (yield* task.adoptChild(pid)).kill();
    yield* task.end();
  });
});
