import { createHash, randomFillSync } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { O } from "@rsyscall/abi";
import { type CopyProgress, copyFile, Memfd, open } from "@rsyscall/handle";
import { it, tempDirectory, wires } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A file of so many random bytes. */
const fileOf = (size: number) =>
  Effect.map(tempDirectory, (directory) => {
    const path = `${directory}/file`;
    writeFileSync(path, randomFillSync(Buffer.alloc(size)));
    return path;
  });

for (const [how, launch] of wires)
  describe(`copyFile to a stub ${how}`, () => {
    for (const size of [0, 1, 2 ** 20 - 1, 2 ** 20, 5 * 2 ** 20 + 4097])
      it(`copies ${size} bytes, and tells how far it is`, function* () {
        const { call } = yield* launch;
        const [path, other] = [yield* fileOf(size), yield* fileOf(17)];
        const from = yield* open((yield* LocalThread).task, path, O.RDONLY);
        const to = yield* open(call.thread.task, other, O.WRONLY);
        const seen: Array<CopyProgress> = [];
        const onProgress = (progress: CopyProgress) => Effect.sync(() => seen.push(progress));
        assert.equal(yield* copyFile(from, to, { onProgress }), size);
        assert.equal(digest(readFileSync(other)), digest(readFileSync(path)));
        assert.equal(seen.length, Math.ceil(size / 2 ** 18));
        assert.deepEqual(
          seen.map(({ done }) => done),
          seen.map(({ done }) => done).sort((a, b) => a - b),
        );
        if (size > 0) assert.deepEqual(seen.at(-1), { done: size, size });
      });

    it("and from there to memory here", function* () {
      const { call } = yield* launch;
      const path = yield* fileOf(3_000_000);
      const { task } = yield* LocalThread;
      const memory = yield* Memfd.make(task, "copy");
      yield* copyFile(yield* open(call.thread.task, path, O.RDONLY), memory);
      assert.equal(
        digest(readFileSync(`/proc/self/fd/${memory.near}`)),
        digest(readFileSync(path)),
      );
    });
  });

describe("copyFile", () => {
  it("leaves the offsets of the open files", function* () {
    const { task } = yield* LocalThread;
    const from = yield* open(task, yield* fileOf(10), O.RDONLY);
    const to = yield* open(task, yield* fileOf(0), O.RDWR);
    yield* from.readBytes(4);
    yield* copyFile(from, to);
    assert.equal((yield* from.readBytes()).length, 6);
    assert.equal((yield* to.readBytes()).length, 10);
  });

  it("copies what is left of a file that becomes shorter", function* () {
    const { task } = yield* LocalThread;
    const [path, other] = [yield* fileOf(6 * 2 ** 20), yield* fileOf(0)];
    const [from, to] = [yield* open(task, path, O.RDONLY), yield* open(task, other, O.WRONLY)];
    const onProgress = () => Effect.sync(() => truncateSync(path, 2 ** 20 + 5));
    const copied = yield* copyFile(from, to, { onProgress });
    assert.isBelow(copied, 6 * 2 ** 20);
    assert.isAtLeast(copied, 2 ** 20);
    assert.deepEqual(
      readFileSync(other).subarray(0, 2 ** 20),
      readFileSync(path).subarray(0, 2 ** 20),
    );
  });

  it("refuses what has no offsets, and loses nothing of it", function* () {
    const { task } = yield* LocalThread;
    const path = yield* fileOf(3);
    const file = yield* open(task, path, O.RDONLY);
    const appending = yield* open(task, path, O.WRONLY | O.APPEND);
    const nothing = yield* open(task, "/dev/null", O.RDWR);
    for (const [from, to, tag] of [
      [file, appending, "InvalidStateError"],
      [file, nothing, "WrongKindError"],
      [nothing, file, "WrongKindError"],
    ] as const) {
      const error = yield* Effect.flip(Effect.asVoid(copyFile(from, to)));
      assert.equal(error._tag, tag);
    }
    assert.equal(statSync(path).size, 3);
  });
});
