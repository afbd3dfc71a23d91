import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { answers } from "./answers.ts";
import { page } from "./benchmarksPage.ts";
import { execs } from "./execs.ts";
import { files } from "./files.ts";
import { stubLaunch } from "./launch.ts";
import { localCall } from "./local.ts";
import { manyStubs } from "./many.ts";
import { remoteMemory } from "./memory.ts";
import { processes } from "./processes.ts";
import type { Row } from "./Row.ts";
import { withFigures } from "./readmeFigures.ts";
import { remoteCalls } from "./remote.ts";
import { streams } from "./streams.ts";
import { json, table } from "./table.ts";
import { transports } from "./transports.ts";

const groups = [
  "local",
  "remote",
  "memory",
  "launch",
  "many",
  "answers",
  "processes",
  "execs",
  "streams",
  "files",
  "transports",
] as const;

const usage = `Usage: npm run bench [-- --quick] [-- --json] [-- --docs] [-- GROUP...]

Measures, and holds every number against others that are measured in the same run.

  GROUP     one of ${groups.join(", ")}; all of them if none is given
  --quick   a fifth of the samples
  --json    the table as data: nanoseconds, bytes
  --docs    writes docs/benchmarks.md, and the figures of README, as well
`;

const refuse = (problem: string): never => {
  process.stderr.write(`${problem}\n${usage}`);
  process.exit(64);
};

const { values: options, positionals } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        docs: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
})();

if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const unknown = positionals.find((name) => !(groups as ReadonlyArray<string>).includes(name));
if (unknown !== undefined) refuse(`There is no group ${unknown}`);

type Group = (typeof groups)[number];

const isWanted = (group: Group) => positionals.length === 0 || positionals.includes(group);

/** A stub that lives as long as the bench, and its Thread. */
const liveStub = (local: Thread, directory: string, sharedMemory: boolean) =>
  Effect.gen(function* () {
    const name = sharedMemory ? "ring" : "socket";
    const server = yield* StubServer.make(local, directory, name, { sharedMemory });
    spawn(join(directory, name), { stdio: "ignore" });
    const { thread } = yield* server.accept();
    yield* Effect.addFinalizer(() => Effect.ignore(thread.exit(0)));
    return thread;
  });

const measureAll = Effect.gen(function* () {
  const scale = options.quick ? 1 : 5;
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "rsyscall-bench-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
  );
  const local = yield* LocalThread;
  const remotes = {
    local,
    ring: yield* liveStub(local, directory, true),
    socket: yield* liveStub(local, directory, false),
  };
  const measures: Record<Group, Effect.Effect<ReadonlyArray<Row>, unknown, never>> = {
    local: localCall(local, scale),
    remote: remoteCalls(remotes, scale),
    memory: remoteMemory(remotes, scale),
    launch: Effect.scoped(stubLaunch(local, directory, scale)),
    many: Effect.scoped(manyStubs(local, directory)),
    answers: Effect.scoped(answers(local, directory, scale)),
    processes: processes(local, scale),
    execs: execs(local, directory, scale),
    streams: streams(remotes, directory, scale),
    files: files(remotes, scale),
    transports: Effect.scoped(transports(local, scale)),
  };
  const rows: Array<Row> = [];
  for (const group of groups.filter(isWanted)) {
    if (process.stderr.isTTY) process.stderr.write(`measuring ${group}...\n`);
    rows.push(...(yield* measures[group]));
  }
  return rows;
});

const rows = await Effect.runPromise(
  measureAll.pipe(Effect.scoped, Effect.provide(LocalThread.layer)),
);
const [cpu] = cpus();
const machine = `${cpu?.model ?? "unknown CPU"}, ${cpus().length} cores; Linux ${release()}; Node ${process.version}`;
if (options.docs) {
  const [benchmarks, readme] = ["docs/benchmarks.md", "README.md"].map((path) =>
    fileURLToPath(new URL(`../../${path}`, import.meta.url)),
  ) as [string, string];
  const text = page(machine, table(rows));
  writeFileSync(benchmarks, text);
  writeFileSync(readme, withFigures(readFileSync(readme, "utf8"), text));
}
process.stdout.write(options.json ? `${json(machine, rows)}\n` : `${machine}\n\n${table(rows)}\n`);
