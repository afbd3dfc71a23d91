import { F, LOCK, O } from "@rsyscall/abi";
import { FileLock, getpid, RecordLock } from "@rsyscall/handle";
import { begin, it, tempDirectory, threadKinds, turn } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";

describe.each(threadKinds)("locks %s", (_, make) => {
  it("flock: a wait holds up no other call, and ends with the other's lock", function* () {
    const local = yield* LocalThread;
    const thread = yield* make;
    const path = `${yield* tempDirectory}/file`;
    const other = yield* local.open(path, O.RDWR | O.CREAT);
    const file = yield* thread.open(path, O.RDWR);
    yield* other.flock(LOCK.EX);
    const refused = (yield* Effect.flip(file.flock(LOCK.EX | LOCK.NB))) as SyscallError;
    assert.equal(refused.errno, "EAGAIN");
    const waiting = yield* begin(file.flock(LOCK.EX));
    for (let i = 0; i < 20; i++) yield* turn;
    assert.equal(yield* getpid(thread), thread.task.pid);
    assert.isUndefined(waiting.pollUnsafe());
    yield* other.flock(LOCK.UN);
    yield* Fiber.join(waiting);
    const now = (yield* Effect.flip(other.flock(LOCK.SH | LOCK.NB))) as SyscallError;
    assert.equal(now.errno, "EAGAIN");
    yield* file.flock(LOCK.UN);
    yield* other.flock(LOCK.SH | LOCK.NB);
  });

  it("flock: a wait that is interrupted leaves nothing locked, and no child", function* () {
    const local = yield* LocalThread;
    const thread = yield* make;
    const path = `${yield* tempDirectory}/file`;
    const other = yield* local.open(path, O.RDWR | O.CREAT);
    const file = yield* thread.open(path, O.RDWR);
    for (const after of [0, 1, 2, 4, 8, 30]) {
      yield* other.flock(LOCK.EX);
      const waiting = yield* begin(file.flock(LOCK.EX));
      for (let i = 0; i < after; i++) yield* turn;
      yield* Fiber.interrupt(waiting);
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waiting)));
      yield* other.flock(LOCK.UN);
      yield* other.flock(LOCK.EX | LOCK.NB);
      yield* other.flock(LOCK.UN);
    }
  });

  it("F_OFD_SETLKW and F_SETLKW wait as flock does", function* () {
    const local = yield* LocalThread;
    const thread = yield* make;
    const path = `${yield* tempDirectory}/file`;
    const other = yield* local.open(path, O.RDWR | O.CREAT);
    const file = yield* thread.open(path, O.RDWR);
    for (const owner of ["ofd", "process"] as const) {
      yield* other.setRecordLock(F.WRLCK, { start: 10, length: 5 });
      const waiting = yield* begin(
        file.setRecordLock(F.WRLCK, { start: 12 }, { owner, wait: true }),
      );
      for (let i = 0; i < 20; i++) yield* turn;
      assert.isUndefined(waiting.pollUnsafe());
      assert.equal(yield* getpid(thread), thread.task.pid);
      yield* other.setRecordLock(F.UNLCK, { start: 10, length: 5 });
      yield* Fiber.join(waiting);
      const found = yield* other.getRecordLock(F.RDLCK);
      assert.deepInclude(found, { type: F.WRLCK, start: 12n, length: 0n });
      yield* file.setRecordLock(F.UNLCK, {}, { owner });
      assert.isUndefined(yield* other.getRecordLock(F.WRLCK));
      yield* other.setRecordLock(F.WRLCK, {});
      const second = yield* begin(file.setRecordLock(F.RDLCK, {}, { owner, wait: true }));
      for (let i = 0; i < 20; i++) yield* turn;
      yield* Fiber.interrupt(second);
      yield* other.setRecordLock(F.UNLCK, {});
      assert.isUndefined(yield* other.getRecordLock(F.WRLCK));
    }
  });

  it("are resources that scopes release", function* () {
    const local = yield* LocalThread;
    const thread = yield* make;
    const path = `${yield* tempDirectory}/file`;
    const other = yield* local.open(path, O.RDWR | O.CREAT);
    const file = yield* thread.open(path, O.RDWR);
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* FileLock.make(file, LOCK.EX);
        yield* RecordLock.make(file, { start: 1, length: 2 });
        assert.deepInclude(yield* other.getRecordLock(F.WRLCK), { start: 1n, length: 2n, pid: -1 });
        assert.equal(
          ((yield* Effect.flip(FileLock.make(other, LOCK.SH | LOCK.NB))) as SyscallError).errno,
          "EAGAIN",
        );
      }),
    );
    assert.isUndefined(yield* other.getRecordLock(F.WRLCK));
    const lock = yield* FileLock.make(other, LOCK.EX | LOCK.NB);
    // The scope of a wait that ends may be closed by then.
    const waiting = yield* begin(Effect.scoped(FileLock.make(file)));
    for (let i = 0; i < 20; i++) yield* turn;
    yield* Fiber.interrupt(waiting);
    const second = yield* begin(Effect.scoped(RecordLock.make(file)));
    yield* Fiber.join(second);
    yield* lock.release();
    yield* FileLock.make(file, LOCK.EX | LOCK.NB);
  });
});
