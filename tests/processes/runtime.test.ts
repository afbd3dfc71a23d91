import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { CLONE } from "@rsyscall/abi";
import { execute, it } from "@rsyscall/harness";
import { getpid } from "@rsyscall/near";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

/*
 * Children run in the memory of Node itself, beside its garbage collector, its threads and its timers.
 */

const trueCommand = Command.make("/bin/true");

/** Threads that allocate and compile as fast as they can. */
const busyWorkers = (count: number) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Array.from(
        { length: count },
        () =>
          new Worker(
            `let garbage = [];
             for (let i = 0; ; i++) {
               garbage.push(new Array(1000).fill(i), new Function("x", "return x + " + i)(i));
               if (garbage.length > 10_000) garbage = [];
             }`,
            { eval: true },
          ),
      ),
    ),
    (workers) => Effect.promise(() => Promise.all(workers.map((worker) => worker.terminate()))),
  );

const descriptors = () => readdirSync("/proc/self/fd").length;
const resident = () =>
  Number(/VmRSS:\s*(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);

/** The number of mappings that are guard pages. */
const guards = () =>
  readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .filter((line) => line.includes(" ---p 00000000 00:00 0")).length;

describe("children beside a busy runtime", () => {
  it("answer right while workers, timers, child_process and the collector are at work", function* () {
    const thread = yield* LocalThread;
    yield* busyWorkers(2);
    const ticks = { count: 0 };
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(() => ticks.count++, 1)),
      (timer) => Effect.sync(() => clearInterval(timer)),
    );
    const work = Effect.scoped(
      Effect.gen(function* () {
        const child = yield* thread.clone(Math.random() < 0.5 ? 0 : CLONE.FILES);
        for (let i = 0; i < 50; i++) {
          const garbage = Array.from({ length: 1000 }, (_, j) => ({ i, j }));
          assert.equal(garbage.length, 1000);
          assert.equal(yield* getpid(child.task.sysif), child.process.pid);
        }
        assert.isTrue((yield* child.run(trueCommand)).clean);
      }),
    );
    const other = Effect.map(execute("/bin/true"), ({ status }) => assert.equal(status, 0));
    yield* Effect.all(
      Array.from({ length: 40 }, (_, i) => (i % 8 === 7 ? other : work)),
      { concurrency: 8 },
    );
    assert.isAbove(ticks.count, 0);
  });
});

describe("many children, one after the other", () => {
  it("leave no descriptor, mapping, memory or zombie", function* () {
    const thread = yield* LocalThread;
    const round = Effect.all([
      thread.run(trueCommand),
      Effect.scoped(
        Effect.gen(function* () {
          const child = yield* thread.fork();
          yield* child.exec(trueCommand);
          yield* child.process.wait();
        }),
      ),
      Effect.scoped(Effect.flatMap(thread.spawn(trueCommand), (child) => child.wait())),
      Effect.scoped(thread.clone(CLONE.FILES)),
    ]);
    for (let i = 0; i < 20; i++) yield* round;
    const before = { descriptors: descriptors(), guards: guards(), resident: resident() };
    for (let i = 0; i < 250; i++) yield* round;
    assert.equal(descriptors(), before.descriptors);
    // V8 has some of its own, but not one for each of a thousand children.
    assert.isBelow(guards() - before.guards, 100);
    // Each leaked stack or buffer would be 64 KiB: 64 MiB in all.
    assert.isBelow(resident() - before.resident, 32 * 1024);
    const children = readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, "latin1").split(" "),
    );
    const zombies = children.filter((pid) => {
      try {
        return pid !== "" && /\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
      } catch {
        return false;
      }
    });
    assert.deepEqual(zombies, []);
  });
});
