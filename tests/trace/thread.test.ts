import { O } from "@rsyscall/abi";
import { SyscallConnection } from "@rsyscall/connection";
import { chdir, open } from "@rsyscall/handle";
import { it, launchStub, launchStubWith, worksAsync } from "@rsyscall/harness";
import { getpid, type TracedCall, type TraceSink } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

/** A sink, and the calls that it was told of. */
const collect = () => {
  const calls: Array<TracedCall> = [];
  const sink: TraceSink = ({ _tag, call }) => {
    if (_tag === "Ended") calls.push(call);
  };
  return { calls, sink, lines: () => calls.map(String) };
};

const threads = [
  ["this process", LocalThread],
  ["a child", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  [
    "a stub over sockets",
    Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  ],
] as const;

/** A file is opened, and some of it read. */
const readHostname = ({ task }: Thread) =>
  Effect.scoped(
    Effect.flatMap(open(task, "/etc/hostname", O.RDONLY), (file) => file.readBytes(65_536)),
  );

describe.each(threads)("%s, traced", (_name, makeThread) => {
  it("does all that it does otherwise, and its calls are told", function* () {
    const thread = yield* makeThread;
    const { calls, sink, lines } = collect();
    yield* thread.trace(sink);
    const bytes = yield* readHostname(thread);
    const text = JSON.stringify(new TextDecoder().decode(bytes));
    const [opened, read] = lines().filter((line) => /^(openat|read)\(/.test(line));
    assert.match(
      opened ?? "",
      /^openat\(AT_FDCWD, "\/etc\/hostname", O_RDONLY\|O_CLOEXEC\) = \d+$/,
    );
    const fd = opened?.split(" = ")[1];
    assert.equal(read, `read(${fd}, ${text}, 65536) = ${bytes.length}`);
    assert.isTrue(calls.every(({ task }) => task.pid === thread.task.pid));
    yield* worksAsync(thread);
  });

  it("is told of with its children, also theirs, and not after the scope", function* () {
    const thread = yield* makeThread;
    const { calls, sink } = collect();
    yield* Effect.scoped(thread.trace(sink));
    yield* getpid(thread.task.sysif);
    assert.deepEqual(calls, []);
    yield* thread.trace(sink);
    const made = yield* thread.fork();
    const grandchild = yield* made.fork();
    yield* chdir(grandchild, "/proc");
    yield* worksAsync(grandchild);
    const traced = calls.find(({ name }) => name === "chdir");
    assert.equal(String(traced), 'chdir("/proc") = 0');
    assert.equal(traced?.task.pid, grandchild.task.pid);
    const pids = calls.filter(({ name }) => name === "clone").map(({ outcome }) => outcome);
    assert.deepEqual(pids, [made.task.pid, grandchild.task.pid]);
  });

  it("is told of by older handles too, and by each of two sinks", function* () {
    const thread = yield* makeThread;
    const file = yield* thread.open("/etc/hostname");
    const [one, two] = [collect(), collect()];
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* thread.trace(one.sink);
        yield* Effect.scoped(
          Effect.andThen(
            thread.trace(two.sink),
            Effect.suspend(() => file.readBytes(1)),
          ),
        );
        yield* file.readBytes(1);
      }),
    );
    yield* file.readBytes(1);
    const reads = ({ calls }: ReturnType<typeof collect>) =>
      calls.filter(({ name }) => name === "read").length;
    assert.equal(reads(one), 2);
    assert.equal(reads(two), 1);
    const { sysif } = thread.task;
    assert.isUndefined(sysif.inner);
  });
});

describe("a traced stub", () => {
  it("that ends has calls without a result", function* () {
    const { call } = yield* launchStub;
    const { thread } = call;
    const { sink, lines } = collect();
    yield* thread.trace(sink);
    yield* thread.exit(3);
    assert.include(lines(), "exit_group(3) = ?");
    assert.isTrue(SyscallConnection.of(thread.task.sysif)?.hasEnded);
  });
});
