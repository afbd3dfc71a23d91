import { execFile, execFileSync } from "node:child_process";
import { stubPath } from "@rsyscall/native";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./floors.ts";
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

/** What the stub exits with when it finds no server. */
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

/** From a caller's posix_spawn to our handler, and to the caller's waitpid. */
export const stubLaunch = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const server = yield* StubServer.make(thread, directory, "launched");
    const handlerStart = new Map<number, bigint>();
    yield* Effect.forkScoped(
      server.serve((call) =>
        Effect.sync(() => void handlerStart.set(call.pid, process.hrtime.bigint())),
      ),
    );
    const count = 20 * scale;
    const { samples, floor } = yield* interleaved(
      Effect.map(launch(count, `${directory}/launched`), (launches) =>
        launches.map(({ pid, start, end }) => {
          const handler = handlerStart.get(pid);
          if (handler === undefined) throw new Error(`the launch of ${pid} reached no handler`);
          handlerStart.delete(pid);
          return { toHandler: Number(handler - start), toExit: Number(end - start) };
        }),
      ),
      () => launchBare(count),
    );
    const bare = { name: "posix_spawn of the bare stub", samples: floor };
    const rows: Array<Row> = [
      {
        name: "stub launch to handler start",
        samples: samples.map(({ toHandler }) => toHandler),
        floor: bare,
        aim: { nanoseconds: 2e6 },
      },
      {
        name: "stub launch to the caller's exit",
        samples: samples.map(({ toExit }) => toExit),
        floor: bare,
      },
    ];
    return rows;
  });
