import { getpid } from "@rsyscall/near";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { atATime, throughput, throughputs } from "./launches.ts";
import type { Row } from "./Row.ts";
import { placeScripts } from "./scripts.ts";
import { quantile } from "./statistics.ts";

/** Callers at the same time. */
const LEVELS = [1, 4, 16, 64] as const;

/** Launches of one sample: those that start a slow program are fewer. */
const COUNT = 100;
const FEW = 12;

/** Launches whose handler uses the Thread of its caller, from another process, beside scripts that print a line. */
export const threads = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const server = yield* StubServer.make(thread, directory, "used");
    yield* Effect.forkScoped(server.serve((call) => Effect.as(getpid(call.thread.task.sysif), 0)));
    const { sh, bash, python, node } = placeScripts(directory);
    const rows: Array<Row> = [];
    for (const parallel of LEVELS) {
      const count = Math.max(COUNT, 2 * parallel) * scale;
      const all = yield* throughputs({ used: `${directory}/used`, sh, bash }, count, parallel);
      const few = Math.max(FEW, parallel);
      const others = {
        sh: all.sh,
        bash: all.bash,
        python: yield* throughput(python, few, parallel),
        node: yield* throughput(node, few, parallel),
      };
      const name = `a launch with a Thread used, ${atATime(parallel)}`;
      const p99 = quantile(all.used.times, 0.99);
      rows.push(
        ...Object.entries(others).map(
          ([other, { shares }]): Row => ({
            name: `${name}, each`,
            unit: "ns",
            samples: all.used.shares,
            instead: { name: `${other} script`, samples: shares },
            aims: parallel === 16 && other === "sh" ? [{ ofInstead: 1 }, { most: 1e9 / 3200 }] : [],
          }),
        ),
        {
          name: `${name}, to its exit`,
          unit: "ns",
          samples: all.used.times,
          instead: { name: "sh script", samples: all.sh.times },
          aims: parallel === 1 ? [{ ofInstead: 1 }] : [],
        },
        {
          name: `${name}, to its exit, p99`,
          unit: "ns",
          samples: [p99],
          instead: { name: "sh script", samples: [quantile(all.sh.times, 0.99)] },
          aims: parallel === 1 ? [{ most: 1.5e6 }] : [],
        },
      );
    }
    return rows;
  });
