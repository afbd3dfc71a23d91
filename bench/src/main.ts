import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { stubLaunch } from "./launch.ts";
import { localCall } from "./local.ts";
import { processes } from "./processes.ts";
import { remoteCalls, remoteMemory } from "./remote.ts";
import { json, table } from "./table.ts";

const usage = `Usage: npm run bench [-- --quick] [-- --json]

Measures, and holds every number against a floor that is measured in the same run.

  --quick   a fifth of the samples
  --json    the table as data, in nanoseconds
`;

const options = (() => {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    process.exit(64);
  }
})();

if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const progress = <A, E, R>(what: string, measure: Effect.Effect<A, E, R>) =>
  Effect.andThen(
    Effect.sync(() => {
      if (process.stderr.isTTY) process.stderr.write(`measuring ${what}...\n`);
    }),
    measure,
  );

const measureAll = Effect.gen(function* () {
  const scale = options.quick ? 1 : 5;
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "rsyscall-bench-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
  );
  const local = yield* LocalThread;
  const server = yield* StubServer.make(local, directory, "stub");
  spawn(join(directory, "stub"), { stdio: "ignore" });
  const { thread } = yield* server.accept();

  const rows = [
    ...(yield* progress("remote calls", remoteCalls([local, thread], scale))),
    ...(yield* progress("memory", remoteMemory([local, thread], scale))),
    ...(yield* progress("launches", stubLaunch(local, directory, scale))),
    ...(yield* progress("processes", processes(local, scale))),
    ...(yield* progress("local calls", localCall(local, scale))),
  ];
  yield* thread.exit(0);
  return rows;
});

const rows = await Effect.runPromise(
  measureAll.pipe(Effect.scoped, Effect.provide(LocalThread.layer)),
);
const [cpu] = cpus();
const machine = `${cpu?.model ?? "unknown CPU"}, ${cpus().length} cores; Linux ${release()}; Node ${process.version}`;
process.stdout.write(options.json ? `${json(machine, rows)}\n` : `${machine}\n\n${table(rows)}\n`);
