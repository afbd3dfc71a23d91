import { readdirSync } from "node:fs";
import { AsyncReadBuffer } from "@rsyscall/epoller";
import type { Socket } from "@rsyscall/handle";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { launchTask } from "./launchTask.ts";

type Pair = [access: Socket, task: Socket];

const descriptors = (pid: number | "self") => readdirSync(`/proc/${pid}/fd`).length;

describe("a connection through a multiplexed stream", () => {
  it("opens channels, in as many messages as it takes", function* () {
    const { mux, thread } = yield* launchTask();
    const { connection } = thread;
    const before = mux.stats.channels;
    assert.deepEqual(yield* connection.openChannels(0), []);
    for (const count of [1, 32, 33, 100]) {
      const opened = yield* connection.openChannels(count);
      assert.equal(opened.length, count);
      for (const [i, [access, task]] of opened.entries()) {
        assert.equal(access.task, connection.accessTask);
        assert.isTrue(access.closeOnFork);
        assert.equal(task.task, thread.task);
        if (i % 10 !== 0 && i !== count - 1) continue;
        yield* task.writeAllText(`${i} of ${count}`);
        yield* access.writeAllText(`${count}: ${i}`);
        const there = yield* task.readBytes();
        assert.equal(Buffer.from(there).toString(), `${count}: ${i}`);
      }
    }
    assert.equal(mux.stats.channels, before + 1 + 32 + 33 + 100);
  });

  it("opens them for many at once", function* () {
    const { thread } = yield* launchTask();
    const all = yield* Effect.forEach(
      Array.from({ length: 50 }, (_, i) => i),
      (i) =>
        Effect.gen(function* () {
          const channels = yield* thread.connection.openAsyncChannels(1 + (i % 3));
          yield* Effect.forEach(channels, ([, task]) => task.writeAllText(`for ${i}.`));
          return yield* Effect.forEach(channels, ([access]) =>
            Effect.map(new AsyncReadBuffer(access).readLength(`for ${i}.`.length), (bytes) =>
              Buffer.from(bytes).toString(),
            ),
          );
        }),
      { concurrency: "unbounded" },
    );
    for (const [i, texts] of all.entries())
      for (const text of texts) assert.equal(text, `for ${i}.`);
  });

  it("passes no descriptors, but none of them", function* () {
    const { thread } = yield* launchTask();
    const { connection } = thread;
    assert.isFalse(connection.canPass);
    assert.deepEqual(yield* connection.passTo([]), []);
    assert.deepEqual(yield* connection.passFrom([]), []);
    for (const pass of [connection.passTo, connection.passFrom]) {
      const error = yield* Effect.flip(pass([thread.stdin]));
      assert.match(error.message, /^pass(To|From): .* carries bytes, and no descriptors: /);
    }
  });

  it("opens all of them or none, where the far side has no descriptors left", function* () {
    const { mux, thread } = yield* launchTask("/bin/sh", "-c", 'ulimit -n 70; exec "$@"', "sh");
    const { connection } = thread;
    const [channels, here] = [mux.stats.channels, descriptors("self")];
    const there = descriptors(thread.task.pid);
    for (let round = 0; round < 3; round++) {
      // The first of its messages goes through, and what came of that is given back.
      const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(connection.openChannels(96))));
      assert.match(error.message, /EMFILE/);
      yield* thread.task.sysif.barrier();
      while (mux.stats.channels > channels)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
      assert.equal(descriptors("self"), here);
      assert.equal(descriptors(thread.task.pid), there);
    }
    const [[access, task]] = (yield* connection.openChannels(1)) as [Pair];
    yield* access.writeAllText("still");
    assert.equal(Buffer.from(yield* task.readBytes()).toString(), "still");
  });

  it("is handed on to children, each with channels of its own", function* () {
    const { thread } = yield* launchTask();
    const child = yield* thread.fork();
    assert.isFalse(child.connection.canPass);
    const [[access, task]] = (yield* child.connection.openChannels(1)) as [Pair];
    assert.equal(task.task, child.task);
    yield* access.writeAllText("child");
    assert.equal(Buffer.from(yield* task.readBytes()).toString(), "child");
  });
});
