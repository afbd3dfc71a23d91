import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { Arena } from "@rsyscall/connection";
import { schedGetaffinity, schedSetaffinity } from "@rsyscall/handle";
import {
  execute,
  it,
  launchStub,
  refuse,
  start,
  statusOf,
  tempDirectory,
  turn,
  worksAsync,
} from "@rsyscall/harness";
import { batchThen, getpid } from "@rsyscall/near";
import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { Command, fieldsOf, LocalThread, type Thread } from "@rsyscall/thread";
import { REQUEST_SIZE } from "@rsyscall/wire";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

/** Bytes that a process has read, from sockets too: proc(5). */
const bytesRead = (pid: number): number =>
  Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1]);

/** Bytes that a process reads for every call, if it makes many. */
const readForACall = (thread: Thread, pid: number) =>
  Effect.gen(function* () {
    const { sysif } = thread.task;
    yield* getpid(sysif);
    const before = bytesRead(pid);
    const count = 500;
    for (let i = 0; i < count; i++) yield* getpid(sysif);
    return (bytesRead(pid) - before) / count;
  });

/** A bell is a byte, or none. */
const usesRing = (thread: Thread, pid: number) =>
  Effect.map(readForACall(thread, pid), (bytes) => assert.isBelow(bytes, REQUEST_SIZE / 4));

const usesSocket = (thread: Thread, pid: number) =>
  Effect.map(readForACall(thread, pid), (bytes) => assert.isAtLeast(bytes, REQUEST_SIZE));

/** A stub that a shell has launched, after a command of its own. */
const launchedAfter = (command: string, options: StubServerOptions = {}) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", options);
    yield* start("sh", ["-c", `${command}; exec "$0"`, `${directory}/stub`]);
    return yield* server.accept();
  });

/** Waits until a process sleeps. */
const untilAsleep = (pid: number) =>
  Effect.gen(function* () {
    while (statusOf(pid) !== "S") yield* turn;
  });

describe("the ring", () => {
  it("carries the calls of a stub, and of its children and theirs", function* () {
    const { call } = yield* launchStub;
    assert.isTrue(fieldsOf(call.thread).memory instanceof Arena);
    yield* usesRing(call.thread, call.pid);
    const child = yield* call.thread.fork();
    yield* usesRing(child, child.process.pid);
    const grandchild = yield* child.fork();
    yield* usesRing(grandchild, grandchild.process.pid);
    yield* usesRing(call.thread, call.pid);
  });

  it("carries the calls of children of the local thread, and of theirs", function* () {
    const child = yield* (yield* LocalThread).fork();
    yield* usesRing(child, child.process.pid);
    const grandchild = yield* child.fork();
    yield* usesRing(grandchild, grandchild.process.pid);
  });

  it("is there for the next child that gets the same stack", function* () {
    for (const parent of [(yield* launchStub).call.thread, yield* LocalThread])
      for (let i = 0; i < 5; i++)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const child = yield* parent.fork();
            for (let calls = 0; calls < 10 * i; calls++)
              assert.equal(yield* getpid(child.task.sysif), child.process.pid);
          }),
        );
  });

  it("tells the results of a batch, although what is behind it asks for none", function* () {
    const { call } = yield* launchStub;
    const { sysif } = call.thread.task;
    const calls = [getpid(sysif), getpid(sysif)] as const;
    assert.deepEqual(yield* batchThen(calls, Effect.succeed(1)), [[call.pid, call.pid], 1]);
    assert.equal(yield* Effect.flip(batchThen(calls, Effect.fail("last"))), "last");
  });

  it("keeps the order of calls and memory while the stub is stopped and continued", function* () {
    const { call } = yield* launchStub;
    const { thread } = call;
    process.kill(call.pid, "SIGSTOP");
    while (statusOf(call.pid) !== "T") yield* turn;
    const pointer = yield* Effect.forkChild(
      Effect.all(
        Array.from({ length: 200 }, (_, i) =>
          Effect.scoped(Effect.flatMap(thread.ptr(`text ${i}`), (it) => it.read())),
        ),
        { concurrency: "unbounded" },
      ),
      { startImmediately: true },
    );
    // Only the fibers that asked wait for it.
    assert.equal((yield* execute("/bin/true")).status, 0);
    process.kill(call.pid, "SIGCONT");
    assert.deepEqual(
      yield* Fiber.join(pointer),
      Array.from({ length: 200 }, (_, i) => `text ${i}`),
    );
  });

  it("gives pages back when a large pointer is freed", function* () {
    const { call } = yield* launchStub;
    const arenas = readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith("/memfd:rsyscall");
      } catch {
        return false;
      }
    });
    assert.equal(arenas.length, 1);
    const kib = () => statSync(`/proc/self/fd/${arenas[0]}`).blocks / 2;
    const size = 8 * 1024 * 1024;
    const before = kib();
    assert.isBelow(before, 1024, "only what is touched takes memory");
    yield* Effect.scoped(call.thread.ptr(new Uint8Array(size).fill(1)));
    assert.isBelow(kib(), before + 256);
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* call.thread.ptr(new Uint8Array(size).fill(1));
        assert.isAtLeast(kib(), size / 1024);
      }),
    );
    assert.isBelow(kib(), before + 256);
  });
});

describe("without an arena", () => {
  const stubs: Record<string, Effect.Effect<StubCall, unknown, never>> = {
    "because it is not wanted": launchedAfter(":", { sharedMemory: false }) as never,
    "because files may not be large": launchedAfter("ulimit -f 1000") as never,
    "because there is no address space": launchedAfter("ulimit -v 1000") as never,
  };
  for (const [name, launched] of Object.entries(stubs))
    it(`${name}, there are sockets`, function* () {
      const call = yield* launched;
      assert.isUndefined(fieldsOf(call.thread).memory);
      yield* usesSocket(call.thread, call.pid);
      yield* worksAsync(call.thread);
      const bytes = new Uint8Array(100_000).fill(3);
      if (!name.includes("space")) {
        const pointer = yield* call.thread.ptr(bytes);
        assert.equal(Buffer.compare(yield* pointer.read(), bytes), 0);
        const child = yield* call.thread.fork();
        yield* usesSocket(child, child.process.pid);
      }
    });

  it("because memfd_create(2) is refused, there are sockets", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* start(`${directory}/stub`);
    const first = yield* server.accept();
    for (const errno of ["ENOSYS", "EPERM"] as const) {
      yield* refuse(first.thread, "memfd_create", errno);
      yield* first.thread.spawn(Command.make(`${directory}/stub`));
      const { thread, pid } = yield* server.accept();
      assert.isUndefined(fieldsOf(thread).memory);
      yield* usesSocket(thread, pid);
      yield* worksAsync(thread);
      yield* thread.exit(0);
    }
  });

  it("because its server listens in another process, there are sockets", function* () {
    const { call: other } = yield* launchStub;
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(other.thread, directory, "stub");
    yield* start(`${directory}/stub`);
    const { thread, pid } = yield* server.accept();
    assert.isUndefined(fieldsOf(thread).memory);
    yield* usesSocket(thread, pid);
    yield* worksAsync(thread);
  });

  it("works although another thread does the bootstrap, with whatever there is", function* () {
    const { call: other } = yield* launchStub;
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* start(`${directory}/stub`);
    const { thread, pid } = yield* server.accept(other.thread);
    yield* (fieldsOf(thread).memory === undefined ? usesSocket : usesRing)(thread, pid);
    yield* worksAsync(thread);
    const pointer = yield* thread.ptr("text");
    assert.equal(yield* pointer.read(), "text");
  });

  it("does not begin where the arena is as small as it has to be: it is used", function* () {
    const call = yield* launchedAfter("ulimit -v 4000");
    yield* usesRing(call.thread, call.pid);
    yield* worksAsync(call.thread);
  });
});

/** A process's nanoseconds of CPU time, and the times that it was scheduled: proc_pid_schedstat(5). */
const schedstat = (pid: number): string => {
  const [ran, , times] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
  return `${ran} ${times}`;
};

describe("two that are idle", () => {
  for (const [name, prepare] of [
    ["use no CPU at all", () => Effect.void],
    [
      "use none although the clock is refused",
      (thread: Thread) => refuse(thread, "clock_gettime", "EPERM"),
    ],
  ] as const)
    it(name, function* () {
      const { call } = yield* launchStub;
      yield* prepare(call.thread);
      const child = yield* call.thread.fork();
      for (const { thread, pid } of [call, { thread: child, pid: child.process.pid }]) {
        yield* getpid(thread.task.sysif);
        yield* untilAsleep(pid);
        const before = schedstat(pid);
        // Other programs run meanwhile, for some time.
        for (let i = 0; i < 5; i++) assert.equal((yield* execute("/bin/true")).status, 0);
        assert.equal(schedstat(pid), before);
        assert.equal(yield* getpid(thread.task.sysif), pid);
      }
    });
});

describe("on one CPU for both", () => {
  it("works, and neither spins; with two again, both know", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const arena = fieldsOf(call.thread).memory as Arena;
    /** The numbers of CPUs that the server and the client report. */
    const cpus = () => {
      const header = arena.read(arena.address, 16);
      const view = new DataView(header.buffer, header.byteOffset);
      return [view.getInt32(8, true), view.getInt32(12, true)];
    };
    const all = yield* schedGetaffinity(task);
    const [only] = all as ReadonlySet<number>;
    const several = all.size > 1;
    const calls = Effect.gen(function* () {
      for (let i = 0; i < 200; i++) {
        if (i % 5 === 0) yield* untilAsleep(call.pid);
        assert.equal(yield* getpid(call.thread.task.sysif), call.pid);
      }
    });
    yield* Effect.acquireUseRelease(
      Effect.andThen(
        schedSetaffinity(task, 0, new Set([only as number])),
        schedSetaffinity(call.thread.task, 0, new Set([only as number])),
      ),
      () =>
        Effect.gen(function* () {
          yield* calls;
          assert.deepEqual(cpus(), [only, only]);
          const child = yield* call.thread.fork();
          for (let i = 0; i < 50; i++)
            assert.equal(yield* getpid(child.task.sysif), child.process.pid);
          const many = Array.from({ length: 1000 }, () => getpid(child.task.sysif));
          assert.equal(new Set(yield* Effect.all(many, { concurrency: "unbounded" })).size, 1);
          yield* worksAsync(call.thread);
        }),
      () => Effect.orDie(schedSetaffinity(task, 0, all)),
    );
    if (!several) return;
    yield* schedSetaffinity(call.thread.task, 0, all);
    yield* calls;
    assert.deepEqual(cpus(), [-1, -1]);
  });
});
