import { readFileSync } from "node:fs";
import { x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { LocalSyscallInterface, type PendingWrite } from "@rsyscall/near";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Allocator, type AllocatorOptions, OutOfSpaceError } from "../src/index.ts";

const sysif = new LocalSyscallInterface(x86_64);

const make = (options?: AllocatorOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => new Allocator(sysif, 4096, options)),
    (allocator) => allocator.close(),
  );

/** Whether the kernel has something mapped at an address. */
const isMapped = (address: number): boolean =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .some((line) => {
      const [from = 0, to = 0] = (line.split(" ")[0] ?? "")
        .split("-")
        .map((hex) => Number.parseInt(hex, 16));
      return from <= address && address < to;
    });

describe("Allocator", () => {
  it("gives aligned memory that can be written to, and no range twice", function* () {
    const allocator = yield* make();
    const ranges: Array<[from: number, to: number]> = [];
    for (const [i, alignment] of [1, 2, 8, 16, 64, 4096].entries()) {
      const { address, size } = yield* allocator.malloc(100 + i, alignment);
      assert.equal(address % alignment, 0);
      yield* sysif.write(address, new Uint8Array(size).fill(i));
      assert.isFalse(ranges.some(([from, to]) => address < to && from < address + size));
      ranges.push([address, address + size]);
    }
  });

  it("begins an allocation of 256 bytes or more at a cache line, also behind a small one", function* () {
    const allocator = yield* make();
    for (const size of [256, 5000, 65536]) {
      yield* allocator.malloc(3);
      assert.equal((yield* allocator.malloc(size)).address % 64, 0);
    }
  });

  it("allocates anew each time that the same effect runs", function* () {
    const malloc = (yield* make()).malloc(16);
    const first = yield* malloc;
    const second = yield* malloc;
    assert.notEqual(first.address, second.address);
  });

  it("gives large allocations back to the kernel at once", function* () {
    const allocator = yield* make();
    const allocation = yield* allocator.malloc(1024 * 1024);
    const { address } = allocation;
    assert.isTrue(isMapped(address));
    yield* allocation.free();
    assert.isFalse(isMapped(address));
    assert.equal(allocator.mapped, 0);
  });

  it("gives chunks back, but for one", function* () {
    const allocator = yield* make({ chunkSize: 65536 });
    const allocations = yield* Effect.replicateEffect(allocator.malloc(16000), 40);
    assert.isAbove(allocator.mapped, 600_000);
    yield* Effect.forEach(allocations, (allocation) => allocation.free());
    assert.equal(allocator.mapped, 65536);
    yield* allocator.close();
    assert.equal(allocator.mapped, 0);
  });

  it("frees once, however often it is asked to", function* () {
    const allocator = yield* make();
    const first = yield* allocator.malloc(100);
    yield* first.free();
    const second = yield* allocator.malloc(100);
    assert.equal(second.address, first.address);
    yield* first.free();
    assert.notEqual((yield* allocator.malloc(100)).address, second.address);
  });

  it("gives a range back behind what is on its way there, whichever task has freed it", function* () {
    const allocator = yield* make({ chunkSize: 65536 });
    const behind: Array<() => void> = [];
    let lastWrite: PendingWrite | undefined = { whenDone: (onDone) => void behind.push(onDone) };
    const other = new LocalSyscallInterface(x86_64);
    Object.defineProperty(other, "lastWrite", { get: () => lastWrite });
    for (const shared of [allocator.share(other), allocator.lend(other)])
      for (const size of [100, 100_000]) {
        const allocation = yield* shared.malloc(size);
        const { address } = allocation;
        yield* allocation.free();
        yield* allocation.free();
        assert.isTrue(isMapped(address));
        assert.notEqual((yield* allocator.malloc(size)).address, address);
        assert.equal(behind.length, 1);
        behind.pop()?.();
        if (size > 65536) assert.isFalse(isMapped(address));
        assert.equal((yield* allocator.malloc(size)).address, address);
      }
    lastWrite = undefined;
    const allocation = yield* allocator.lend(other).malloc(100);
    const { address } = allocation;
    yield* allocation.free();
    assert.equal((yield* allocator.malloc(100)).address, address);
  });

  it("refuses cleanly when its limit is reached, and goes on when there is room", function* () {
    const allocator = yield* make({ chunkSize: 65536, limit: 1024 * 1024 });
    const large = yield* allocator.malloc(1000 * 1024);
    const error = yield* Effect.flip(allocator.malloc(100));
    assert.instanceOf(error, OutOfSpaceError);
    assert.include(error.message, "100 bytes");
    yield* large.free();
    yield* allocator.malloc(100);
    // More than any address space has.
    const huge = new Allocator(sysif, 4096, { limit: 2 ** 52 });
    assert.instanceOf(yield* Effect.flip(huge.malloc(2 ** 50)), OutOfSpaceError);
  });
});
