import { execFile, execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { stubPath } from "@rsyscall/native";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";
import { interleaved } from "./interleaved.ts";
import type { Row } from "./Row.ts";

interface Launch {
  readonly pid: number;
  readonly start: bigint;
  readonly end: bigint;
}

const parse = (output: string): Array<Launch> =>
  output
    .trim()
    .split("\n")
    .map((line) => {
      const [pid = "", start = "", end = ""] = line.split(" ");
      return { pid: Number(pid), start: BigInt(start), end: BigInt(end) };
    });

/** The exit status of the stub when it finds no server. */
const UNAVAILABLE = 69;

const launch = (count: number, path: string): Effect.Effect<Array<Launch>> =>
  Effect.callback((resume) => {
    execFile(program("launch"), [String(count), "0", path], (error, stdout) =>
      resume(error === null ? Effect.succeed(parse(stdout)) : Effect.die(error)),
    );
  });

/** The stub alone: it finds no server, and exits. */
const launchBare = (count: number): Array<number> =>
  parse(
    execFileSync(program("launch"), [String(count), String(UNAVAILABLE), stubPath], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ).map(({ start, end }) => Number(end - start));

/** A mock that is a Node script: from its launch to its first line. */
const launchScript = (count: number, script: string): Array<number> =>
  Array.from({ length: count }, () => {
    const start = process.hrtime.bigint();
    const firstLine = execFileSync(script, { encoding: "utf8" });
    return Number(BigInt(firstLine) - start);
  });

/** From a caller's posix_spawn to our handler, and to the caller's waitpid. */
export const stubLaunch = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const server = yield* StubServer.make(thread, directory, "launched");
    const script = `${directory}/script`;
    const line = "#!/usr/bin/env node\nprocess.stdout.write(String(process.hrtime.bigint()));\n";
    writeFileSync(script, line, { mode: 0o755 });
    const handlerStart = new Map<number, bigint>();
    yield* Effect.forkScoped(
      server.serve((call) =>
        Effect.sync(() => void handlerStart.set(call.pid, process.hrtime.bigint())),
      ),
    );
    const count = 20 * scale;
    const toExit: Array<number> = [];
    const launched = Effect.map(launch(count, `${directory}/launched`), (launches) =>
      launches.map(({ pid, start, end }) => {
        const handler = handlerStart.get(pid);
        if (handler === undefined) throw new Error(`the launch of ${pid} reached no handler`);
        handlerStart.delete(pid);
        toExit.push(Number(end - start));
        return Number(handler - start);
      }),
    );
    const all = yield* interleaved({
      launched,
      bare: () => launchBare(count),
    });
    // Not in turn with the others: Node empties the caches, and they would measure nothing else.
    const scripts = launchScript(4 * scale, script);
    const floor = { name: "posix_spawn of the bare stub, and its exit", samples: all.bare };
    const instead = { name: "a Node script, to its first line", samples: scripts };
    const rows: Array<Row> = [
      {
        name: "stub launch to handler start",
        unit: "ns",
        samples: all.launched,
        floor,
        instead,
        aims: [{ most: 1e6 }, { ofInstead: 1 / 40 }],
      },
      {
        name: "stub launch to the caller's exit",
        unit: "ns",
        samples: toExit.slice(-all.launched.length),
        floor,
      },
    ];
    return rows;
  });
