import { MAP, PROT, SEEK } from "@rsyscall/abi";
import { Memfd, open } from "@rsyscall/handle";
import {
  batch,
  batchExits,
  close,
  Fd,
  getpid,
  lseek,
  mmap,
  munmap,
  NULL,
  pipelined,
  type SyscallError,
} from "@rsyscall/near";
import { Effect, Exit, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, ok, refused } from "./internal/expect.ts";
import { beside, newThread, waiting } from "./internal/subject.ts";

/*
 * Every lseek(2) with SEEK_CUR moves the offset of a file and gives the new one, so lost, repeated and reordered
 * calls show.
 */

const inOrder = (count: number) =>
  behaviour(
    `performs ${count} calls that are in flight at once in the order in which they were submitted, and gives their results in that order`,
    [],
    function* () {
      const { task } = yield* newThread;
      const { near } = yield* Memfd.make(task, "order");
      const completed: Array<number> = [];
      const results = yield* pipelined(
        Array.from({ length: count }, (_, i) =>
          Effect.tap(lseek(task.sysif, near, i, SEEK.CUR), () =>
            Effect.sync(() => completed.push(i)),
          ),
        ),
      );
      let offset = 0;
      for (const [i, result] of results.entries()) {
        offset += i;
        equal(result, offset, `the result of call ${i}`);
      }
      for (const [i, call] of completed.entries())
        equal(call, i, `the call whose result came as number ${i}`);
    },
  );

const inBatch = (count: number) =>
  behaviour(`gives each of the ${count} calls of a batch its own result`, [], function* () {
    const { task } = yield* newThread;
    const { near } = yield* Memfd.make(task, "order");
    const results = yield* batch(
      Array.from({ length: count }, (_, i) => lseek(task.sysif, near, i, SEEK.CUR)),
    );
    let offset = 0;
    for (const [i, result] of results.entries()) {
      offset += i;
      equal(result, offset, `the result of call ${i}`);
    }
  });

export const syscalls: ReadonlyArray<Behaviour> = topic("system calls", [
  behaviour("makes calls in the process that the Thread is of", [], function* () {
    const { task } = yield* newThread;
    equal(yield* getpid(task.sysif), task.pid, "what getpid gives");
  }),

  behaviour("gives the errno of a call that the kernel refuses, and goes on", [], function* () {
    const { task } = yield* newThread;
    equal(
      (
        (yield* refused(
          close(task.sysif, Fd(0x3fffffff)),
          "EBADF",
          "close of no descriptor",
        )) as SyscallError
      ).number,
      9,
      "the number of EBADF",
    );
    yield* refused(open(task, "/no/such/file", 0), "ENOENT", "open of a file that is not there");
    yield* refused(open(task, "/", 1), "EISDIR", "open of a directory for writing");
    equal(yield* getpid(task.sysif), task.pid, "what getpid gives after errors");
  }),

  behaviour("gives -ENOSYS for a call that the kernel does not know", [], function* () {
    const { sysif } = (yield* newThread).task;
    equal(yield* sysif.syscall(100_000), -38, "the result of system call 100000");
  }),

  behaviour("passes arguments and results of 64 bits, exactly", [], function* () {
    const { task } = yield* newThread;
    const { near } = yield* Memfd.make(task, "offsets");
    const number = task.abi.syscallNumber("lseek") as number;
    const offsets = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1];
    for (const offset of offsets)
      equal(
        yield* task.sysif.syscall(number, near, offset, SEEK.SET),
        offset,
        `the offset ${offset} that was set`,
      );
    for (const offset of [2n ** 53n + 1n, 2n ** 62n + 1n, 2n ** 63n - 1n]) {
      const result = yield* task.sysif.syscall(number, near, offset, SEEK.SET);
      equal(BigInt(result), offset, `the offset ${offset} that was set`);
    }
    for (const offset of [-1, -(2 ** 31), -(2 ** 40), -1n, -(2n ** 63n)])
      equal(
        yield* task.sysif.syscall(number, near, offset, SEEK.SET),
        -22,
        `the result of the offset ${offset}, which is EINVAL`,
      );
  }),

  behaviour("passes all six arguments, in their order", [], function* () {
    const { task } = yield* newThread;
    const { sysif, pageSize } = task;
    const file = yield* Memfd.make(task, "arguments");
    // Every argument of mmap(2) matters, and an offset of more than 32 bits shows if half of it is lost.
    const offset = 2 ** 32 + pageSize;
    const marker = pattern(64, 6);
    yield* file.truncate(offset + pageSize);
    yield* file.lseek(offset, SEEK.SET);
    yield* file.writeAllBytes(marker);
    const address = yield* Effect.acquireRelease(
      mmap(sysif, NULL, pageSize, PROT.READ, MAP.SHARED, file.near, offset),
      (address) => Effect.ignore(munmap(sysif, address, pageSize)),
    );
    equal(address % pageSize, 0, "where the page begins");
    equalBytes(yield* sysif.read(address, 64), marker, "what is mapped");
  }),

  inOrder(64),
  inOrder(1000),
  inBatch(64),
  inBatch(1000),

  behaviour("performs the calls after one that has failed", [], function* () {
    const { task } = yield* newThread;
    const { near } = yield* Memfd.make(task, "failures");
    const exits = yield* batchExits(
      Array.from({ length: 100 }, (_, i) => lseek(task.sysif, near, i % 2 ? -1000 : 1, SEEK.CUR)),
    );
    for (const [i, exit] of exits.entries()) {
      equal(Exit.isFailure(exit), i % 2 === 1, `whether call ${i} failed`);
      if (Exit.isSuccess(exit)) equal(exit.value, i / 2 + 1, `the result of call ${i}`);
    }
  }),

  behaviour("waits for all that was submitted before a barrier", [], function* () {
    const { task } = yield* newThread;
    const { near } = yield* Memfd.make(task, "barrier");
    let done = 0;
    const calls = Array.from({ length: 100 }, () =>
      Effect.map(lseek(task.sysif, near, 1, SEEK.CUR), () => done++),
    );
    const counted = Effect.map(task.sysif.barrier(), () => done);
    const results = yield* pipelined([...calls, counted]);
    equal(results.at(-1), 100, "the calls that were done when the barrier was");
  }),

  behaviour("performs calls of many fibers, each of which waits for its own", [], function* () {
    const { task } = yield* newThread;
    yield* Effect.forEach(
      Array.from({ length: 32 }, (_, i) => i),
      (i) =>
        Effect.scoped(
          Effect.gen(function* () {
            const file = yield* Memfd.make(task, `fiber ${i}`);
            for (let n = 0; n < 10; n++) {
              const offset = i * 1000 + n;
              equal(yield* file.lseek(offset, SEEK.SET), offset, `the offset of fiber ${i}`);
            }
          }),
        ),
      { concurrency: "unbounded" },
    );
  }),

  behaviour(
    "gives the results of the calls before one that blocks, and performs those after it when it ends",
    ["ownProcess", "children"],
    function* () {
      const thread = yield* newThread;
      const { sysif, pid } = thread.task;
      const [reader, writer] = yield* thread.pipe();
      const helper = yield* thread.fork();
      const theirs = yield* writer.inherit(helper.task);
      const before = yield* beside(getpid(sysif));
      const reading = yield* beside(reader.readBytes(10));
      const after = yield* beside(getpid(sysif));
      equal(
        yield* waiting("the result of a call before one that blocks", Fiber.join(before)),
        pid,
        "the result of the call before",
      );
      yield* getpid(helper.task.sysif);
      ok(after.pollUnsafe() === undefined, "a call must not pass one that blocks before it");
      yield* theirs.writeAllText("now");
      const bytes = yield* waiting("the end of a read that has got bytes", Fiber.join(reading));
      equal(utf8(bytes), "now", "what the call that blocked has read");
      equal(yield* Fiber.join(after), pid, "the result of the call after");
    },
  ),

  behaviour(
    "waits for a call that was submitted, although the fiber is interrupted, and loses no result",
    ["ownProcess", "children"],
    function* () {
      const thread = yield* newThread;
      const [reader, writer] = yield* thread.pipe();
      const helper = yield* thread.fork();
      const theirs = yield* writer.inherit(helper.task);
      const reading = yield* beside(reader.readBytes(10));
      const interrupting = yield* beside(Fiber.interrupt(reading));
      yield* getpid(helper.task.sysif);
      ok(
        reading.pollUnsafe() === undefined,
        "a fiber must not end before the call that it has submitted",
      );
      yield* theirs.writeAllText("x");
      yield* waiting("the end of a fiber that was interrupted", Fiber.join(interrupting));
      equal(yield* getpid(thread.task.sysif), thread.task.pid, "the result of the next call");
    },
  ),

  behaviour(
    "closes what fibers have opened that were interrupted meanwhile",
    ["ownDescriptors"],
    function* () {
      const { task } = yield* newThread;
      const opened = Effect.scoped(Effect.andThen(Memfd.make(task, "short"), Effect.never));
      const lowest = Effect.scoped(Effect.map(Memfd.make(task, "lowest"), ({ near }) => near));
      const before = yield* lowest;
      const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => beside(opened));
      for (const [i, fiber] of fibers.entries()) {
        if (i % 10 === 0) yield* Effect.yieldNow;
        yield* beside(Fiber.interrupt(fiber));
      }
      for (const fiber of fibers) yield* Fiber.await(fiber);
      yield* task.sysif.barrier();
      equal(yield* lowest, before, "the lowest descriptor that is free");
    },
  ),
]);
