import { x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Address, LocalSyscallInterface, type SyscallInterface } from "@rsyscall/near";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { type Allocation, Allocator, Mappings, OutOfSpaceError } from "../src/index.ts";

const PAGE = 4096;
const KIB = 1024;
const MIB = 1024 * KIB;

/** A task in which no mapping is made or removed: whoever tries fails. */
const refusing = (): SyscallInterface => {
  const sysif = new LocalSyscallInterface(x86_64);
  sysif.submit = (number) => assert.fail(`${x86_64.syscallName(number)} in a reserve`);
  return sysif;
};

/** Memory that nobody has: only its addresses matter. */
const reserve = (size: number, address = 2 ** 40) => {
  const discarded: Array<[from: number, length: number]> = [];
  return {
    discarded,
    memory: {
      address: Address(address),
      size,
      discard: (from: Address, length: number) =>
        Effect.sync(() => void discarded.push([from - address, length])),
    },
  };
};

describe("mappings in a reserve", () => {
  it("are whole pages of it, each of them once, and no system call is made", function* () {
    const { memory } = reserve(16 * PAGE);
    const mappings = Mappings.make(refusing(), PAGE, 1024 ** 3, memory);
    const starts: Array<number> = [];
    for (const pages of [1, 4, 2, 9]) {
      const start = yield* mappings.map(pages * PAGE, 1);
      assert.equal(start % PAGE, 0);
      for (let page = 0; page < pages; page++) starts.push((start - memory.address) / PAGE + page);
    }
    assert.deepEqual(
      starts.sort((a, b) => a - b),
      Array.from({ length: 16 }, (_, i) => i),
    );
    assert.equal(mappings.mapped, 16 * PAGE);
  });

  it("are refused when it is full, and possible again when some is given back", function* () {
    const { memory, discarded } = reserve(8 * PAGE);
    const mappings = Mappings.make(refusing(), PAGE, 1024 ** 3, memory);
    const first = yield* mappings.map(4 * PAGE, 1);
    const second = yield* mappings.map(4 * PAGE, 1);
    const error = yield* Effect.flip(mappings.map(PAGE, 17));
    assert.instanceOf(error, OutOfSpaceError);
    assert.equal((error as OutOfSpaceError).requested, 17);
    assert.equal(mappings.mapped, 8 * PAGE, "what was refused is not counted");
    yield* mappings.unmap(first, 4 * PAGE);
    assert.deepEqual(discarded, [[0, 4 * PAGE]]);
    assert.instanceOf(yield* Effect.flip(mappings.map(5 * PAGE, 1)), OutOfSpaceError);
    assert.equal(yield* mappings.map(4 * PAGE, 1), first);
    yield* mappings.unmap(second, 4 * PAGE);
    assert.equal(mappings.mapped, 4 * PAGE);
  });

  it("are given to nobody before their pages have been discarded", function* () {
    let taken: Effect.Effect<unknown, unknown> = Effect.void;
    const seen: Array<unknown> = [];
    const mappings: Mappings = Mappings.make(refusing(), PAGE, 1024 ** 3, {
      address: Address(2 ** 40),
      size: PAGE,
      discard: () => Effect.map(Effect.exit(taken), (exit) => void seen.push(exit._tag)),
    });
    const only = yield* mappings.map(PAGE, 1);
    taken = mappings.map(PAGE, 1);
    yield* mappings.unmap(only, PAGE);
    assert.deepEqual(seen, ["Failure"]);
    assert.equal(yield* mappings.map(PAGE, 1), only);
  });

  it("keep to their limit, too", function* () {
    const { memory } = reserve(8 * PAGE);
    const mappings = Mappings.make(refusing(), PAGE, 3 * PAGE, memory);
    assert.instanceOf(yield* Effect.flip(mappings.map(4 * PAGE, 1)), OutOfSpaceError);
    yield* mappings.map(3 * PAGE, 1);
  });
});

describe("an allocator with a reserve", () => {
  it("stays in it, with chunks and with large allocations, and gives their pages back", function* () {
    const { memory, discarded } = reserve(1024 * KIB);
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory });
    const small = yield* Effect.replicateEffect(allocator.malloc(1000, 8), 100);
    const large = yield* allocator.malloc(300 * KIB + 1);
    const all = [...small, large];
    for (const { address, size } of all) {
      assert.isAtLeast(address, memory.address);
      assert.isAtMost(address + size, memory.address + memory.size);
    }
    const ranges = all.map(({ address, size }) => [address, address + size] as const);
    ranges.sort(([a], [b]) => a - b);
    ranges.reduce(([, end], [start, next]) => {
      assert.isAtLeast(start, end);
      return [start, next];
    });
    yield* large.free();
    for (const allocation of small) yield* allocation.free();
    assert.equal(allocator.mapped, 256 * KIB, "one chunk is kept");
    yield* allocator.close();
    assert.equal(allocator.mapped, 0);
    assert.sameDeepMembers(discarded, [
      [(small[0] as Allocation).address - memory.address, 256 * KIB],
      [large.address - memory.address, 304 * KIB],
    ]);
  });

  it("keeps pages for the next allocation of as many, until it is idle", function* () {
    const { memory, discarded } = reserve(16 * MIB);
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory });
    const first = yield* allocator.malloc(MIB);
    yield* first.free();
    assert.equal(allocator.mapped, 0);
    const again = yield* allocator.malloc(MIB);
    assert.equal(again.address, first.address);
    const others = yield* Effect.replicateEffect(allocator.malloc(MIB), 5);
    for (const { address } of others) assert.notEqual(address, again.address);
    for (const allocation of [again, ...others]) yield* allocation.free();
    assert.deepEqual(
      discarded,
      [again, others[0] as Allocation].map(({ address }) => [address - memory.address, MIB]),
      "4 MiB are kept, of what was used last",
    );
    while (discarded.length < 6) yield* Effect.sleep(10);
    assert.lengthOf(new Set(discarded.map(([from]) => from)), 6, "each of them once");
  });

  it("gives kept pages back when it needs the room", function* () {
    const { memory, discarded } = reserve(MIB);
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory });
    const halves = yield* Effect.replicateEffect(allocator.malloc(MIB / 2), 2);
    for (const half of halves) yield* half.free();
    assert.lengthOf(discarded, 0);
    const whole = yield* allocator.malloc(MIB);
    assert.equal(whole.address, memory.address);
    assert.lengthOf(discarded, 2);
    assert.instanceOf(yield* Effect.flip(allocator.malloc(MIB)), OutOfSpaceError);
  });

  it("refuses what does not fit in, and goes on", function* () {
    const { memory } = reserve(512 * KIB);
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory });
    assert.instanceOf(yield* Effect.flip(allocator.malloc(513 * KIB)), OutOfSpaceError);
    const large = yield* allocator.malloc(500 * KIB);
    assert.instanceOf(yield* Effect.flip(allocator.malloc(1)), OutOfSpaceError);
    yield* large.free();
    yield* allocator.malloc(1);
  });

  it("uses its window first, which is never given back", function* () {
    const { memory, discarded } = reserve(1024 * KIB);
    const window = { address: Address(2 ** 39), size: 60 * KIB };
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory, window });
    const isInWindow = ({ address, size }: { address: Address; size: number }) =>
      address >= window.address && address + size <= window.address + window.size;
    const first = yield* Effect.replicateEffect(allocator.malloc(10 * KIB, 16), 6);
    assert.isTrue(first.every(isInWindow));
    assert.equal(allocator.mapped, 0);
    const next = yield* allocator.malloc(10 * KIB, 16);
    assert.isFalse(isInWindow(next));
    assert.equal(allocator.mapped, 256 * KIB);
    // An empty window is no reason to give up the chunk, nor the other way round.
    for (const allocation of first) yield* allocation.free();
    yield* next.free();
    assert.equal(allocator.mapped, 256 * KIB);
    const again = yield* allocator.malloc(10 * KIB, 16);
    assert.isTrue(isInWindow(again));
    yield* again.free();
    yield* allocator.close();
    assert.equal(allocator.mapped, 0);
    assert.isTrue(discarded.every(([from]) => from >= 0 && from < memory.size));
  });

  it("has no room in its window for what is large: that gets pages of its own", function* () {
    const { memory } = reserve(1024 * KIB);
    const window = { address: Address(2 ** 39), size: 200 * KIB };
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory, window });
    const allocation = yield* allocator.malloc(100 * KIB);
    assert.isAtLeast(allocation.address, memory.address);
    yield* allocation.free();
    assert.equal(allocator.mapped, 0);
  });

  it("is one and the same for all tasks of the address space", function* () {
    const { memory } = reserve(512 * KIB);
    const window = { address: Address(2 ** 39), size: 4 * KIB };
    const allocator = new Allocator(refusing(), PAGE, { reserve: memory, window });
    const shared = allocator.share(refusing());
    const mine = yield* allocator.malloc(3 * KIB);
    const its = yield* shared.malloc(3 * KIB);
    assert.isBelow(mine.address, memory.address);
    assert.isAtLeast(its.address, memory.address);
    assert.equal(allocator.mapped, shared.mapped);
    shared.leave();
    yield* its.free();
    yield* mine.free();
    assert.equal((yield* allocator.malloc(3 * KIB)).address, mine.address);
  });
});
