import { execFileSync, spawn, spawnSync } from "node:child_process";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./floors.ts";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";

/** Starts a program by Node's own means, and waits for its end. */
const nodeSpawn = (path: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    spawn(path, [], { stdio: "inherit" }).on("exit", () => resume(Effect.void));
  });

const nodeSpawnSync = (path: string) =>
  Effect.sync(() => void spawnSync(path, [], { stdio: "inherit" }));

/** A loop of posix_spawn and waitpid in C: nanoseconds for each. */
const cLoop = (count: number, path: string) => (): Array<number> =>
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

/** Running a program, alone and many at once. */
const runs = (thread: Thread, scale: number, name: string, path: string) =>
  Effect.gen(function* () {
    const run = thread.run(Command.make(path));
    const count = 10 * scale;
    const rows: Array<Row> = [
      yield* row(
        `run of ${name}`,
        "posix_spawn and waitpid in C",
        timed(count, run),
        cLoop(count, path),
        { ratio: 1.1 },
      ),
      yield* row(
        `run of ${name}`,
        "child_process.spawn",
        timed(count, run),
        timed(count, nodeSpawn(path)),
        { ratio: 0.5 },
      ),
      yield* row(
        `run of ${name}`,
        "spawnSync",
        timed(count, run),
        timed(count, nodeSpawnSync(path)),
      ),
      yield* row(
        `${name}, 16 at once, each`,
        "child_process.spawn, 16 at once",
        atOnce(16, 5 * count, run),
        atOnce(16, 5 * count, nodeSpawn(path)),
        { ratio: 0.33 },
      ),
    ];
    rows.push({
      name: `run of ${name}, after all these`,
      samples: yield* timed(count * 10, run),
      floor: { name: "the same at the start", samples: (rows[0] as Row).samples },
    });
    return rows;
  });

/** In a process with much memory, of which fork(2) copies the page tables. */
const runsBesideMemory = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const heap = Buffer.alloc(2 ** 30, 1);
    const path = program("true");
    const rows = [
      yield* row(
        "a static true, beside 1 GiB of memory",
        "child_process.spawn, likewise",
        timed(10 * scale, thread.run(Command.make(path))),
        timed(scale, nodeSpawn(path)),
        { ratio: 0.02 },
      ),
    ];
    if (heap[0] !== 1) throw new Error("the memory must still be there");
    return rows;
  });

/** Making threads, and running programs that do nothing. */
export const processes = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const count = 10 * scale;
    // From the call to the answer to the child's first system call.
    const fork = Effect.scoped(
      Effect.map(
        timed(
          1,
          Effect.flatMap(thread.fork(), ({ task }) => task.sysif.barrier),
        ),
        ([nanoseconds = 0]) => nanoseconds,
      ),
    );
    return [
      yield* row(
        "fork, to its first answer",
        "posix_spawn of nothing in C",
        Effect.replicateEffect(fork, count),
        cLoop(count, program("nothing")),
        { nanoseconds: 100_000 },
      ),
      ...(yield* runs(thread, scale, "a static true", program("true"))),
      ...(yield* runs(thread, scale, "nothing", program("nothing"))),
      ...(yield* runsBesideMemory(thread, scale)),
    ];
  });
