import { execFileSync, spawn, spawnSync } from "node:child_process";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./floors.ts";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";

const path = program("true");

/** Starts a program by Node's own means, and waits for its end. */
const nodeSpawn: Effect.Effect<void> = Effect.callback((resume) => {
  spawn(path, [], { stdio: "inherit" }).on("exit", () => resume(Effect.void));
});

const nodeSpawnSync = Effect.sync(() => void spawnSync(path, [], { stdio: "inherit" }));

/** A loop of posix_spawn and waitpid in C: nanoseconds for each. */
const cLoop = (count: number) => (): Array<number> =>
  execFileSync(program("launch"), [String(count), "0", path], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => {
      const [, start = "", end = ""] = line.split(" ");
      return Number(BigInt(end) - BigInt(start));
    });

/** So many at once, for as long as it takes: nanoseconds for each. */
const atOnce = <E, R>(width: number, count: number, operation: Effect.Effect<unknown, E, R>) =>
  Effect.map(
    timed(
      1,
      Effect.all(
        Array.from({ length: count }, () => operation),
        { concurrency: width },
      ),
    ),
    ([nanoseconds = 0]) => [nanoseconds / count],
  );

const row = <E, R>(
  name: string,
  floorName: string,
  measure: Effect.Effect<ReadonlyArray<number>, E, R>,
  floor: (() => ReadonlyArray<number>) | Effect.Effect<ReadonlyArray<number>>,
  aim?: Row["aim"],
): Effect.Effect<Row, E, R> =>
  Effect.map(interleaved(measure, floor), ({ samples, floor }) => ({
    name,
    samples,
    floor: { name: floorName, samples: floor },
    ...(aim && { aim }),
  }));

/** Making threads, and running a static program that does nothing. */
export const processes = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const run = thread.run(Command.make(path));
    const count = 10 * scale;
    const runs = timed(count, run);
    const nodeSpawns = timed(count, nodeSpawn);
    // A fork counts from the call to the answer to the child's first system call.
    const forks = Effect.forEach(Array.from({ length: count }), () =>
      Effect.scoped(
        Effect.map(
          timed(
            1,
            Effect.flatMap(thread.fork(), ({ task }) => task.sysif.barrier),
          ),
          ([nanoseconds = 0]) => nanoseconds,
        ),
      ),
    );
    const rows: Array<Row> = [
      yield* row("fork, to its first answer", "posix_spawn and waitpid in C", forks, cLoop(count), {
        nanoseconds: 100_000,
      }),
      yield* row("run of a static true", "posix_spawn and waitpid in C", runs, cLoop(count), {
        ratio: 1.1,
      }),
      yield* row("run of a static true", "child_process.spawn", runs, nodeSpawns, { ratio: 0.5 }),
      yield* row("run of a static true", "spawnSync", runs, timed(count, nodeSpawnSync)),
      yield* row(
        "runs, 16 at once, each",
        "child_process.spawn, 16 at once",
        atOnce(16, 5 * count, run),
        atOnce(16, 5 * count, nodeSpawn),
        { ratio: 1 / 3 },
      ),
    ];
    // What fork(2) has to copy the page tables of.
    const heap = Buffer.alloc(2 ** 30, 1);
    rows.push(
      yield* row(
        "run beside 1 GiB of memory",
        "child_process.spawn beside 1 GiB",
        runs,
        timed(Math.ceil(count / 10), nodeSpawn),
        { ratio: 1 / 50 },
      ),
    );
    if (heap[0] !== 1) throw new Error("the memory must still be there");
    const last = yield* timed(count * 10, run);
    const before = rows[1] as Row;
    rows.push({
      name: "run, after all of these",
      samples: last,
      floor: { name: "run, at the start", samples: before.samples },
    });
    return rows;
  });
