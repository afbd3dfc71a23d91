import { readFileSync } from "node:fs";
import { x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { LocalSyscallInterface, SyscallSendError } from "@rsyscall/near";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Allocator } from "../src/index.ts";

const sysif = new LocalSyscallInterface(x86_64);
const allocator = Effect.acquireRelease(
  Effect.sync(() => new Allocator(sysif, 4096)),
  (made) => made.close(),
);

/** The permissions of the mapping at an address, as in "rw-p"; undefined where there is none. */
const permissions = (address: number): string | undefined =>
  readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .find((line) => {
      const [from = 0, to = 0] = (line.split(" ")[0] as string)
        .split("-")
        .map((hex) => Number.parseInt(hex, 16));
      return from <= address && address < to;
    })
    ?.split(" ")[1];

describe("stacks", () => {
  it("can be used to their last byte, and not below", function* () {
    const pool = yield* allocator;
    const stack = yield* pool.takeStack(0);
    yield* sysif.write(stack.address, new Uint8Array(stack.size).fill(1));
    assert.equal(permissions(stack.address), "rw-p");
    assert.equal(permissions(stack.address - 1), "---p");
    yield* pool.giveBackStack(stack);
  });

  it("have the room that is asked for on top, however much it is", function* () {
    const pool = yield* allocator;
    const usual = (yield* pool.takeStack(100)).size;
    const large = yield* pool.takeStack(3_000_000);
    assert.isAtLeast(large.size, usual + 3_000_000);
    yield* pool.giveBackStack(large);
    assert.isUndefined(permissions(large.address), "nobody needs such a large one soon");
  });

  it("are used again, and never twice at a time", function* () {
    const pool = yield* allocator;
    const first = yield* Effect.replicateEffect(pool.takeStack(0), 30);
    assert.equal(new Set(first.map(({ address }) => address)).size, 30);
    for (const stack of first) yield* pool.giveBackStack(stack);
    const addresses = new Set(first.map(({ address }) => address));
    const second = yield* pool.takeStack(0);
    assert.isTrue(addresses.has(second.address));
    yield* pool.giveBackStack(second);
    yield* pool.close();
    assert.equal(pool.mapped, 0);
    for (const { address } of first) assert.isUndefined(permissions(address));
  });
});

describe("an address space of several tasks", () => {
  it("unmaps through those that are left what one that is gone had mapped", function* () {
    const pool = yield* allocator;
    let gone = false;
    const other = new LocalSyscallInterface(x86_64);
    other.syscall = (...args) =>
      gone
        ? (Effect.fail(new SyscallSendError({ syscall: "any" })) as never)
        : sysif.syscall(...args);
    const shared = pool.share(other);
    const large = yield* shared.malloc(1_000_000);
    assert.equal(pool.mapped, shared.mapped);
    gone = true;
    shared.leave();
    yield* large.free();
    assert.isUndefined(permissions(large.address));
    assert.equal(pool.mapped, 0);
  });
});
