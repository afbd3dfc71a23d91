import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Deferred, Effect } from "effect";
import { program } from "./cPrograms.ts";
import type { Row } from "./Row.ts";

const COUNT = 1000;

/** Stubs before the first measurement, so that allocations that are made only once are not counted. */
const WARM_UP = 100;

const IDLE_MS = 2000;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Bytes of memory of this process, after garbage collection. */
const ownMemory = (): number => {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage.rss();
};

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
    const server = yield* StubServer.make(thread, directory, "many");
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
        spawn(program("herd"), [String(count), path], { stdio: "ignore" });
        while (pids.length < before + count) yield* Effect.sleep(1);
        return Number(process.hrtime.bigint() - start) / count;
      });
    yield* launch(WARM_UP);
    const memory = ownMemory();
    const fds = openFds();
    const time = yield* launch(COUNT);
    const memoryOfOne = (ownMemory() - memory) / COUNT;
    const fdsOfOne = (openFds() - fds) / COUNT;
    yield* Effect.sleep(100);
    const ran = (all: ReadonlyArray<number>) => all.map(runTime).reduce((a, b) => a + b, 0);
    const stubsBefore = ran(pids);
    const ownBefore = process.cpuUsage();
    yield* Effect.sleep(IDLE_MS);
    const own = process.cpuUsage(ownBefore);
    const stubsRan = ran(pids) - stubsBefore;
    const privates = pids.map(privateMemory);
    yield* Deferred.succeed(release, undefined);
    const rows: Array<Row> = [
      {
        name: `launching and greeting ${COUNT} stubs that stay, each`,
        unit: "ns",
        samples: [time],
      },
      {
        name: `this process's memory for each of ${COUNT} live stubs`,
        unit: "bytes",
        samples: [memoryOfOne],
        aims: [{ most: 24 * 1024 }],
      },
      {
        name: "its descriptors for each",
        unit: "fds",
        samples: [fdsOfOne],
        aims: [{ most: 4 }],
      },
      {
        name: "a stub process's private memory",
        unit: "bytes",
        samples: privates,
        aims: [{ most: 200 * 1024 }],
      },
      {
        name: `CPU of all ${COUNT + WARM_UP} together while idle`,
        unit: "%",
        samples: [(100 * stubsRan) / (IDLE_MS * 1e6)],
        aims: [{ most: 0.1 }],
      },
      {
        name: "CPU of this process meanwhile",
        unit: "%",
        samples: [(100 * (own.user + own.system)) / (IDLE_MS * 1e3)],
        aims: [{ most: 1 }],
      },
    ];
    return rows;
  });
