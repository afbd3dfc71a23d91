import { readFileSync, writeFileSync } from "node:fs";
import { O } from "@rsyscall/abi";
import { Memfd, open, pipe } from "@rsyscall/handle";
import { it, wires } from "@rsyscall/harness";
import { call, getpid, SyscallError, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

describe.each(wires)("system calls in a stub, %s", (_wire, launchStub) => {
  it("answers a thousand at once, each with its own result, in order", function* () {
    const { call: stub } = yield* launchStub;
    const { task } = stub.thread;
    const order: Array<number> = [];
    const results = yield* Effect.all(
      Array.from({ length: 1000 }, (_, i) =>
        Effect.tap(call(task.sysif, "umask", i % 0o777), () => Effect.sync(() => order.push(i))),
      ),
      { concurrency: "unbounded" },
    );
    // umask(2) gives the mask that the request before has set.
    for (let i = 1; i < results.length; i++) assert.equal(results[i], (i - 1) % 0o777);
    assert.deepEqual(
      order,
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("gives a result although the next call blocks", function* () {
    const { call: stub } = yield* launchStub;
    const { task } = stub.thread;
    const [reader, writer] = yield* pipe(task);
    // Both requests leave in one write; only the first can be answered.
    const pid = yield* Effect.forkChild(getpid(task.sysif), { startImmediately: true });
    const read = yield* Effect.forkChild(reader.readBytes(10), { startImmediately: true });
    assert.equal(yield* Fiber.join(pid), stub.pid);
    assert.isUndefined(read.pollUnsafe());
    // The stub is inside read(2): another process must write.
    writeFileSync(`/proc/${stub.pid}/fd/${writer.near}`, "now");
    assert.equal(new TextDecoder().decode(yield* Fiber.join(read)), "now");
  });

  it("waits for a call that was sent, although the fiber is interrupted", function* () {
    const { call: stub } = yield* launchStub;
    const [reader, writer] = yield* pipe(stub.thread.task);
    const reading = yield* Effect.forkChild(reader.readBytes(10), { startImmediately: true });
    const interrupting = yield* Effect.forkChild(Fiber.interrupt(reading), {
      startImmediately: true,
    });
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
    assert.isUndefined(reading.pollUnsafe());
    writeFileSync(`/proc/${stub.pid}/fd/${writer.near}`, "x");
    yield* Fiber.join(interrupting);
    assert.equal(yield* getpid(stub.thread.task.sysif), stub.pid);
  });

  it("names the call, the errno and the path of an error", function* () {
    const { call: stub, directory } = yield* launchStub;
    const path = `${directory}/missing/file`;
    const error = yield* Effect.flip(open(stub.thread.task, path, O.RDONLY));
    assert.instanceOf(error, SyscallError);
    assert.equal((error as SyscallError).errno, "ENOENT");
    assert.equal((error as SyscallError).number, 2);
    assert.include(error.message, "open");
    assert.include(error.message, path);
  });

  it("fails pending calls with SyscallHangup when the stub is killed, later ones unsent", function* () {
    const { call: stub, caller } = yield* launchStub;
    const { task } = stub.thread;
    const [reader] = yield* pipe(task);
    const reading = yield* Effect.forkChild(reader.readBytes(1), { startImmediately: true });
    const queued = yield* Effect.forkChild(getpid(task.sysif), { startImmediately: true });
    // The stub is inside the read once the kernel says so.
    yield* Effect.promise(async () => {
      while (!readFileSync(`/proc/${stub.pid}/syscall`, "utf8").startsWith("0 "))
        await new Promise((resolve) => setImmediate(resolve));
    });
    process.kill(stub.pid, "SIGKILL");
    for (const fiber of [reading, queued]) {
      const error = yield* Effect.flip(Fiber.join(fiber as Fiber.Fiber<unknown, unknown>));
      assert.instanceOf(error, SyscallHangup);
    }
    assert.instanceOf(yield* Effect.flip(getpid(task.sysif)), SyscallSendError);
    assert.equal((yield* caller.ended).signal, "SIGKILL");
  });

  it("keeps numbers exact, and masks of 64 bits whole", function* () {
    const { call: stub } = yield* launchStub;
    const { sysif } = stub.thread.task;
    const lseek = sysif.abi.syscallNumber("lseek") as number;
    const { near: fd } = yield* Memfd.make(stub.thread.task, "offsets");
    for (const offset of [0, 2 ** 31, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1])
      assert.equal(yield* sysif.syscall(lseek, fd, offset, 0), offset);
    assert.equal(yield* sysif.syscall(lseek, fd, 2n ** 62n + 1n, 0), 2n ** 62n + 1n);
    assert.equal(yield* sysif.syscall(lseek, fd, -1, 0), -22);
  });
});
