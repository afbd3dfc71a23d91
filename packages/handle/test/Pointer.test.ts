import { Bytes, Int32, Timespec } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import { it, launchStub } from "@rsyscall/harness";
import { InvalidArgumentError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";
import { SizeError, UseAfterFreeError } from "../src/index.ts";

describe("Pointer", () => {
  it("holds a value", function* () {
    const { task } = yield* LocalThread;
    assert.equal(yield* (yield* task.ptr("tëxt")).read(), "tëxt");
    const time = { seconds: 5, nanoseconds: 7 };
    const pointer = yield* task.ptr(time, Timespec);
    assert.equal(pointer.size, 16);
    assert.deepEqual(pointer.value, time);
    assert.deepEqual(yield* pointer.read(), time);
    assert.equal((yield* task.malloc(Int32)).size, 4);
    const misuse = () => {
      // @ts-expect-error bytes need a size
      return task.malloc(Bytes);
    };
    assert.isFunction(misuse);
  });

  it("is consumed by a write, and takes a shorter value but no longer one", function* () {
    const { task } = yield* LocalThread;
    const buffer = yield* task.malloc(Bytes, 4);
    const written = yield* buffer.write(Uint8Array.of(1, 2, 3));
    assert.instanceOf(yield* Effect.flip(buffer.read()), UseAfterFreeError);
    assert.deepEqual((yield* written.read()).subarray(0, 3), Uint8Array.of(1, 2, 3));
    const error = yield* Effect.flip(written.write(new Uint8Array(5)));
    assert.instanceOf(error, SizeError);
    assert.include(error.message, "needs 5 bytes, and there are 4");
  });

  it("is read into bytes of the caller, which may be fewer, but not more", function* () {
    for (const { task } of [yield* LocalThread, (yield* launchStub).call.thread]) {
      const all = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251);
      const pointer = yield* task.ptr(all);
      const bytes = new Uint8Array(69_000);
      yield* pointer.readInto(bytes);
      assert.deepEqual(bytes, all.slice(0, 69_000));
      assert.instanceOf(yield* Effect.flip(pointer.readInto(new Uint8Array(70_001))), SizeError);
      const wrong = yield* Effect.flip(pointer.readInto("text" as unknown as Uint8Array));
      assert.instanceOf(wrong, InvalidArgumentError);
      yield* pointer.free();
      assert.instanceOf(yield* Effect.flip(pointer.readInto(bytes)), UseAfterFreeError);
    }
  });

  it("is cut and put together again, neighbours only", function* () {
    const { task } = yield* LocalThread;
    const whole = yield* task.ptr(Uint8Array.of(1, 2, 3, 4));
    const [left, right] = yield* whole.split(1);
    assert.deepEqual(yield* right.read(), Uint8Array.of(2, 3, 4));
    const stranger = yield* task.malloc(Bytes, 4);
    assert.instanceOf(yield* Effect.flip(left.merge(stranger)), SizeError);
    assert.instanceOf(yield* Effect.flip(right.merge(left)), SizeError);
    const again = yield* left.merge(right);
    assert.deepEqual(yield* again.read(), Uint8Array.of(1, 2, 3, 4));
    assert.instanceOf(yield* Effect.flip(left.read()), UseAfterFreeError);
    assert.instanceOf(yield* Effect.flip(again.split(5)), SizeError);
  });

  it("dies with its scope, and early when it is freed, in all its parts", function* () {
    const { task } = yield* LocalThread;
    const scope = yield* Scope.make();
    const pointer = yield* Scope.provide(task.ptr("gone"), scope);
    yield* Scope.close(scope, Exit.void);
    assert.instanceOf(yield* Effect.flip(pointer.read()), UseAfterFreeError);
    const [left, right] = yield* (yield* task.malloc(Bytes, 8)).split(4);
    yield* left.free();
    assert.instanceOf(yield* Effect.flip(right.read()), UseAfterFreeError);
    assert.isFalse(right.isValid);
  });

  it("is refused by other tasks than its own", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const pointer = yield* task.ptr("ours");
    const error = yield* Effect.flip(pointer.borrow(call.thread.task));
    assert.instanceOf(error, NamespaceMismatchError);
    const buffer = yield* task.malloc(Bytes, 4);
    assert.instanceOf(yield* Effect.flip(call.thread.stdin.read(buffer)), NamespaceMismatchError);
  });
});
