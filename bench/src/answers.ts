import { execFileSync } from "node:child_process";
import { type MockOptions, mock } from "@rsyscall/mock";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";
import { atATime, throughput, throughputs } from "./launches.ts";
import type { Row } from "./Row.ts";
import { placeScripts } from "./scripts.ts";
import { quantile } from "./statistics.ts";

/** Callers at the same time. */
const LEVELS = [1, 4, 16] as const;

/** Launches of one sample: those that start a slow program are fewer. */
const COUNT = 200;
const FEW = 12;

/** Mocks that need no Thread: calls a second, from another process, beside programs that do the same. */
export const answers = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const status = yield* StubServer.make(thread, directory, "status");
    yield* Effect.forkScoped(status.serve(() => Effect.succeed(0)));
    const reply = yield* StubServer.make(thread, directory, "reply");
    yield* Effect.forkScoped(reply.serve((call) => call.reply({ stdout: "answer\n" })));
    const pass = yield* StubServer.make(thread, directory, "pass");
    const mocked = yield* Effect.acquireRelease(
      Effect.promise(() => mock()),
      (made) => Effect.promise(() => made.close({ verify: false })),
    );
    mocked("mocked").reply("answer\n");
    const real = program("nothing");
    const { sh, python, node } = placeScripts(directory);
    yield* Effect.forkScoped(pass.serve((call) => call.exec(call.command(real))));
    const paths = {
      status: `${directory}/status`,
      reply: `${directory}/reply`,
      pass: `${directory}/pass`,
      mocked: `${mocked.directory}/bin/mocked`,
      real,
      sh,
    };
    const rows: Array<Row> = [];
    for (const parallel of LEVELS) {
      const all = yield* throughputs(paths, COUNT * scale, parallel);
      const others = {
        python: yield* throughput(python, FEW, parallel),
        node: yield* throughput(node, FEW, parallel),
      };
      const instead = { name: "sh script", samples: all.sh.shares };
      const at = atATime(parallel);
      rows.push(
        {
          name: `a status, ${at}, each`,
          unit: "ns",
          samples: all.status.shares,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `a reply with output, ${at}, each`,
          unit: "ns",
          samples: all.reply.shares,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `a fixed reply of mock(), ${at}, each`,
          unit: "ns",
          samples: all.mocked.shares,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `passed on to a program, ${at}, each`,
          unit: "ns",
          samples: all.pass.shares,
          floor: { name: "the program alone", samples: all.real.shares },
          instead,
        },
        ...Object.entries(others).map(
          ([name, { shares }]): Row => ({
            name: `a fixed reply of mock(), ${at}, each`,
            unit: "ns",
            samples: all.mocked.shares,
            instead: { name: `${name} script`, samples: shares },
            aims: [{ ofInstead: name === "python" ? 1 / 20 : 1 / 80 }],
          }),
        ),
      );
      if (parallel === 1) {
        const p99 = (name: keyof typeof paths) => [quantile(all[name].times, 0.99)];
        for (const [name, what] of [
          ["status", "a status"],
          ["reply", "a reply with output"],
          ["mocked", "a fixed reply of mock()"],
        ] as const)
          rows.push({
            name: `${what}, one at a time, p99`,
            unit: "ns",
            samples: p99(name),
            instead: { name: "sh script", samples: p99("sh") },
            aims: [{ most: 2e6 }],
          });
        const added = all.pass.shares.map((time, i) => time - (all.real.shares[i] ?? 0));
        rows.push({
          name: "added to a program that is passed on to",
          unit: "ns",
          samples: added,
          aims: [{ most: 0.5e6 }],
        });
      }
    }
    return [...rows, ...(yield* making(scale))];
  });

/** A process that imports mock(), and makes one; it prints nanoseconds of the import, of the first one, and of the next. */
const importing = `
const start = process.hrtime.bigint();
const { mock } = await import(process.argv[1]);
const imported = process.hrtime.bigint();
const first = await mock();
const made = process.hrtime.bigint();
const next = await mock();
const end = process.hrtime.bigint();
console.log(String([imported - start, made - imported, end - made]));
await Promise.all([first.close(), next.close()]);
`;

/** What it costs to make a mock. */
const making = (scale: number) =>
  Effect.gen(function* () {
    const url = import.meta.resolve("@rsyscall/mock");
    const samples = Array.from({ length: 5 * scale }, () =>
      execFileSync(process.execPath, ["--input-type=module", "-e", importing, url], {
        encoding: "utf8",
      })
        .trim()
        .split(",")
        .map(Number),
    );
    const column = (i: number) => samples.map((sample) => sample[i] ?? Number.NaN);
    const time = (options?: MockOptions) =>
      Effect.promise(async () => {
        const start = process.hrtime.bigint();
        const made = await mock(options);
        const end = process.hrtime.bigint();
        await made.close();
        return Number(end - start);
      });
    const times = (options?: MockOptions) =>
      Effect.all(Array.from({ length: 20 * scale }, () => time(options)));
    const rows: Array<Row> = [
      { name: "import of @rsyscall/mock", unit: "ns", samples: column(0) },
      { name: "the first mock() right after it", unit: "ns", samples: column(1) },
      { name: "mock()", unit: "ns", samples: yield* times(), aims: [{ most: 10e6 }] },
      {
        name: "mock() of all names of PATH",
        unit: "ns",
        samples: yield* times({ path: "everything" }),
      },
    ];
    return rows;
  });
