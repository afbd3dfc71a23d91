import { execFileSync, spawn, spawnSync } from "node:child_process";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { clones, program } from "./cPrograms.ts";
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
  execFileSync(program("launch"), [String(count), "0", "1", path], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => {
      const [, start = "", end = ""] = line.split(" ");
      return Number(BigInt(end) - BigInt(start));
    });

/** Many at once: nanoseconds for each. */
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

/** Running a program, alone and many at once. The median is at most so many times that of posix_spawn(3). */
const runs = (thread: Thread, scale: number, name: string, path: string, ofFloor: number) =>
  Effect.gen(function* () {
    const run = thread.run(Command.make(path));
    const count = 10 * scale;
    const alone = yield* interleaved({
      run: timed(count, run),
      c: cLoop(count, path),
      calls: () => clones("run", count, path),
      node: timed(count, nodeSpawn(path)),
      sync: timed(count, nodeSpawnSync(path)),
    });
    const many = yield* interleaved({
      run: atOnce(16, 5 * count, run),
      node: atOnce(16, 5 * count, nodeSpawn(path)),
    });
    const later = yield* timed(count * 10, run);
    const floor = { name: "posix_spawn and waitpid in C", samples: alone.c };
    const rows: Array<Row> = [
      {
        name: `run of ${name}`,
        unit: "ns",
        samples: alone.run,
        floor,
        instead: { name: "child_process.spawn", samples: alone.node },
        aims: [{ ofFloor }, { ofInstead: 0.5 }],
      },
      {
        name: `run of ${name}`,
        unit: "ns",
        samples: alone.run,
        floor: { name: "the same system calls in C", samples: alone.calls },
      },
      {
        name: `run of ${name}`,
        unit: "ns",
        samples: alone.run,
        floor,
        instead: { name: "spawnSync", samples: alone.sync },
      },
      {
        name: `run of ${name}, each of 16 at once`,
        unit: "ns",
        samples: many.run,
        instead: { name: "child_process.spawn, likewise", samples: many.node },
        aims: [{ ofInstead: 0.33 }],
      },
      {
        name: `run of ${name}, after all these`,
        unit: "ns",
        samples: later,
        floor: { name: "the same before", samples: alone.run },
        aims: [{ ofFloor: 1.1 }],
      },
    ];
    return rows;
  });

/** Running a program in a process with much memory, whose page tables fork(2) copies. */
const runsBesideMemory = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const heap = Buffer.alloc(2 ** 30, 1);
    const path = program("true");
    const { run, node } = yield* interleaved({
      run: timed(10 * scale, thread.run(Command.make(path))),
      node: timed(scale, nodeSpawn(path)),
    });
    if (heap[0] !== 1) throw new Error("the memory must still be there");
    const row: Row = {
      name: "run of a static true, beside 1 GiB of memory",
      unit: "ns",
      samples: run,
      instead: { name: "child_process.spawn, likewise", samples: node },
      aims: [{ ofInstead: 0.02 }],
    };
    return [row];
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
          Effect.flatMap(thread.fork(), ({ task }) => task.sysif.barrier()),
        ),
        ([nanoseconds = 0]) => nanoseconds,
      ),
    );
    const forks = yield* interleaved({
      fork: Effect.replicateEffect(fork, count),
      c: () => clones("fork", count),
    });
    const row: Row = {
      name: "fork, to its first answer",
      unit: "ns",
      samples: forks.fork,
      floor: { name: "the same system calls in C", samples: forks.c },
      aims: [{ ofFloor: 1.5 }],
    };
    return [
      row,
      ...(yield* runs(thread, scale, "a static true", program("true"), 1.2)),
      ...(yield* runs(thread, scale, "nothing", program("nothing"), 1.5)),
      ...(yield* runsBesideMemory(thread, scale)),
    ];
  });
