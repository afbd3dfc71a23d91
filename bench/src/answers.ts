import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type MockOptions, mock } from "@rsyscall/mock";
import { StubServer } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";
import { interleaved } from "./interleaved.ts";
import { launch, share, times } from "./launches.ts";
import type { Row } from "./Row.ts";
import { quantile } from "./statistics.ts";

/** Callers at the same time. */
const LEVELS = [1, 4, 16] as const;

/** Launches of one sample: those that start a slow program are fewer. */
const COUNT = 200;
const FEW = 12;

const scripts = {
  sh: "#!/bin/sh\necho answer\nexit 0\n",
  python: '#!/usr/bin/env python3\nimport sys\nprint("answer")\nsys.exit(0)\n',
  node: '#!/usr/bin/env node\nconsole.log("answer");\nprocess.exit(0);\n',
};

/** Mocks that need no Thread: calls a second, from another process, beside programs that do the same. */
export const answers = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const place = (name: string, text: string) => {
      const path = `${directory}/${name}-mock`;
      writeFileSync(path, text, { mode: 0o755 });
      return path;
    };
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
    yield* Effect.forkScoped(pass.serve((call) => call.exec(call.command(real))));
    const paths = {
      status: `${directory}/status`,
      reply: `${directory}/reply`,
      pass: `${directory}/pass`,
      mocked: `${mocked.directory}/bin/mocked`,
      real,
      sh: place("sh", scripts.sh),
    };
    const slow = { python: place("python", scripts.python), node: place("node", scripts.node) };
    const names = Object.keys(paths) as Array<keyof typeof paths>;
    const single: Record<string, Array<number>> = Object.fromEntries(
      names.map((name) => [name, []]),
    );
    const rows: Array<Row> = [];
    for (const parallel of LEVELS) {
      const sample = (name: keyof typeof paths, count: number) =>
        Effect.map(launch(paths[name], count, { parallel }), (launches) => {
          if (parallel === 1) single[name]?.push(...times(launches));
          return [share(launches)];
        });
      const all = yield* interleaved(
        Object.fromEntries(names.map((name) => [name, sample(name, COUNT * scale)])) as Record<
          keyof typeof paths,
          Effect.Effect<Array<number>>
        >,
      );
      const others: Record<string, Array<number>> = {};
      for (const [name, path] of Object.entries(slow))
        others[name] = [share(yield* launch(path, FEW, { parallel }))];
      const instead = { name: "sh script", samples: all.sh };
      const at = parallel === 1 ? "one at a time" : `${parallel} at a time`;
      rows.push(
        {
          name: `a status, ${at}, each`,
          unit: "ns",
          samples: all.status,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `a reply with output, ${at}, each`,
          unit: "ns",
          samples: all.reply,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `a fixed reply of mock(), ${at}, each`,
          unit: "ns",
          samples: all.mocked,
          instead,
          aims: [{ ofInstead: 1 / 1.4 }],
        },
        {
          name: `passed on to a program, ${at}, each`,
          unit: "ns",
          samples: all.pass,
          floor: { name: "the program alone", samples: all.real },
          instead,
        },
        ...Object.entries(others).map(
          ([name, samples]): Row => ({
            name: `a fixed reply of mock(), ${at}, each`,
            unit: "ns",
            samples: all.mocked,
            instead: { name: `${name} script`, samples },
            aims: [{ ofInstead: name === "python" ? 1 / 20 : 1 / 80 }],
          }),
        ),
      );
      if (parallel === 1) {
        // Without the launches that have warmed the server up.
        const p99 = (name: keyof typeof paths) => [
          quantile((single[name] ?? []).slice(-(all[name].length * COUNT * scale)), 0.99),
        ];
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
        const added = all.pass.map((time, i) => time - (all.real[i] ?? 0));
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
