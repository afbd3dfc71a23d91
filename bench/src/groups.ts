import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noFleet } from "@rsyscall/harness/requirements";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { answers } from "./answers.ts";
import { execs } from "./execs.ts";
import { files } from "./files.ts";
import { imports } from "./imports.ts";
import { stubLaunch } from "./launch.ts";
import { localCall } from "./local.ts";
import { manyStubs } from "./many.ts";
import { remoteMemory } from "./memory.ts";
import { processes } from "./processes.ts";
import type { Row } from "./Row.ts";
import { type Remotes, remoteCalls } from "./remote.ts";
import { streams } from "./streams.ts";
import { threads } from "./threads.ts";
import { transports } from "./transports.ts";

/** What is measured, in this order. */
export const groups = [
  "imports",
  "local",
  "remote",
  "memory",
  "launch",
  "threads",
  "many",
  "answers",
  "processes",
  "execs",
  "streams",
  "files",
  "transports",
  "fleet",
] as const;

/** A part of the measurements, in processes of its own. */
export type Group = (typeof groups)[number];

/** A stub that lives as long as the group, and its Thread. */
const liveStub = (local: Thread, directory: string, sharedMemory: boolean) =>
  Effect.gen(function* () {
    const name = sharedMemory ? "ring" : "socket";
    const server = yield* StubServer.make(local, directory, name, { sharedMemory });
    spawn(join(directory, name), { stdio: "ignore" });
    const { thread } = yield* server.accept();
    yield* Effect.addFinalizer(() => Effect.ignore(thread.exit(0)));
    return thread;
  });

/** The package is loaded for this group alone. */
const fleets = (directory: string, scale: number) => {
  if (noFleet === undefined)
    return Effect.flatMap(
      Effect.promise(() => import("./fleet.ts")),
      ({ fleet }) => Effect.scoped(fleet(directory, scale)),
    );
  process.stderr.write(`no figures of fleets: ${noFleet}\n`);
  return Effect.succeed([]);
};

/** Measures a group in this process. */
export const measure = (group: Group, scale: number): Promise<ReadonlyArray<Row>> => {
  const measured = Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "rsyscall-bench-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
    );
    const local = yield* LocalThread;
    const withRemotes = <A, E>(
      use: (remotes: Remotes) => Effect.Effect<A, E>,
    ): Effect.Effect<A, unknown> =>
      Effect.scoped(
        Effect.gen(function* () {
          const ring = yield* liveStub(local, directory, true);
          const socket = yield* liveStub(local, directory, false);
          return yield* use({ local, ring, socket });
        }),
      );
    const measures: Record<Group, Effect.Effect<ReadonlyArray<Row>, unknown>> = {
      imports: imports(),
      local: localCall(local, scale),
      remote: withRemotes((remotes) => remoteCalls(remotes, scale)),
      memory: withRemotes((remotes) => remoteMemory(remotes, scale)),
      launch: Effect.scoped(stubLaunch(local, directory, scale)),
      threads: Effect.scoped(threads(local, directory, scale)),
      many: Effect.scoped(manyStubs(local, directory)),
      answers: Effect.scoped(answers(local, directory, scale)),
      processes: processes(local, scale),
      execs: execs(local, directory, scale),
      streams: withRemotes((remotes) => streams(remotes, directory, scale)),
      files: withRemotes((remotes) => files(remotes, scale)),
      transports: Effect.scoped(transports(local, scale)),
      fleet: fleets(directory, scale),
    };
    return yield* measures[group];
  });
  return Effect.runPromise(measured.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
};
