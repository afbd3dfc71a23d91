import { it, Random } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Cause, Effect, Exit, Fiber, Option } from "effect";
import { assert, describe } from "vitest";
import { missing, operations } from "./battery/operations.ts";
import { World } from "./battery/world.ts";

/*
 * Every public operation against a process that answers at random: numbers, bytes and events. The
 * answers follow from the seed, which a failure names.
 */

/** How long it runs. A longer run sees more: RSYSCALL_BATTERY_SECONDS=600. */
const SECONDS = Number(process.env["RSYSCALL_BATTERY_SECONDS"] ?? 5);

const SEED = Number(process.env["RSYSCALL_BATTERY_SEED"] ?? 1);

/** Milliseconds that an operation gets: it may wait for something that never comes. */
const PATIENCE = "50 millis";

/** Milliseconds that the process lives. An unanswered call is waited for until it ends. */
const DEATH = 200;

/** After that, neither an interruption nor the end of the process ends an operation. */
const LONGEST = "5 seconds";

/** Bytes of memory that all runs may take; most are garbage. */
const MEMORY = 512 * 1024 ** 2;

/** Replaces the numbers in a message, to compare messages. */
const kindOf = (text: string): string => String(text.split("\n")[0]).replace(/-?\d+/g, "N");

describe("a process that answers at random", () => {
  it("is asked by every public operation", function* () {
    const world = new World(new Random(1), yield* LocalThread, yield* Effect.scope);
    assert.deepEqual(yield* missing(world), []);
  });

  it(
    "is a typed failure: no defect, nothing read that was not asked for, no end of memory",
    function* () {
      const local = yield* LocalThread;
      const table = Object.entries(operations).flatMap(([name, all]) =>
        Object.entries(all).map(([key, operation]) => ({ name: `${name}: ${key}`, operation })),
      );
      const faults = new Map<string, string>();
      const before = process.memoryUsage().rss;
      const end = performance.now() + SECONDS * 1000;
      let runs = 0;
      let most = 0;
      for (let seed = SEED; performance.now() < end; seed++)
        for (const { name, operation } of table) {
          if (performance.now() > end) break;
          const random = new Random(seed * table.length + runs);
          const run = Effect.scoped(
            Effect.gen(function* () {
              const world = new World(random, local, yield* Effect.scope);
              const death = setTimeout(() => world.liar.die(), DEATH);
              yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(death)));
              const exit = yield* Effect.exit(
                Effect.timeoutOption(
                  Effect.suspend(() => operation(world)),
                  PATIENCE,
                ),
              );
              for (const excess of world.liar.excesses)
                faults.set(`${name}: ${kindOf(excess)}`, `seed ${seed}`);
              return yield* exit;
            }),
          );
          const fiber = yield* Effect.forkDetach(run, { startImmediately: true });
          const exit = yield* Effect.timeoutOption(Fiber.await(fiber), LONGEST);
          if (Option.isNone(exit)) faults.set(`${name}: does not end`, `seed ${seed}`);
          else if (Exit.isFailure(exit.value) && Cause.hasDies(exit.value.cause)) {
            const text = Cause.pretty(exit.value.cause);
            faults.set(`${name}: ${kindOf(text)}`, `seed ${seed}: ${text}`);
          }
          runs++;
          if (runs % 256 === 0) most = Math.max(most, process.memoryUsage().rss);
        }
      console.log(`${runs} operations, ${faults.size} kinds of faults`);
      assert.deepEqual(Object.fromEntries(faults), {});
      assert.isBelow(most - before, MEMORY);
    },
    SECONDS * 1000 + 60_000,
  );
});
