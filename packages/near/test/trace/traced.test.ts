import { it } from "@rsyscall/harness";
import { Effect, Exit } from "effect";
import { assert, describe } from "vitest";
import {
  Address,
  batch,
  decorated,
  getpid,
  getuid,
  LocalSyscallInterface,
  PendingCall,
  SyscallHangup,
  type TraceSink,
  traced,
  undecorated,
} from "../../src/index.ts";
import { local } from "../local.ts";
import { scripted, turn } from "./scripted.ts";

const A = 0x10000;
const text = (string: string) => new TextEncoder().encode(string);

describe("a traced interface", () => {
  it("submits what it is told, in that order, and nothing else", function* () {
    const task = scripted();
    task.write(A, text("x"));
    task.later("getpid");
    task.later("read", 5, A, 10);
    task.sysif.direct?.settle();
    task.read(A, 10);
    assert.deepEqual(task.submitted, ["write memory", "getpid", "read", "settle", "read memory"]);
    yield* turn;
  });

  it("is known for what it decorates", function* () {
    const through = traced(
      decorated(local, () => ({})),
      () => {},
    );
    assert.equal(undecorated(through), local);
    assert.equal(LocalSyscallInterface.of(through), local);
    assert.isUndefined(LocalSyscallInterface.of(scripted().sysif));
    const [pid] = yield* batch([getpid(through), getuid(through)]);
    assert.equal(pid, process.pid);
  });

  it("tells ends in their order, and what is in flight in front of a call", function* () {
    const task = scripted();
    const calls = ["getpid", "getuid", "getgid"].map((name) => task.later(name));
    assert.deepEqual(task.lines, []);
    for (const [i, call] of calls.entries()) call.complete(i);
    assert.deepEqual(task.lines, ["getpid() = 0", "getuid() = 1", "getgid() = 2"]);
    assert.deepEqual(
      task.calls.map(({ behind }) => behind),
      [0, 1, 2],
    );
    assert.isTrue(task.calls.every(({ duration = -1 }) => duration >= 0));
    yield* Effect.void;
  });

  it("does not await a call, which the connection would take its time for", function* () {
    const task = scripted();
    const call = task.later("getpid");
    assert.isFalse(call.isAwaited);
    call.whenDone(() => {});
    call.complete(1);
    assert.deepEqual(task.lines, ["getpid() = 1"]);
    yield* Effect.void;
  });

  it("gives each read to the call that has filled in the memory last", function* () {
    const task = scripted();
    const [first, second] = [task.later("read", 5, A, 10), task.later("read", 6, A + 20, 10)];
    first.complete(1);
    second.complete(1);
    task.fill(A + 20, text("b"));
    task.read(A + 20, 1);
    assert.deepEqual(task.lines, [], "the first is still waited for");
    task.fill(A, text("a"));
    task.read(A, 1);
    assert.deepEqual(task.lines, ['read(5, "a", 10) = 1', 'read(6, "b", 10) = 1']);
    yield* Effect.void;
  });

  it("gives one read to all the calls that have filled in a part of the memory", function* () {
    const task = scripted();
    task.call(1, "read", 5, A, 1);
    task.call(1, "read", 6, A + 1, 1);
    task.fill(A, text("ab"));
    task.read(A, 2);
    assert.deepEqual(task.lines, ['read(5, "a", 1) = 1', 'read(6, "b", 1) = 1']);
    yield* Effect.void;
  });

  it("tells several sinks of a call in flight", function* () {
    const { bare } = scripted();
    const lines: Array<string> = [];
    const call = new PendingCall(39);
    const sink: TraceSink = ({ _tag, call }) => {
      if (_tag === "Ended") lines.push(String(call));
    };
    const pending = decorated(bare, () => ({ direct: { submit: () => call, settle: () => {} } }));
    traced(traced(pending, sink), sink).direct?.submit(39, 0, 0, 0, 0, 0, 0);
    call.complete(7);
    assert.deepEqual(lines, ["getpid() = 7", "getpid() = 7"]);
    yield* Effect.void;
  });

  it("shows the address of memory that the program does not read, and never its earlier content", function* () {
    const task = scripted();
    task.write(A, text("old"));
    task.call(3, "read", 5, A, 3);
    task.call(3, "write", 1, A, 3);
    yield* turn;
    assert.deepEqual(task.lines, ["read(5, 0x10000, 3) = 3", "write(1, 0x10000, 3) = 3"]);
  });

  it("does not take what comes later for what a call has filled in", function* () {
    const task = scripted();
    task.call(3, "read", 5, A, 3);
    task.write(A, text("new"));
    task.read(A, 3);
    yield* turn;
    assert.deepEqual(task.lines, ["read(5, 0x10000, 3) = 3"]);
  });

  it("knows what it has read, when it is written", function* () {
    const task = scripted();
    task.call(3, "read", 5, A, 10);
    task.fill(A, text("abc"));
    task.read(A, 3);
    task.call(2, "write", 1, A + 1, 2);
    assert.deepEqual(task.lines, ['read(5, "abc", 10) = 3', 'write(1, "bc", 2) = 2']);
    yield* Effect.void;
  });

  it("keeps little of what is large, and forgets what is old", function* () {
    const task = scripted();
    task.write(A, new Uint8Array(64 * 1024 * 1024).fill(97));
    task.call(2 ** 26, "write", 1, A, 2 ** 26);
    assert.match(task.lines[0] ?? "", /^write\(1, "a{32}"\.\.\., 67108864\) = 67108864$/);
    const far = 2 ** 40;
    for (let i = 0; i < 1000; i++) task.write(far + 4096 * i, new Uint8Array(4096));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++) task.write(far + 4096 * i, new Uint8Array(4096));
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 2 ** 24);
    task.call(1, "write", 1, A, 1);
    assert.equal(task.lines[1], "write(1, 0x10000, 1) = 1");
    yield* Effect.void;
  });

  it("holds a bounded number of calls whose memory the program does not read", function* () {
    const task = scripted();
    for (let i = 0; i < 1000; i++) task.call(1, "read", 5, A + 16 * i, 16);
    assert.isAbove(task.lines.length, 900);
    yield* turn;
    assert.equal(task.lines.length, 1000);
  });

  it("tells calls that the end of the task has cut off", function* () {
    const task = scripted();
    const call = task.later("read", 0, A, 1);
    call.complete(new SyscallHangup({ syscall: "read", byTask: true }));
    assert.include(task.lines, "read(0, 0x10000, 1) = ?");
    yield* Effect.void;
  });

  it("survives a sink that throws, and warns of it once", function* () {
    const warnings: Array<Error> = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);
    const through = traced(local, () => {
      throw new Error("no room\x1b[2J");
    });
    assert.equal(yield* getpid(through), process.pid);
    assert.equal(yield* getpid(through), process.pid);
    yield* turn;
    process.off("warning", listen);
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]?.message), /a sink of a trace failed.*no room\\x1b\[2J/);
  });

  it("does not trace what its sink does", function* () {
    const seen: Array<string> = [];
    const through = traced(local, ({ _tag, call }) => {
      Effect.runSync(getuid(through));
      if (_tag === "Ended") seen.push(call.name);
    });
    yield* getpid(through);
    assert.deepEqual(seen, ["getpid"]);
  });

  it("traces calls that only an effect can make", function* () {
    const { bare } = scripted();
    const lines: Array<string> = [];
    const through = traced(
      decorated(bare, () => ({ direct: undefined, syscall: () => Effect.succeed(4) })),
      ({ _tag, call }) => {
        if (_tag === "Ended") lines.push(String(call));
      },
    );
    assert.isUndefined(through.direct);
    assert.equal(yield* getpid(through), 4);
    assert.equal(yield* through.syscall(39), 4);
    assert.deepEqual(lines, ["getpid() = 4", "getpid() = 4"]);
  });

  it("is no more than its interface: reads fail as they did", function* () {
    const { bare } = scripted();
    const failing = traced(
      decorated(bare, () => ({
        read: () => Effect.fail(new SyscallHangup({ syscall: "memory read" })),
      })),
      () => {},
    );
    assert.isTrue(Exit.isFailure(yield* Effect.exit(failing.read(Address(A), 1))));
    assert.equal(failing.activityFd, bare.activityFd);
  });
});
