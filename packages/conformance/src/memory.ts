import { Bytes, Uint64 } from "@rsyscall/abi";
import { Memfd } from "@rsyscall/handle";
import { Address, batchThen, pipelined, pread, pwrite, readInto, write } from "@rsyscall/near";
import { fieldsOf } from "@rsyscall/thread";
import { Effect } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, word } from "./internal/bytes.ts";
import { equal, equalBytes, ok, refused } from "./internal/expect.ts";
import { newThread } from "./internal/subject.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Makes the behaviour of one piece of memory that is written and read as a whole. */
const whole = (name: string, sizeOf: (pageSize: number) => number) =>
  behaviour(`moves ${name} into its memory and out of it, unchanged`, [], function* () {
    const { task } = yield* newThread;
    const size = sizeOf(task.pageSize);
    const bytes = pattern(size, size);
    yield* task.withMemory(size, 1, (address) =>
      Effect.gen(function* () {
        yield* task.sysif.write(address, bytes);
        equalBytes(yield* task.sysif.read(address, size), bytes, "what was read");
      }),
    );
  });

/** How often memory is overwritten that calls in flight still read. */
const ROUNDS = 200;

export const memory: ReadonlyArray<Behaviour> = topic("memory", [
  whole("no byte at all", () => 0),
  whole("one byte", () => 1),
  whole("7 bytes", () => 7),
  whole("a byte less than a page", (page) => page - 1),
  whole("a page", (page) => page),
  whole("a byte more than a page", (page) => page + 1),
  whole("64 KiB and a byte", () => 64 * KiB + 1),
  whole("1 MiB", () => MiB),
  whole("16 MiB", () => 16 * MiB),

  behaviour("reads and writes at any address, and nothing beside", [], function* () {
    const { task } = yield* newThread;
    const size = 3 * task.pageSize;
    yield* task.withMemory(size, task.pageSize, (address) =>
      Effect.gen(function* () {
        const all = pattern(size, 2);
        yield* task.sysif.write(address, all);
        for (let offset = 0; offset < 17; offset++)
          for (const length of [0, 1, 3, 8, 15]) {
            // Also across the boundary of two pages.
            for (const at of [64 * (offset + 1) + offset, task.pageSize - offset]) {
              const part = pattern(length, at);
              yield* task.sysif.write(Address(address + at), part);
              all.set(part, at);
              const read = yield* task.sysif.read(Address(address + at), length);
              equalBytes(read, part, `${length} bytes at offset ${at}`);
            }
          }
        equalBytes(yield* task.sysif.read(address, size), all, "all of it, at the end");
      }),
    );
  }),

  behaviour("reads into bytes of the caller, and nothing beside", [], function* () {
    const { task } = yield* newThread;
    const largest = 18 * MiB;
    const all = pattern(largest, 4);
    yield* task.withMemory(largest, task.pageSize, (address) =>
      Effect.gen(function* () {
        yield* task.sysif.write(address, all);
        for (const length of [0, 7, 5000, 64 * KiB + 1, MiB, largest - 3]) {
          // From an odd address to an odd place.
          const around = new Uint8Array(length + 8).fill(9);
          yield* readInto(task.sysif, Address(address + 3), around.subarray(5, 5 + length));
          equalBytes(around.subarray(5, 5 + length), all.subarray(3, 3 + length), "what was read");
          equalBytes(around.slice(0, 5), new Uint8Array(5).fill(9), "the bytes before it");
          equalBytes(around.slice(5 + length), new Uint8Array(3).fill(9), "the bytes behind it");
        }
      }),
    );
  }),

  behaviour(
    "allocates memory at the alignment that is asked for, and none of it twice",
    [],
    function* () {
      const { task } = yield* newThread;
      const taken: Array<{ readonly address: number; readonly size: number }> = [];
      yield* Effect.scoped(
        Effect.gen(function* () {
          for (const size of [1, 8, 100, 5000, 100_000])
            for (const alignment of [1, 2, 8, 64, task.pageSize]) {
              const allocation = yield* Effect.acquireRelease(
                task.allocator.malloc(size, alignment),
                (allocation) => allocation.free(),
              );
              const { address } = allocation;
              equal(address % alignment, 0, `an address modulo ${alignment}`);
              for (const other of taken)
                ok(
                  address + size <= other.address || other.address + other.size <= address,
                  "memory that is in use must not be allocated again",
                );
              taken.push({ address, size });
              yield* task.sysif.write(address, pattern(size, taken.length));
            }
          for (const [i, { address, size }] of taken.entries())
            equalBytes(
              yield* task.sysif.read(Address(address), size),
              pattern(size, i + 1),
              `${size} bytes among others`,
            );
        }),
      );
    },
  ),

  behaviour("shows a write to every call after it, and to none before it", [], function* () {
    const { task } = yield* newThread;
    const { sysif } = task;
    const { near } = yield* Memfd.make(task, "writes");
    yield* task.withMemory(8, 8, (address) =>
      pipelined(
        Array.from({ length: ROUNDS }, (_, i) => [
          sysif.write(address, word(i)),
          pwrite(sysif, near, address, 8, 8 * i),
        ]).flat(),
      ),
    );
    yield* task.withMemory(8 * ROUNDS, 8, (address) =>
      Effect.gen(function* () {
        const [, bytes] = yield* batchThen(
          [pread(sysif, near, address, 8 * ROUNDS, 0)],
          sysif.read(address, 8 * ROUNDS),
        );
        for (let i = 0; i < ROUNDS; i++)
          equal(
            Uint64.decode(bytes.subarray(8 * i, 8 * i + 8)),
            BigInt(i),
            `what call ${i} has seen of the write before it`,
          );
      }),
    );
  }),

  behaviour("reads what the calls before have left, and nothing that came later", [], function* () {
    const { task } = yield* newThread;
    const { sysif } = task;
    const file = yield* Memfd.make(task, "reads");
    const numbers = new Uint8Array(8 * ROUNDS);
    for (let i = 0; i < ROUNDS; i++) numbers.set(word(i), 8 * i);
    yield* file.writeAllBytes(numbers);
    const reads = yield* task.withMemory(8, 8, (address) =>
      pipelined(
        Array.from({ length: ROUNDS }, (_, i) => [
          pread(sysif, file.near, address, 8, 8 * i),
          sysif.read(address, 8),
        ]).flat(),
      ),
    );
    for (let i = 0; i < ROUNDS; i++)
      equalBytes(reads[2 * i + 1] as Uint8Array, word(i), `what was read behind call ${i}`);
  }),

  behaviour("writes the bytes as they were when they were submitted", [], function* () {
    const { task } = yield* newThread;
    const size = MiB;
    yield* task.withMemory(size, 8, (address) =>
      Effect.gen(function* () {
        const bytes = pattern(size, 3);
        const expected = bytes.slice();
        yield* task.sysif.write(address, bytes);
        bytes.fill(0);
        const read = yield* task.sysif.read(address, size);
        equalBytes(read, expected, "bytes that the caller has changed since");
        read.fill(0);
        const again = yield* task.sysif.read(address, size);
        equalBytes(again, expected, "bytes of which the caller has changed a copy");
      }),
    );
  }),

  behaviour("moves many pieces at the same time, in both directions", [], function* () {
    const { task } = yield* newThread;
    const size = 48 * KiB + 5;
    yield* Effect.forEach(
      Array.from({ length: 64 }, (_, i) => i),
      (i) =>
        task.withMemory(size, 1, (address) =>
          Effect.gen(function* () {
            for (let round = 0; round < 3; round++) {
              const bytes = pattern(size, 100 * i + round);
              yield* task.sysif.write(address, bytes);
              equalBytes(yield* task.sysif.read(address, size), bytes, `piece ${i}`);
            }
          }),
        ),
      { concurrency: "unbounded", discard: true },
    );
  }),

  behaviour(
    "shows the kernel what was written, and reads what the kernel has written",
    [],
    function* () {
      const { task } = yield* newThread;
      const file = yield* Memfd.make(task, "kernel");
      const bytes = pattern(3 * MiB + 1, 5);
      yield* file.writeAllBytes(bytes);
      equal((yield* file.fstat()).size, bytes.length, "the size of the file");
      yield* file.lseek(0, 0);
      const pointer = yield* task.malloc(Bytes, bytes.length);
      const [used] = yield* file.read(pointer);
      equalBytes(yield* used.read(), bytes, "what was read of the file");
    },
  ),

  behaviour("gives the kernel's EFAULT for an address at which nothing is", [], function* () {
    const { task } = yield* newThread;
    const { near } = yield* Memfd.make(task, "fault");
    yield* refused(write(task.sysif, near, Address(8), 1), "EFAULT", "write from address 8");
    equal(
      yield* task.withBytes(pattern(8), (at) => write(task.sysif, near, at, 8)),
      8,
      "a write after it",
    );
  }),

  behaviour("takes memory back, so that it does not grow with use", [], function* () {
    const { task } = yield* newThread;
    const use = Effect.forEach([10, 1000, 100_000, MiB], (size) =>
      task.withMemory(size, 8, (address) =>
        task.sysif.write(address, pattern(Math.min(size, 100))),
      ),
    );
    // Memory that is freed after a write in flight is only reusable when the write is done.
    yield* use;
    yield* task.sysif.barrier();
    const before = task.allocator.mapped;
    for (let i = 0; i < 20; i++) yield* use;
    yield* task.sysif.barrier();
    equal(task.allocator.mapped, before, "the bytes that are mapped after the same again");
  }),

  behaviour(
    "has its memory in common with the controller, where that is said of it",
    ["sharedMemory"],
    function* () {
      const { task, memory } = fieldsOf(yield* newThread);
      ok(memory !== undefined, "it should have `memory`, unless `lacks.sharedMemory` says why not");
      yield* task.withMemory(256, 8, (address) =>
        Effect.gen(function* () {
          ok(memory.has(address, 256), "what is allocated should lie in the memory that is shared");
          const bytes = pattern(256, 9);
          memory.write(address, bytes);
          const { near } = yield* Memfd.make(task, "shared");
          yield* pwrite(task.sysif, near, address, 256, 0);
          yield* task.sysif.write(address, new Uint8Array(256));
          equalBytes(memory.read(address, 256), new Uint8Array(256), "what the controller sees");
          yield* pread(task.sysif, near, address, 256, 0);
          equalBytes(memory.read(address, 256), bytes, "what the task has written");
        }),
      );
    },
  ),
]);
