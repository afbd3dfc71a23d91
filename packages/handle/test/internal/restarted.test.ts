import { Errno, F, FALLOC_FL, SEEK } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { decorated } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Memfd } from "../../src/index.ts";

/** A file, and the number of calls of this name that were made, of which a signal has interrupted the first ones. */
const interrupted = (name: "fallocate" | "fcntl", times: number) =>
  Effect.gen(function* () {
    const { task } = yield* LocalThread;
    const file = yield* Memfd.make(task, "restarted");
    const number = task.abi.syscallNumber(name);
    let calls = 0;
    yield* task.decorate({
      isInherited: false,
      decorate: (sysif) =>
        decorated(sysif, (inner) => ({
          direct: undefined,
          syscall: (called, ...words) =>
            called === number && ++calls <= times
              ? Effect.succeed(-Errno.EINTR)
              : inner.syscall(called, ...words),
        })),
    });
    return { file, calls: () => calls };
  });

describe("a call that a signal has interrupted", () => {
  it("is made again: fallocate", function* () {
    const { file, calls } = yield* interrupted("fallocate", 2);
    yield* file.fallocate(0, 0, 4096);
    assert.equal(calls(), 3);
    assert.equal(yield* file.lseek(0, SEEK.END), 4096);
  });

  it("is made again: a record lock", function* () {
    const { file, calls } = yield* interrupted("fcntl", 2);
    yield* file.setRecordLock(F.WRLCK, {});
    assert.equal(calls(), 3);
  });

  it("is not made again if that would move the content twice", function* () {
    const { file, calls } = yield* interrupted("fallocate", 1);
    const error = yield* Effect.flip(file.fallocate(FALLOC_FL.INSERT_RANGE, 0, 4096));
    assert.include(error.message, "EINTR");
    assert.equal(calls(), 1);
  });

  it("is not made for ever, for a task that lies", function* () {
    const { file, calls } = yield* interrupted("fallocate", 1000);
    assert.include((yield* Effect.flip(file.fallocate(0, 0, 1))).message, "EINTR");
    assert.equal(calls(), 101);
  });
});
