import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Deferred, Effect } from "effect";
import { program } from "./cPrograms.ts";
import type { Row } from "./Row.ts";

/** How many live at the same time, one after the other; those before stay. */
const COUNTS = [1000, 4000] as const;

/** Stubs before the first measurement, so that allocations that are made only once are not counted. */
const WARM_UP = 100;

/** More calls are served at once than by default: none of these ends. */
const CALL_LIMIT = Math.max(...COUNTS) + WARM_UP;

/** Descriptors of this process that a live stub takes, and those that all launches take meanwhile. */
const FDS_OF_ONE = 3;
const FDS_OF_LAUNCHES = 1000;

const SETTLED_MS = 1000;
const IDLE_MS = 2000;

setFlagsFromString("--expose-gc");
const collectGarbage: (options: object) => void = runInNewContext("gc");

/**
 * Bytes of memory of this process that it cannot give back: V8 collects all garbage and moves what is left together, as it
 * does when memory is short. Otherwise pages on which a few objects have survived among the garbage of launches would
 * count as a whole, and differently from one version of Node to the next.
 */
const ownMemory = (): number => {
  for (let i = 0; i < 3; i++)
    collectGarbage({ type: "major", execution: "sync", flavor: "last-resort" });
  return process.memoryUsage.rss();
};

/** The most descriptors that this process may have: Node has raised the soft limit to the hard one. */
const fdLimit = (): number =>
  Number(
    /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? Infinity,
  );

const openFds = (): number => readdirSync("/proc/self/fd").length;

/** Bytes of a process's private memory. */
const privateMemory = (pid: number): number =>
  [...readFileSync(`/proc/${pid}/smaps_rollup`, "latin1").matchAll(/^Private_.*?(\d+) kB$/gm)]
    .map(([, size]) => Number(size) * 1024)
    .reduce((sum, size) => sum + size, 0);

/** Nanoseconds of CPU time of a process. */
const runTime = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]);

/** Stubs that live at the same time. */
export const manyStubs = (thread: Thread, directory: string) =>
  Effect.gen(function* () {
    const server = yield* StubServer.make(thread, directory, "many", { callLimit: CALL_LIMIT });
    const path = `${directory}/many`;
    const pids: Array<number> = [];
    const release = yield* Deferred.make<void>();
    yield* Effect.forkScoped(
      server.serve((call) => {
        // The process becomes a Thread when the handler asks for it.
        pids.push(call.thread.task.pid);
        return Deferred.await(release);
      }),
    );
    const launch = (count: number) =>
      Effect.gen(function* () {
        const before = pids.length;
        const start = process.hrtime.bigint();
        spawn(program("herd"), [String(count), path], { stdio: ["ignore", "ignore", "inherit"] });
        while (pids.length < before + count) yield* Effect.sleep(1);
        return Number(process.hrtime.bigint() - start) / count;
      });
    const stubTime = () => pids.map(runTime).reduce((a, b) => a + b, 0);
    yield* launch(WARM_UP);
    const memory = ownMemory();
    const fds = openFds();
    const rows: Array<Row> = [];
    for (const count of COUNTS) {
      if (fdLimit() < fds + FDS_OF_ONE * count + FDS_OF_LAUNCHES) {
        process.stderr.write(`no figures of ${count} live stubs: ulimit -n is ${fdLimit()}\n`);
        break;
      }
      const live = pids.length - WARM_UP;
      const time = yield* launch(count - live);
      const memoryOfOne = (ownMemory() - memory) / count;
      const fdsOfOne = (openFds() - fds) / count;
      const stubsBefore = stubTime();
      // What was read for that is garbage, which V8 collects soon.
      yield* Effect.sleep(SETTLED_MS);
      const ownBefore = process.cpuUsage();
      yield* Effect.sleep(IDLE_MS);
      const own = process.cpuUsage(ownBefore);
      const stubsRan = stubTime() - stubsBefore;
      rows.push(
        {
          name: `launching and greeting ${count} stubs that stay, each`,
          unit: "ns",
          samples: [time],
        },
        {
          name: `this process's memory for each of ${count} live stubs`,
          unit: "bytes",
          samples: [memoryOfOne],
          aims: [{ most: 12 * 1024 }],
        },
        {
          name: `its descriptors for each of ${count}`,
          unit: "fds",
          samples: [fdsOfOne],
          aims: [{ most: 3 }],
        },
        {
          name: `private memory of each of ${count} stub processes`,
          unit: "bytes",
          samples: pids.map(privateMemory),
          aims: [{ most: 200 * 1024 }],
        },
        {
          name: `CPU of all ${count + WARM_UP} together while idle`,
          unit: "%",
          samples: [(100 * stubsRan) / ((SETTLED_MS + IDLE_MS) * 1e6)],
          aims: [{ most: 0.1 }],
        },
        {
          name: `CPU of this process beside ${count} idle stubs`,
          unit: "%",
          samples: [(100 * (own.user + own.system)) / (IDLE_MS * 1e3)],
          aims: [{ most: 1 }],
        },
      );
    }
    yield* Deferred.succeed(release, undefined);
    return rows;
  });
