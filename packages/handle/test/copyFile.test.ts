import { createHash, randomFillSync } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { Errno, F_SEAL, MFD, O } from "@rsyscall/abi";
import { type CopyProgress, copyFile, Memfd, open, type Task } from "@rsyscall/handle";
import { it, tempDirectory, wires } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
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

for (const [how, launch] of wires)
  describe(`a copy that fails, with a stub ${how}`, () => {
    /** A memfd that takes no bytes. */
    const sealed = (task: Task) =>
      Effect.tap(Memfd.make(task, "sealed", MFD.ALLOW_SEALING), (memfd) =>
        memfd.addSeals(F_SEAL.GROW),
      );

    it("says which call has, and the next one is not affected", function* () {
      const { call } = yield* launch;
      const { task } = yield* LocalThread;
      const path = yield* fileOf(5 * 2 ** 20 + 3);
      const [here, there] = [
        yield* open(task, path, O.RDONLY),
        yield* open(call.thread.task, path, O.RDONLY),
      ];
      for (const [from, to] of [
        [here, call.thread.task],
        [there, task],
      ] as const) {
        const error = yield* Effect.flip(
          Effect.flatMap(sealed(to), (memfd) => copyFile(from, memfd)),
        );
        assert.deepInclude(error, { errno: "EPERM", syscall: "pwrite64" });
        const memfd = yield* Memfd.make(to, "copy");
        yield* copyFile(from, memfd);
        assert.equal(
          digest(readFileSync(`/proc/${to.pid}/fd/${memfd.near}`)),
          digest(readFileSync(path)),
        );
      }
    });

    it("or becomes shorter, has what is left", function* () {
      const { call } = yield* launch;
      const { task } = yield* LocalThread;
      for (const [source, target] of [
        [task, call.thread.task],
        [call.thread.task, task],
      ] as const) {
        const path = yield* fileOf(9 * 2 ** 20);
        const from = yield* open(source, path, O.RDONLY);
        const to = yield* Memfd.make(target, "copy");
        const onProgress = () => Effect.sync(() => truncateSync(path, 2 ** 20 + 5));
        const copied = yield* copyFile(from, to, { onProgress });
        assert.equal((yield* to.fstat()).size, copied);
        assert.isAtLeast(copied, 2 ** 20 + 5);
        const left = readFileSync(path);
        assert.isTrue(
          readFileSync(`/proc/${target.pid}/fd/${to.near}`).subarray(0, left.length).equals(left),
        );
      }
    });

    it("is interrupted, and other calls go on", function* () {
      const { call } = yield* launch;
      const { task } = yield* LocalThread;
      const from = yield* open(task, yield* fileOf(64 * 2 ** 20), O.RDONLY);
      const to = yield* Memfd.make(call.thread.task, "copy");
      const copying = yield* Effect.forkChild(copyFile(from, to));
      let calls = 0;
      while (calls++ < 5) {
        yield* near.getpid(call.thread.task.sysif);
        yield* Effect.yieldNow;
      }
      assert.isUndefined(copying.pollUnsafe());
      yield* Fiber.interrupt(copying);
      assert.isBelow((yield* to.fstat()).size, 64 * 2 ** 20);
    });
  });

describe("copyFile in one table", () => {
  const names = (calls: Array<string>) => [...new Set(calls)];

  /** Makes the local task's calls through a decorator that notes their names. */
  const noted = Effect.fnUntraced(function* (refused?: number) {
    const { task } = yield* LocalThread;
    const calls: Array<string> = [];
    const { abi } = task;
    yield* task.decorate({
      isInherited: false,
      decorate: (inner) =>
        near.decorated(inner, () => ({
          direct: undefined,
          syscall: (number, ...words) =>
            Effect.suspend(() => {
              const name = abi.syscallName(number);
              if (name.startsWith("copy") || name.startsWith("pwrite")) calls.push(name);
              return name === "copy_file_range" && refused !== undefined
                ? Effect.succeed(-refused)
                : inner.syscall(number, ...words);
            }),
        })),
    });
    return { task, calls };
  });

  it("is by copy_file_range(2), and tells how far it is", function* () {
    const { task, calls } = yield* noted();
    const path = yield* fileOf(9 * 2 ** 20 + 1);
    const from = yield* open(task, path, O.RDONLY);
    const to = yield* Memfd.make(task, "copy");
    const seen: Array<number> = [];
    const onProgress = ({ done }: CopyProgress) => Effect.sync(() => seen.push(done));
    const size = yield* copyFile(from, to, { onProgress });
    assert.deepInclude(seen, size);
    assert.equal(digest(readFileSync(`/proc/self/fd/${to.near}`)), digest(readFileSync(path)));
    assert.include(names(calls), "copy_file_range");
  });

  for (const errno of ["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM"] as const)
    it(`is in pieces where that is ${errno}`, function* () {
      const { task, calls } = yield* noted(Errno[errno]);
      const path = yield* fileOf(3 * 2 ** 20 + 1);
      const from = yield* open(task, path, O.RDONLY);
      const to = yield* Memfd.make(task, "copy");
      yield* copyFile(from, to);
      assert.equal(digest(readFileSync(`/proc/self/fd/${to.near}`)), digest(readFileSync(path)));
      assert.deepEqual(names(calls), ["copy_file_range", "pwrite64"]);
    });

  it("fails as that does where no other way is better", function* () {
    const { task } = yield* noted(Errno.ENOSPC);
    const from = yield* open(task, yield* fileOf(10), O.RDONLY);
    const to = yield* Memfd.make(task, "copy");
    assert.deepInclude(yield* Effect.flip(copyFile(from, to)), {
      errno: "ENOSPC",
      syscall: "copy_file_range",
    });
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
