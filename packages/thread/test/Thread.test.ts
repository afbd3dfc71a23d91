import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { O, SIG, SigHow } from "@rsyscall/abi";
import { learnNamespaces, sigprocmask } from "@rsyscall/handle";
import { it, launchStub } from "@rsyscall/harness";
import { getpid, InvalidArgumentError, type SyscallError, call as syscall } from "@rsyscall/near";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { LocalThread } from "../src/index.ts";

describe("the Thread of a stub", () => {
  it("is that process: its ids and namespaces are what /proc says", function* () {
    const { call, caller } = yield* launchStub;
    const { task } = call.thread;
    assert.equal(task.pid, caller.pid);
    yield* learnNamespaces(call.thread);
    const kinds = Object.entries(task.namespaces);
    assert.equal(kinds.length, 8);
    for (const [kind, { id }] of kinds)
      assert.equal(readlinkSync(`/proc/${caller.pid}/ns/${kind}`), `${kind}:[${id}]`);
    const local = (yield* LocalThread).task;
    assert.isTrue(task.namespaces.mnt.is(local.namespaces.mnt));
    assert.isFalse(task.fdTable === local.fdTable);
  });

  it("writes files as that process does: cut by its umask, in its directory", function* () {
    const { call, directory } = yield* launchStub;
    const { thread } = call;
    yield* syscall(thread.task.sysif, "umask", 0o027);
    const bytes = Uint8Array.from({ length: 600_000 }, (_, i) => (i * 31) % 256);
    yield* thread.spit(`${directory}/binary`, bytes, 0o666);
    assert.equal(statSync(`${directory}/binary`).mode & 0o777, 0o640);
    assert.equal(Buffer.compare(readFileSync(`${directory}/binary`), bytes), 0);
    assert.equal(Buffer.compare(yield* thread.slurp(`${directory}/binary`), bytes), 0);
    yield* thread.spit(`${directory}/binary`, "");
    assert.equal(statSync(`${directory}/binary`).size, 0);
    assert.equal((yield* thread.slurp(`${directory}/binary`)).length, 0);
    // A close travels and is not waited for; whoever has answered after it has closed.
    const descriptors = Effect.map(thread.task.sysif.barrier(), () =>
      readdirSync(`/proc/${call.pid}/fd`),
    );
    const before = yield* descriptors;
    // Of what has no end, no more than may come.
    for (const limit of [0, 1, 500_000])
      assert.include(
        (yield* Effect.flip(thread.slurp("/dev/zero", { limit }))).message,
        `/dev/zero is longer than ${limit} bytes`,
      );
    yield* thread.spit(`${directory}/binary`, bytes);
    assert.equal((yield* thread.slurp(`${directory}/binary`, { limit: 600_000 })).length, 600_000);
    const tooLong = yield* Effect.flip(thread.slurp(`${directory}/binary`, { limit: 599_999 }));
    assert.deepInclude({ ...tooLong }, { _tag: "TooLongError", limit: 599_999 });
    for (const limit of [Number.NaN, -1, 0.5])
      assert.deepInclude(
        { ...(yield* Effect.flip(thread.slurp("/dev/zero", { limit }))) },
        { _tag: "InvalidArgumentError", argument: "limit", value: limit },
      );
    const zeros = yield* thread.open("/dev/zero", O.RDONLY);
    const endless = yield* Effect.flip(thread.readToEof(zeros, { limit: 300_000 }));
    assert.deepInclude({ ...endless }, { _tag: "TooLongError", limit: 300_000 });
    yield* zeros.close();
    // A file that says it has no size.
    const status = new TextDecoder().decode(yield* thread.slurp("/proc/self/status"));
    assert.match(status, new RegExp(`^Pid:\\s${call.pid}$`, "m"));
    assert.deepEqual(yield* descriptors, before);
  });

  it("tells of files that are not to be had, by call, errno and path", function* () {
    const { call, directory } = yield* launchStub;
    writeFileSync(`${directory}/file`, "");
    const cases: ReadonlyArray<[path: string, errno: string]> = [
      [`${directory}/missing/file`, "ENOENT"],
      [`${directory}/file/below`, "ENOTDIR"],
      [directory, "EISDIR"],
    ];
    for (const [path, errno] of cases) {
      const error = (yield* Effect.flip(call.thread.spit(path, "x"))) as SyscallError;
      assert.equal(error.errno, errno);
      assert.equal(error.subject, path);
      assert.equal(error.code, errno);
      assert.equal(error.path, path);
      assert.include(error.message, path);
    }
    const nul = yield* Effect.flip(call.thread.spit(`${directory}/with\0NUL`, "x"));
    // The NUL is not printed as it is.
    assert.include(nul.message, `openat: path is "${directory}/with\\0NUL", and must be`);
    assert.deepEqual(readdirSync(directory).toSorted(), ["file", "stub", "stub.sock"]);
  });

  for (const status of [-1, 256, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32])
    it(`does not exit with ${status}, and lives`, function* () {
      const { call, caller } = yield* launchStub;
      const error = yield* Effect.flip(call.thread.exit(status));
      assert.instanceOf(error, InvalidArgumentError);
      assert.deepInclude(
        { ...error },
        { syscall: "exit_group", argument: "status", value: status },
      );
      assert.equal(yield* getpid(call.thread.task.sysif), caller.pid);
      yield* call.thread.exit(255);
      assert.equal((yield* caller.ended).status, 255);
    });

  it("ends by a signal that it has blocked itself", function* () {
    const { call, caller } = yield* launchStub;
    yield* sigprocmask(call.thread.task, SigHow.BLOCK, new Set([SIG.TERM, SIG.USR1]));
    yield* call.thread.raise(SIG.USR1);
    assert.equal((yield* caller.ended).signal, "SIGUSR1");
  });

  it("refuses a signal that there is not", function* () {
    const { call, caller } = yield* launchStub;
    for (const signal of [-1, 0, 65, 1000, 1.5]) {
      const error = yield* Effect.flip(call.thread.raise(signal));
      assert.instanceOf(error, InvalidArgumentError);
      assert.deepInclude({ ...error }, { syscall: "kill", argument: "signal", value: signal });
    }
    assert.equal(yield* getpid(call.thread.task.sysif), caller.pid);
    yield* call.thread.exit(0);
  });
});

describe("streams of a Thread", () => {
  const places = [
    ["here", LocalThread],
    ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
    ["in a fork of a stub", Effect.flatMap(launchStub, ({ call }) => call.thread.fork())],
  ] as const;
  for (const [where, threadOf] of places) {
    it(`write to a pipe that is full ${where}, and hold up nothing else`, function* () {
      const thread = yield* threadOf;
      const [reader, writer] = yield* thread.pipe();
      const sent = Uint8Array.from({ length: 500_000 }, (_, i) => (i * 7) % 251);
      const writing = yield* Effect.forkChild(
        Effect.andThen(
          Stream.run(
            Stream.fromArray([sent.subarray(0, 1), sent.subarray(1)]),
            thread.sink(writer),
          ),
          writer.close(),
        ),
        { startImmediately: true },
      );
      // The pipe holds 64 KiB, and the process answers all the same.
      for (let i = 0; i < 10; i++) assert.equal(yield* getpid(thread.task.sysif), thread.task.pid);
      assert.isUndefined(writing.pollUnsafe());
      const parts = yield* Stream.runCollect(thread.stream(reader, 10_000));
      yield* Fiber.join(writing);
      assert.isTrue(parts.every(({ length }) => length <= 10_000));
      assert.equal(Buffer.compare(Buffer.concat(parts), sent), 0);
    });

    it(`are left at once when they are interrupted ${where}, with nothing lost`, function* () {
      const thread = yield* threadOf;
      const [reader, writer] = yield* thread.pipe();
      const reading = yield* Effect.forkChild(Stream.runDrain(thread.stream(reader)), {
        startImmediately: true,
      });
      yield* thread.task.sysif.barrier();
      yield* Fiber.interrupt(reading);
      yield* writer.writeAllText("still there");
      yield* writer.close();
      assert.equal(yield* thread.readTextToEof(reader), "still there");
    });
  }

  it("carry bytes between two Threads", function* () {
    const { call } = yield* launchStub;
    const local = yield* LocalThread;
    const child = yield* local.fork();
    const [there, thereEnd] = yield* call.thread.pipe();
    const [here, hereEnd] = yield* child.pipe();
    const sent = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 13) % 255);
    yield* Effect.forkChild(Effect.andThen(call.thread.writeAll(thereEnd, sent), thereEnd.close()));
    yield* Effect.forkChild(
      Effect.andThen(Stream.run(call.thread.stream(there), child.sink(hereEnd)), hereEnd.close()),
    );
    assert.equal(Buffer.compare(yield* child.readToEof(here), sent), 0);
  });
});
