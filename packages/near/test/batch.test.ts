import { MFD, SEEK } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Deferred, Effect, Exit, Fiber } from "effect";
import { assert, describe, test } from "vitest";
import {
  type Address,
  batch,
  batchExits,
  batchExitsThen,
  batchThen,
  call,
  close,
  Fd,
  getpid,
  getppid,
  lseek,
  memfdCreate,
  PendingCall,
  type Pid,
  perform,
  SyscallError,
  SyscallHangup,
  type SyscallInterface,
} from "../src/index.ts";
import { local, memory } from "./local.ts";

/** Calls in a task that answers only when it is told to. */
const remote = () => {
  const calls: Array<PendingCall> = [];
  let settled = 0;
  const direct = {
    submit: (number: number) => {
      const pending = new PendingCall(number);
      calls.push(pending);
      return pending;
    },
    settle: () => {
      settled++;
    },
  };
  const sysif: SyscallInterface = {
    ...withoutDirect((number, ...words) => perform(direct, local.abi, number, words)),
    direct,
  };
  return {
    sysif,
    /** Calls that were submitted. */
    calls,
    /** How often it was said that there are no more for now. */
    settled: () => settled,
  };
};

/** Calls that only Effects can make. */
const withoutDirect = (
  syscall: SyscallInterface["syscall"],
): SyscallInterface & { direct?: undefined } => ({
  abi: local.abi,
  syscall,
  read: () => Effect.never,
  write: () => Effect.void,
  barrier: () => Effect.void,
  close: () => Effect.void,
  activityFd: undefined,
});

const begin = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.forkChild(effect, { startImmediately: true });

const number = (name: "getpid" | "getppid") => local.abi.syscallNumber(name) as number;

describe("batch", () => {
  it("gives the results with their types, in order", function* () {
    const [pid, parent, raw] = yield* batch([getpid(local), getppid(local), call(local, "getpid")]);
    const typed: [Pid, number] = [pid, raw];
    assert.deepEqual(typed, [process.pid, process.pid]);
    assert.equal(parent, process.ppid);
    assert.deepEqual(yield* batch([]), []);
  });

  it("makes the calls in their order, again each time that it runs", function* () {
    const name = yield* memory(8);
    const fd = yield* Effect.acquireRelease(memfdCreate(local, name, MFD.CLOEXEC), (fd) =>
      Effect.orDie(close(local, fd)),
    );
    const seek = batch([
      lseek(local, fd, 5, SEEK.CUR),
      lseek(local, fd, 7, SEEK.CUR),
      lseek(local, fd, -1, SEEK.CUR),
    ]);
    assert.deepEqual(yield* seek, [5, 12, 11]);
    assert.deepEqual(yield* seek, [16, 23, 22]);
  });

  it("fails with the first that has failed, and makes the others all the same", function* () {
    const name = yield* memory(8);
    const fd = yield* memfdCreate(local, name, MFD.CLOEXEC);
    const error = yield* Effect.flip(
      batch([
        getpid(local),
        lseek(local, fd, -1, SEEK.SET),
        close(local, Fd(-1)),
        close(local, fd),
      ]),
    );
    assert.instanceOf(error, SyscallError);
    assert.deepInclude({ ...error }, { syscall: "lseek", errno: "EINVAL" });
    const again = yield* Effect.flip(close(local, fd));
    assert.equal((again as SyscallError).errno, "EBADF", "the last call was made");
  });

  it("gives how each has ended, to who asks for that", function* () {
    const [pid, closed, found] = yield* batchExits([
      getpid(local),
      close(local, Fd(-1)),
      lseek(local, Fd(-1), 0, SEEK.SET),
    ]);
    assert.deepEqual(pid, Exit.succeed(process.pid as Pid));
    assert.isTrue(Exit.isFailure(closed));
    assert.equal(((yield* Effect.flip(found)) as SyscallError).errno, "EBADF");
  });

  it("submits all before it waits for any, and settles each task once", function* () {
    const [first, second] = [remote(), remote()];
    const batching = yield* begin(
      batch([getpid(first.sysif), getppid(second.sysif), getppid(first.sysif), getpid(local)]),
    );
    assert.deepEqual(
      first.calls.map((pending) => pending.number),
      [number("getpid"), number("getppid")],
    );
    assert.equal(second.calls.length, 1);
    assert.deepEqual([first.settled(), second.settled()], [1, 1]);
    second.calls[0]?.complete(20);
    first.calls[0]?.complete(10);
    assert.isUndefined(batching.pollUnsafe());
    first.calls[1]?.complete(30);
    assert.deepEqual(yield* Fiber.join(batching), [10, 20, 30, process.pid]);
  });

  it("waits for all calls, although one has failed or the fiber is interrupted", function* () {
    const { sysif, calls } = remote();
    const batching = yield* begin(batch([getpid(sysif), getppid(sysif)]));
    const interrupting = yield* begin(Fiber.interrupt(batching));
    calls[0]?.complete(new SyscallHangup({ syscall: "getpid" }));
    yield* Effect.yieldNow;
    assert.isUndefined(batching.pollUnsafe());
    calls[1]?.complete(1);
    yield* Fiber.join(interrupting);
  });

  it("fails with what has become of the connection", function* () {
    const { sysif, calls } = remote();
    const batching = yield* begin(batch([getpid(sysif), getppid(sysif)]));
    for (const pending of calls) pending.complete(new SyscallHangup({ syscall: "getpid" }));
    assert.instanceOf(yield* Effect.flip(Fiber.join(batching)), SyscallHangup);
  });

  it("makes calls one behind the other where only Effects can, without waiting between", function* () {
    const made: Array<number> = [];
    const answer = yield* Deferred.make<void>();
    const elsewhere = withoutDirect((which) => {
      made.push(which);
      return Effect.as(Deferred.await(answer), which);
    });
    const { sysif, calls, settled } = remote();
    const batching = yield* begin(batch([getpid(elsewhere), getppid(sysif), getppid(elsewhere)]));
    assert.deepEqual(made, [number("getpid"), number("getppid")]);
    assert.equal(calls.length, 1);
    assert.equal(settled(), 1);
    yield* Deferred.succeed(answer, undefined);
    calls[0]?.complete(3);
    assert.deepEqual<Array<number>>(yield* Fiber.join(batching), [
      number("getpid"),
      3,
      number("getppid"),
    ]);
  });

  it("is ENOSYS for a call that the machine does not have, and makes the others", function* () {
    const { sysif, calls } = remote();
    const batching = yield* begin(
      batchExits([getpid(sysif), call(sysif, "no such call" as never), getppid(sysif)]),
    );
    assert.equal(calls.length, 2);
    for (const pending of calls) pending.complete(1);
    const [, missing] = yield* Fiber.join(batching);
    assert.equal(((yield* Effect.flip(missing)) as SyscallError).errno, "ENOSYS");
  });
});

describe("batchThen", () => {
  it("submits an operation right behind the calls, and gives both", function* () {
    const at = yield* memory(16);
    const [[pid], bytes] = yield* batchThen(
      [getpid(local), call(local, "uname", yield* memory(1024))],
      Effect.andThen(local.write(at, Uint8Array.of(1, 2)), local.read(at, 2)),
    );
    assert.equal(pid, process.pid);
    assert.deepEqual(bytes, Uint8Array.of(1, 2));
    const { sysif, calls } = remote();
    const seen: Array<number> = [];
    const behind = yield* begin(
      batchThen(
        [getpid(sysif), getppid(sysif)],
        Effect.sync(() => seen.push(calls.length)),
      ),
    );
    assert.deepEqual(seen, [2]);
    for (const pending of calls) pending.complete(4);
    assert.deepEqual<unknown>(yield* Fiber.join(behind), [[4, 4], 1]);
  });

  it("settles, whether the operation does or not", function* () {
    for (const last of [Effect.void, Effect.fail("as expected")] as const) {
      const { sysif, calls, settled } = remote();
      const behind = yield* begin(Effect.exit(batchThen([getpid(sysif)], last)));
      assert.isAtLeast(settled(), 1);
      calls[0]?.complete(4);
      yield* Fiber.join(behind);
    }
  });

  it("fails with what the calls fail with first, and then with the operation's", function* () {
    const bad = close(local, Fd(-1));
    const both = yield* Effect.flip(batchThen([bad], Effect.fail("last" as const)));
    assert.equal((both as SyscallError).errno, "EBADF");
    const last = yield* Effect.flip(batchThen([getpid(local)], Effect.fail("last" as const)));
    assert.equal(last, "last");
    const [[exit], value] = yield* batchExitsThen([bad], Effect.succeed(5));
    assert.isTrue(Exit.isFailure(exit));
    assert.equal(value, 5);
  });
});

describe("types", () => {
  test("of results are those of the calls", () => {
    const misuse = (fd: Fd, address: Address) =>
      Effect.gen(function* () {
        const [pid, closed] = yield* batch([getpid(local), close(local, fd)]);
        // @ts-expect-error a pid is no fd
        const wrong: Fd = pid;
        // @ts-expect-error close(2) gives nothing
        const nothing: number = closed;
        // @ts-expect-error there are two results
        const [, , third] = yield* batch([getpid(local), getpid(local)]);
        // @ts-expect-error an Effect that is no system call cannot be submitted
        yield* batch([getpid(local), Effect.void]);
        // @ts-expect-error nor can one that does more than a call
        yield* batch([Effect.map(getpid(local), String)]);
        // @ts-expect-error an address is no fd
        yield* batch([close(local, address)]);
        const [exit] = yield* batchExits([getpid(local)]);
        // @ts-expect-error an exit is no result
        const raw: number = exit;
        return { wrong, nothing, third, raw };
      });
    assert.isFunction(misuse);
  });
});
