import { CString, MAP, PROT, Uint32 } from "@rsyscall/abi";
import { it, launchStubWith } from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Memfd, MemoryMapping } from "../../src/index.ts";

/* What the kernel does in each kind of process is in tests/surface/memory.test.ts. */

const farThreads = [
  [
    "a stub over sockets",
    Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  ],
  [
    "a command",
    Effect.map(
      Effect.flatMap(LocalThread, (local) =>
        CommandTask.make(local, (...words) => Command.make(...words)),
      ),
      ({ thread }) => thread,
    ),
  ],
] as const;

describe("MemoryMapping", () => {
  for (const [where, open] of farThreads)
    it(`is memory of ${where}, and dies with nothing of ours`, function* () {
      const thread = yield* open;
      const { pageSize } = thread.task;
      const memfd = yield* Memfd.make(thread, "far");
      yield* memfd.truncate(2 * pageSize);
      const mapping = yield* MemoryMapping.make(thread, 2 * pageSize, { fd: memfd });
      yield* mapping.write(CString, "far away", pageSize - 4);
      assert.equal(yield* mapping.read(CString, pageSize - 4, 20), "far away");
      yield* memfd.truncate(pageSize);
      assert.include((yield* Effect.flip(mapping.read(Uint32, pageSize))).message, "EFAULT");
      const child = yield* thread.fork();
      const theirs = yield* mapping.forTask(child);
      yield* theirs.write(Uint32, 7);
      assert.equal(yield* mapping.read(Uint32), 7);
    });

  it("belongs to an address space, and the error says what to do", function* () {
    const local = yield* LocalThread;
    const { call } = yield* launchStubWith({ sharedMemory: true });
    const mapping = yield* MemoryMapping.make(local, 1, {
      flags: MAP.PRIVATE,
      protection: PROT.READ,
    });
    const message =
      /^mapping at 0x\w+ belongs to another address space .*: `forTask` gives a child that shares the memory its own handle; other processes map the same memfd$/;
    assert.match((yield* Effect.flip(mapping.forTask(call.thread))).message, message);
    assert.match((yield* Effect.flip(mapping.borrow(call.thread))).message, message);
    const [reader] = yield* local.pipe();
    const child = yield* local.fork();
    const [late] = yield* local.pipe();
    yield* reader.inherit(child);
    assert.match(
      (yield* Effect.flip(late.inherit(child))).message,
      /belongs to another file descriptor table .*: open it before the fork, .* or pass it: `connection\.passTo`/,
    );
  });
});
