import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { page } from "./benchmarksPage.ts";
import { chart } from "./chart.ts";
import { type Group, groups, measure } from "./groups.ts";
import { measureApart } from "./measureApart.ts";
import type { Row } from "./Row.ts";
import { withFigures } from "./readmeFigures.ts";
import { json, table } from "./table.ts";

const usage = `Usage: npm run bench [-- --quick] [-- --json] [-- --docs] [-- GROUP...]

Measures, and holds every number against others that are measured in the same run. Each group has processes of its own.

  GROUP     one of ${groups.join(", ")}; all of them if none is given
  --quick   a fifth of the samples
  --json    the table as data: nanoseconds, bytes. To get nothing else: npm run -s bench -- --json
  --docs    writes docs/benchmarks.md with its chart, and the figures of README, as well
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

const isGroup = (name: string): name is Group => (groups as ReadonlyArray<string>).includes(name);

const wanted =
  positionals.length === 0
    ? groups
    : positionals.map((name) => (isGroup(name) ? name : refuse(`There is no group ${name}`)));

const scale = options.quick ? 1 : 5;

/** Runs as one of the processes of a group. */
if (process.send !== undefined) {
  const rows = await measure(wanted[0] as Group, scale);
  process.send(rows, undefined, undefined, () => process.disconnect());
} else {
  const rows: Array<Row> = [];
  for (const group of groups.filter((name) => wanted.includes(name))) {
    process.stderr.write(`measuring ${group}...\n`);
    rows.push(...(await measureApart(group, options.quick)));
  }
  const [cpu] = cpus();
  const { node, uv } = process.versions;
  const machine = `${cpu?.model ?? "unknown CPU"}, ${cpus().length} cores; Linux ${release()}; Node ${node} with libuv ${uv}`;
  if (options.docs) {
    const [benchmarks, readme, picture] = [
      "docs/benchmarks.md",
      "README.md",
      "docs/benchmarks.svg",
    ].map((path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))) as [
      string,
      string,
      string,
    ];
    const text = page(machine, table(rows));
    writeFileSync(benchmarks, text);
    writeFileSync(picture, chart(rows));
    writeFileSync(readme, withFigures(readFileSync(readme, "utf8"), text));
  }
  process.stdout.write(
    options.json ? `${json(machine, rows)}\n` : `${machine}\n\n${table(rows)}\n`,
  );
}
