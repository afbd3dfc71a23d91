import { writeFileSync } from "node:fs";
import { Bytes } from "@rsyscall/abi";
import { it, start, tempDirectory, wires } from "@rsyscall/harness";
import { OutOfSpaceError } from "@rsyscall/memory";
import { Address, getpid, pipelined, SyscallError, SyscallHangup } from "@rsyscall/near";
import { StubServer } from "@rsyscall/stub-server";
import { fieldsOf, LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";

/** Bytes that show every shift or swap. */
const pattern = (size: number, seed = 1): Uint8Array => {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761);
  return new Uint8Array(words.buffer, 0, size);
};

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe.each(wires)("memory of a stub, %s", (wire, launchStub) => {
  const isShared = wire === "through shared memory";

  for (const size of [1, 64, 4095, 4096, 4097, 65_537, 2 ** 20, 2 ** 26])
    it(`takes ${size} bytes there and back`, function* () {
      const { call } = yield* launchStub;
      const bytes = pattern(size);
      const pointer = yield* call.thread.ptr(bytes);
      assert.isTrue(same(yield* pointer.read(), bytes));
    });

  it("keeps many reads and writes apart that are under way together", function* () {
    const { call } = yield* launchStub;
    yield* Effect.forEach(
      Array.from({ length: 50 }, (_, i) => i),
      (i) =>
        Effect.scoped(
          Effect.gen(function* () {
            const bytes = pattern(1 + i * 5003, i);
            const pointer = yield* call.thread.ptr(bytes);
            const other = yield* call.thread.malloc(Bytes, 100);
            const written = yield* other.write(pattern(100, -i));
            const [first, second] = yield* Effect.all([pointer.read(), written.read()], {
              concurrency: "unbounded",
            });
            assert.isTrue(same(first, bytes));
            assert.isTrue(same(second, pattern(100, -i)));
          }),
        ),
      { concurrency: "unbounded" },
    );
  });

  it("does not lose step when the stub is stopped and continued in the middle", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const bytes = pattern(2 ** 24);
    const pointer = yield* call.thread.ptr(bytes);
    // Behind calls in flight the stub copies shared memory.
    const round = pipelined([
      ...Array.from({ length: 20 }, () => getpid(task.sysif)),
      pointer.read(),
    ]);
    const running = yield* Effect.forkChild(Effect.all([round, round, round, round, round]), {
      startImmediately: true,
    });
    let stops = 0;
    while (running.pollUnsafe() === undefined) {
      process.kill(call.pid, "SIGSTOP");
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
      process.kill(call.pid, "SIGCONT");
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)));
      stops++;
    }
    if (!isShared) assert.isAbove(stops, 3);
    for (const results of yield* Fiber.join(running)) {
      assert.deepEqual(new Set(results.slice(0, -1)), new Set([call.pid]));
      assert.isTrue(same(results.at(-1) as Uint8Array, bytes));
    }
    assert.equal(yield* getpid(task.sysif), call.pid);
  });

  it("answers EFAULT to a read of memory that is not there, and goes on", function* () {
    const { call } = yield* launchStub;
    const { sysif } = call.thread.task;
    const error = yield* Effect.flip(sysif.read(Address(16), 100_000));
    assert.instanceOf(error, SyscallError);
    assert.equal((error as SyscallError).errno, "EFAULT");
    const pointer = yield* call.thread.ptr("still there");
    assert.equal(yield* pointer.read(), "still there");
  });

  it("ends when a write fails, because later calls would see other memory", function* () {
    const { call, caller } = yield* launchStub;
    const { sysif } = call.thread.task;
    yield* sysif.write(Address(16), pattern(100));
    const error = yield* Effect.flip(sysif.barrier());
    assert.match(error._tag, /^Syscall(Hangup|SendError)$/);
    assert.equal((yield* caller.ended).status, 69);
  });

  it("refuses what its allocator may not map, and goes on", function* () {
    const { call } = yield* launchStub;
    const error = yield* Effect.flip(call.thread.malloc(Bytes, 2 ** 31));
    assert.instanceOf(error, OutOfSpaceError);
    assert.equal(error.requested, 2 ** 31);
    const pointer = yield* call.thread.ptr("room enough");
    assert.equal(yield* pointer.read(), "room enough");
  });

  it("refuses what the kernel does not give, and goes on", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", {
      sharedMemory: isShared,
    });
    // 16 MiB of address space.
    yield* start("sh", ["-c", 'ulimit -v 16384; exec "$0"', `${directory}/stub`]);
    const { thread } = yield* server.accept();
    const error = yield* Effect.flip(thread.ptr(pattern(2 ** 26)));
    assert.instanceOf(error, OutOfSpaceError);
    assert.equal(fieldsOf(thread).memory !== undefined, isShared);
    // The arena has its smallest size, and nothing else is mapped.
    if (!isShared) assert.equal((error.cause as SyscallError).errno, "ENOMEM");
    const pointer = yield* thread.ptr(pattern(2 ** 20));
    assert.isTrue(same(yield* pointer.read(), pattern(2 ** 20)));
  });

  it("takes as much behind a call that is on its way as before it", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", {
      sharedMemory: isShared,
    });
    // 2 MiB of address space: more than half of it cannot be allocated twice.
    yield* start("sh", ["-c", 'ulimit -v 2000; exec "$0"', `${directory}/stub`]);
    const { thread, pid } = yield* server.accept();
    const bytes = pattern(600 * 1024);
    const there = Effect.scoped(Effect.flatMap(thread.ptr(bytes), (pointer) => pointer.read()));
    assert.isTrue(same(yield* there, bytes));
    const [reader, writer] = yield* thread.pipe();
    yield* Effect.forkChild(reader.readBytes(1), { startImmediately: true });
    const waiting = yield* Effect.forkChild(there, { startImmediately: true });
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
    writeFileSync(`/proc/${pid}/fd/${writer.near}`, "x");
    assert.isTrue(same(yield* Fiber.join(waiting), bytes));
  });

  it("fails pending transfers when the stub dies", function* () {
    const { call } = yield* launchStub;
    const pointer = yield* call.thread.ptr(pattern(2 ** 25));
    const [reader] = yield* call.thread.pipe();
    yield* Effect.forkChild(Effect.exit(reader.readBytes(1)), { startImmediately: true });
    const reading = yield* Effect.forkChild(pointer.read(), { startImmediately: true });
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
    process.kill(call.pid, "SIGKILL");
    assert.instanceOf(yield* Effect.flip(Fiber.join(reading)), SyscallHangup);
  });

  it("gives every read an end when the stub exits behind it", function* () {
    // Result, bytes and the end of both sockets come together, in whichever order epoll tells.
    for (const size of [1, 4096, 100_000]) {
      const { call } = yield* launchStub;
      const pointer = yield* call.thread.ptr(pattern(size));
      const reading = yield* Effect.forkChild(pointer.read(), { startImmediately: true });
      yield* call.thread.exit(0);
      const exit = yield* Fiber.await(reading);
      if (Exit.isSuccess(exit)) assert.isTrue(same(exit.value, pattern(size)));
      else assert.instanceOf(yield* Effect.flip(exit), SyscallHangup);
    }
  });
});
