import { existsSync, readdirSync } from "node:fs";
import { Host, once } from "@rsyscall/fleet";
import { it, tempDirectory } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";

const onHost = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(LocalThread, (thread) =>
    Effect.flatMap(thread.fork(), (child) =>
      Effect.provideService(effect, Host, { name: "here", thread: child }),
    ),
  );

describe("once", () => {
  it("is done one time, and says so", function* () {
    const directory = yield* tempDirectory;
    let times = 0;
    const work = onHost(
      once(`${directory}/done`, () =>
        Effect.sync(() => {
          times++;
          assert.isFalse(existsSync(`${directory}/done`));
        }),
      ),
    );
    assert.isTrue(yield* work);
    assert.isFalse(yield* work);
    assert.equal(times, 1);
    assert.deepEqual(readdirSync(directory), ["done"]);
  });

  it("is begun again after a failure, and says so", function* () {
    const directory = yield* tempDirectory;
    const seen: Array<boolean> = [];
    const work = (fails: boolean) =>
      onHost(
        once(`${directory}/done`, ({ again }) => {
          seen.push(again);
          return fails ? Effect.fail("full") : Effect.void;
        }),
      );
    assert.equal(yield* Effect.flip(work(true)), "full");
    assert.isTrue(yield* work(false));
    assert.deepEqual(seen, [false, true]);
    assert.deepEqual(readdirSync(directory), ["done"]);
  });

  it("keeps a second attempt out while the first one runs", function* () {
    const directory = yield* tempDirectory;
    let running = 0;
    let times = 0;
    const work = onHost(
      once(`${directory}/done`, () =>
        Effect.gen(function* () {
          assert.equal(++running, 1);
          times++;
          yield* Effect.sleep(30);
          running--;
        }),
      ),
    );
    const results = yield* Effect.all([work, work, work], { concurrency: "unbounded" });
    assert.sameMembers(results, [true, false, false]);
    assert.equal(times, 1);
    assert.deepEqual(readdirSync(directory), ["done"]);
  });

  it("lets the next one in when a process with the lock is killed", function* () {
    const directory = yield* tempDirectory;
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    let begun = false;
    const first = yield* Effect.forkChild(
      Effect.exit(
        Effect.provideService(
          once(`${directory}/done`, () => {
            begun = true;
            return Effect.never;
          }),
          Host,
          { name: "here", thread: child },
        ),
      ),
    );
    while (!begun) yield* Effect.sleep(2);
    const second = yield* Effect.forkChild(
      onHost(once(`${directory}/done`, ({ again }) => Effect.sync(() => assert.isTrue(again)))),
    );
    yield* Effect.sleep(50);
    assert.isFalse(existsSync(`${directory}/done`), "the second one waits");
    process.kill(child.task.pid, "SIGKILL");
    assert.isTrue(yield* Fiber.join(second));
    yield* Fiber.interrupt(first);
  });
});
