import { FUTEX, RobustFutex, SIG, Uint32 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { type ChildThread, Command, LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { futexWait, futexWake, setRobustFutex } from "../../src/index.ts";

describe("futexes", () => {
  it("are waited for in one task and woken by another", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    const word = yield* (yield* thread.ptr(0, Uint32)).address();
    const waiting = yield* Effect.forkChild(futexWait(child.task, word, 0), {
      startImmediately: true,
    });
    while ((yield* futexWake(thread.task, word, 1)) === 0) yield* Effect.yieldNow;
    yield* Fiber.join(waiting);
    const other = (yield* Effect.flip(futexWait(child.task, word, 1))) as SyscallError;
    assert.equal(other.errno, "EAGAIN");
    const late = (yield* Effect.flip(
      futexWait(child.task, word, 0, { seconds: 0, nanoseconds: 1000 }),
    )) as SyscallError;
    assert.equal(late.errno, "ETIMEDOUT");
  });

  for (const [how, end] of [
    ["is killed", (child: ChildThread) => child.process.kill(SIG.KILL)],
    ["exits", (child: ChildThread) => child.exit(0)],
    ["executes a program", (child: ChildThread) => child.exec(Command.make("/bin/true"))],
  ] as const)
    it(`that are robust tell when their owner ${how}`, function* () {
      const thread = yield* LocalThread;
      const child = yield* thread.fork();
      const watcher = yield* thread.fork();
      const memory = yield* thread.malloc(RobustFutex);
      const word = yield* setRobustFutex(child.task, memory, child.process.pid);
      const read = Effect.map(thread.task.sysif.read(word, 4), Uint32.decode);
      yield* child.task.sysif.barrier();
      assert.equal(yield* read, child.process.pid);
      // The kernel wakes somebody only if the word says that somebody waits.
      const marked = (child.process.pid | FUTEX.WAITERS) >>> 0;
      const bytes = new Uint8Array(4);
      Uint32.encode(marked, bytes);
      yield* thread.task.sysif.write(word, bytes);
      const waiting = yield* Effect.forkChild(Effect.exit(futexWait(watcher.task, word, marked)), {
        startImmediately: true,
      });
      yield* end(child);
      yield* Fiber.join(waiting);
      assert.equal((yield* read) & FUTEX.OWNER_DIED, FUTEX.OWNER_DIED);
    });
});
