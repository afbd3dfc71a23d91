import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { stubPath } from "@rsyscall/native";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { interleaved } from "./interleaved.ts";
import { launch, times } from "./launches.ts";
import type { Row } from "./Row.ts";

/** The exit status of the stub when it finds no server. */
const UNAVAILABLE = 69;

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
        // The process becomes a Thread when the handler asks for it.
        Effect.sync(() => void handlerStart.set(call.thread.task.pid, process.hrtime.bigint())),
      ),
    );
    const count = 20 * scale;
    const toExit: Array<number> = [];
    const launched = Effect.map(launch(`${directory}/launched`, count), (launches) =>
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
      bare: Effect.map(launch(stubPath, count, { status: UNAVAILABLE }), times),
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
