import { readlinkSync } from "node:fs";
import { F, F_SEAL, MFD, SEEK } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Memfd } from "../../src/index.ts";

describe("Memfd", () => {
  it("has a name that /proc shows, and a size", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "nämed");
    assert.equal(readlinkSync(`/proc/self/fd/${memfd.near}`), "/memfd:nämed (deleted)");
    assert.equal((yield* memfd.fstat()).size, 0);
    yield* memfd.truncate(10_000);
    assert.equal((yield* memfd.fstat()).size, 10_000);
    assert.equal(yield* memfd.lseek(-100, SEEK.END), 9_900);
    assert.deepEqual(yield* memfd.readBytes(), new Uint8Array(100));
  });

  it("takes offsets as large as a number holds exactly", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "sparse");
    const end = Number.MAX_SAFE_INTEGER;
    yield* memfd.truncate(end);
    assert.equal((yield* memfd.fstat()).size, end);
    assert.equal(yield* memfd.lseek(-1, SEEK.END), end - 1);
    assert.equal((yield* memfd.readBytes(10)).length, 1);
  });

  it("keeps its content where a size is none, and says which argument it was", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "kept");
    yield* memfd.truncate(10);
    for (const size of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, -1n, 2n ** 64n]) {
      const error = yield* Effect.flip(memfd.truncate(size));
      const refusal = { _tag: "InvalidArgumentError", syscall: "ftruncate", argument: "length" };
      assert.deepInclude({ ...error } as object, { ...refusal, value: size });
      assert.equal((yield* memfd.fstat()).size, 10);
    }
  });

  it("can be sealed if it was made so, and then does not shrink", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "sealed", MFD.ALLOW_SEALING);
    yield* memfd.truncate(10);
    yield* memfd.fcntl(F.ADD_SEALS, F_SEAL.SHRINK);
    assert.equal(yield* memfd.fcntl(F.GET_SEALS), F_SEAL.SHRINK);
    assert.include((yield* Effect.flip(memfd.truncate(9))).message, "EPERM");
    assert.equal((yield* memfd.fstat()).size, 10);
  });

  it("refuses names that the kernel would cut or not take", function* () {
    const { task } = yield* LocalThread;
    for (const name of ["a\0b", "n".repeat(250)])
      assert.include((yield* Effect.flip(Memfd.make(task, name))).message, "EINVAL");
  });
});
