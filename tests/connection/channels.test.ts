import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { Bytes, O } from "@rsyscall/abi";
import { type FileDescriptor, Memfd, pipe } from "@rsyscall/handle";
import { it, launchStub, start, tempDirectory } from "@rsyscall/harness";
import { OutOfSpaceError } from "@rsyscall/memory";
import { getpid, SyscallError } from "@rsyscall/near";
import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The number of our open descriptors, and the stub's descriptors once it has performed all requests. */
const openFds = ({ pid, thread }: StubCall) =>
  Effect.map(thread.task.sysif.barrier(), () => [
    readdirSync("/proc/self/fd").length,
    readdirSync(`/proc/${pid}/fd`),
  ]);

/** Flags of an open descriptor, from /proc and not by a call of the process. */
const flagsOf = (pid: number, fd: number): number =>
  Number.parseInt(
    /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1] ?? "",
    8,
  );

/** The file of a descriptor of a process. */
const inode = (pid: number, { near }: FileDescriptor) => statSync(`/proc/${pid}/fd/${near}`).ino;

/** A stub under a limit by the shell's ulimit: n for descriptors, v for KiB of memory. */
const limitedStub = (resource: "n" | "v", limit: number) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* start("sh", ["-c", `ulimit -${resource} ${limit}; exec "$0"`, `${directory}/stub`]);
    return yield* server.accept();
  });

/** Has a stub open the socket for descriptors that go to it, which it does at the first use. */
const warmUp = ({ thread }: StubCall) => Effect.scoped(thread.connection.openChannels(1));

describe("channels to a stub", () => {
  it("carry data both ways, ten at once, and close on both sides with their scope", function* () {
    const { call } = yield* launchStub;
    const local = yield* LocalThread;
    yield* warmUp(call);
    const before = yield* openFds(call);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const channels = yield* call.thread.connection.openChannels(10);
        assert.equal(channels.length, 10);
        for (const [i, [access, far]] of channels.entries()) {
          assert.equal(access.task, local.task);
          assert.equal(far.task, call.thread.task);
          assert.isOk(flagsOf(call.pid, far.near) & O.CLOEXEC);
          assert.isNotOk(flagsOf(call.pid, far.near) & O.NONBLOCK);
          yield* far.writeAllText(`from the stub ${i}`);
          yield* access.writeAllText(`to the stub ${i}`);
        }
        for (const [i, [access, far]] of channels.entries()) {
          assert.equal(text(yield* access.readBytes(100)), `from the stub ${i}`);
          assert.equal(text(yield* far.readBytes(100)), `to the stub ${i}`);
        }
      }),
    );
    assert.deepEqual(yield* openFds(call), before);
  });

  it("may be none", function* () {
    const { call } = yield* launchStub;
    assert.deepEqual(yield* call.thread.connection.openChannels(0), []);
    assert.deepEqual(yield* call.thread.connection.passTo([]), []);
  });

  it("can wait on our side, interruptibly, and see the end", function* () {
    const { call } = yield* launchStub;
    const channels = yield* call.thread.connection.openAsyncChannels(3);
    assert.equal(channels.length, 3);
    for (const [i, [access, far]] of channels.entries()) {
      assert.isNotOk(flagsOf(call.pid, far.near) & O.NONBLOCK);
      const given = yield* Effect.forkChild(access.readBytes(), { startImmediately: true });
      yield* Fiber.interrupt(given);
      const reading = yield* Effect.forkChild(access.readBytes(), { startImmediately: true });
      assert.isUndefined(reading.pollUnsafe());
      yield* far.writeAllText(`later ${i}`);
      assert.equal(text(yield* Fiber.join(reading)), `later ${i}`);
      yield* far.close();
      assert.equal((yield* access.readBytes()).length, 0);
    }
  });

  it("that the stub has no room for are refused as a whole, and leave nothing open", function* () {
    const call = yield* limitedStub("n", 120);
    const { connection } = call.thread;
    yield* warmUp(call);
    const before = yield* openFds(call);
    const error = yield* Effect.flip(connection.openChannels(150));
    assert.instanceOf(error, SyscallError);
    assert.equal((error as SyscallError).errno, "EMFILE");
    assert.deepEqual(yield* openFds(call), before);
    // The stream is still in step: the next channels are not rests of the last request.
    const [[access, far] = []] = yield* connection.openChannels(1);
    yield* (far as FileDescriptor).writeAllText("in step");
    assert.equal(text(yield* (access as FileDescriptor).readBytes(100)), "in step");
  });
});

describe("descriptors are passed", () => {
  it("both ways, more than a message takes, in their order", function* () {
    const { call } = yield* launchStub;
    const { connection, task } = call.thread;
    const many = yield* Effect.replicateEffect(
      Memfd.make((yield* LocalThread).task, "passed"),
      600,
    );
    const inodes = many.map((fd) => inode(process.pid, fd));
    const there = yield* connection.passTo(many);
    assert.isTrue(there.every((fd) => fd.task === task));
    assert.equal(new Set(there.map((fd) => fd.near)).size, 600);
    assert.deepEqual(
      there.map((fd) => inode(call.pid, fd)),
      inodes,
    );
    assert.isTrue(there.every((fd) => (flagsOf(call.pid, fd.near) & O.CLOEXEC) !== 0));
    const back = yield* connection.passFrom(there);
    assert.deepEqual(
      back.map((fd) => inode(process.pid, fd)),
      inodes,
    );
  });

  it("by many at once, and each gets its own", function* () {
    const { call } = yield* launchStub;
    const { connection } = call.thread;
    const local = (yield* LocalThread).task;
    yield* Effect.forEach(
      Array.from({ length: 30 }, (_, i) => i),
      (i) =>
        Effect.gen(function* () {
          const own = yield* Effect.replicateEffect(Memfd.make(local, `own ${i}`), 1 + (i % 5));
          const there = yield* connection.passTo(own);
          const back = yield* connection.passFrom([...there].reverse());
          assert.deepEqual(
            back.map((fd) => inode(process.pid, fd)),
            own.map((fd) => inode(process.pid, fd)).reverse(),
          );
        }),
      { concurrency: "unbounded" },
    );
  });

  it("all or none of them: where there is no room it is EMFILE", function* () {
    const call = yield* limitedStub("n", 120);
    const { connection } = call.thread;
    const fds = yield* Effect.replicateEffect(
      Memfd.make((yield* LocalThread).task, "too many"),
      300,
    );
    yield* warmUp(call);
    const before = yield* openFds(call);
    for (const count of [300, 130]) {
      const error = yield* Effect.flip(connection.passTo(fds.slice(0, count)));
      assert.equal((error as SyscallError).errno, "EMFILE");
      assert.deepEqual(yield* openFds(call), before);
    }
    const [one] = yield* connection.passTo(fds.slice(7, 8));
    assert.equal(inode(call.pid, one as FileDescriptor), inode(process.pid, fds[7] as Memfd));
  });

  it("and none is taken for another, after the stub had no memory to receive one", function* () {
    const call = yield* limitedStub("v", 8192);
    const { connection, task } = call.thread;
    const local = (yield* LocalThread).task;
    const [lost, next] = [yield* Memfd.make(local, "lost"), yield* Memfd.make(local, "next")];
    yield* Effect.scoped(
      Effect.gen(function* () {
        // Large pieces first, then the gaps between them.
        for (const size of [65_536, 1024, 8])
          yield* Effect.flip(Effect.forever(task.malloc(Bytes, size)));
        assert.instanceOf(yield* Effect.flip(connection.passTo([lost])), OutOfSpaceError);
      }),
    );
    const [there] = yield* connection.passTo([next]);
    assert.equal(inode(call.pid, there as FileDescriptor), inode(process.pid, next));
  });

  it("only while they are open", function* () {
    const { call } = yield* launchStub;
    const fd = yield* Memfd.make((yield* LocalThread).task, "closed");
    yield* fd.close();
    const error = yield* Effect.flip(call.thread.connection.passTo([fd]));
    assert.equal(error._tag, "UseAfterFreeError");
  });
});

describe("a stub's own descriptors", () => {
  it("are waited for while the stub serves other calls", function* () {
    const { call } = yield* launchStub;
    const { thread } = call;
    const [reader, writer] = yield* pipe(thread.task);
    const afd = yield* thread.makeAfd(reader);
    const reading = yield* Effect.forkChild(afd.readBytes(100), { startImmediately: true });
    for (let i = 0; i < 20; i++) assert.equal(yield* getpid(thread.task.sysif), call.pid);
    assert.isUndefined(reading.pollUnsafe());
    yield* writer.writeAllText("ready");
    assert.equal(text(yield* Fiber.join(reading)), "ready");
    // Another process may write, too.
    const again = yield* Effect.forkChild(afd.readBytes(100), { startImmediately: true });
    writeFileSync(`/proc/${call.pid}/fd/${writer.near}`, "by a stranger");
    assert.equal(text(yield* Fiber.join(again)), "by a stranger");
    yield* writer.close();
    assert.equal((yield* afd.readBytes(100)).length, 0);
  });

  it("can be many, and every one wakes its own reader", function* () {
    const { call } = yield* launchStub;
    const { thread } = call;
    const pipes = yield* Effect.replicateEffect(pipe(thread.task), 100);
    const readers = yield* Effect.forEach(pipes, ([reader]) =>
      Effect.flatMap(thread.makeAfd(reader), (afd) => Effect.forkChild(afd.readBytes(100))),
    );
    for (const [i, [, writer]] of [...pipes.entries()].reverse())
      yield* writer.writeAllText(`pipe ${i}`);
    assert.deepEqual(
      (yield* Effect.forEach(readers, Fiber.join)).map(text),
      pipes.map((_, i) => `pipe ${i}`),
    );
  });
});

describe("readToEof of a stub's stdin", () => {
  it("lets other calls go on, can be interrupted at once, and leaves the flags", function* () {
    const { call, caller } = yield* launchStub;
    const { thread } = call;
    const flags = flagsOf(call.pid, 0);
    const reading = yield* Effect.forkChild(thread.readToEof(thread.stdin), {
      startImmediately: true,
    });
    for (let i = 0; i < 20; i++) assert.equal(yield* getpid(thread.task.sysif), call.pid);
    assert.isUndefined(reading.pollUnsafe());
    assert.equal(flagsOf(call.pid, 0), flags, "while it waits");
    yield* Fiber.interrupt(reading);
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(reading)));
    assert.equal(flagsOf(call.pid, 0), flags);
    const again = yield* Effect.forkChild(thread.readTextToEof(thread.stdin));
    caller.stdin?.end("not lost");
    assert.equal(yield* Fiber.join(again), "not lost");
    assert.equal(flagsOf(call.pid, 0), flags);
  });

  it("waits beside that of another pipe", function* () {
    const { call, caller } = yield* launchStub;
    const { thread } = call;
    const [reader, writer] = yield* pipe(thread.task);
    const stdin = yield* Effect.forkChild(thread.readTextToEof(thread.stdin), {
      startImmediately: true,
    });
    const other = yield* Effect.forkChild(thread.readTextToEof(reader), { startImmediately: true });
    yield* writer.writeAllText("through the pipe");
    yield* writer.close();
    assert.equal(yield* Fiber.join(other), "through the pipe");
    assert.isUndefined(stdin.pollUnsafe());
    const large = "0123456789".repeat(100_000);
    caller.stdin?.end(large);
    assert.isTrue((yield* Fiber.join(stdin)) === large);
  });
});

describe("a stub that another stub has bootstrapped", () => {
  it("is connected with us directly: the other may end", function* () {
    const directory = yield* tempDirectory;
    const local = yield* LocalThread;
    const server = yield* StubServer.make(local, directory, "stub");
    const firstCaller = yield* start(`${directory}/stub`);
    const first = yield* server.accept();
    const [, before] = yield* openFds(first);
    const secondCaller = yield* start(`${directory}/stub`);
    const { thread, pid } = yield* server.accept(first.thread);
    assert.equal(pid, secondCaller.pid);
    assert.isTrue(thread.connection.accessTask === local.task);
    assert.deepEqual((yield* openFds(first))[1], before, "what the bootstrap left open in it");
    yield* first.thread.exit(0);
    assert.equal((yield* firstCaller.ended).status, 0);

    const bytes = new Uint8Array(2 ** 20).map((_, i) => (i * 7) % 251);
    const pointer = yield* thread.ptr(bytes);
    assert.equal(Buffer.compare(yield* pointer.read(), bytes), 0);
    const [[access, far] = []] = yield* thread.connection.openChannels(1);
    yield* (far as FileDescriptor).writeAllText("still connected");
    assert.equal(text(yield* (access as FileDescriptor).readBytes(100)), "still connected");
    const stdin = yield* Effect.forkChild(thread.readTextToEof(thread.stdin), {
      startImmediately: true,
    });
    secondCaller.stdin?.end("still read");
    assert.equal(yield* Fiber.join(stdin), "still read");
  });
});
