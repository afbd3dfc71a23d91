import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { root } from "../pnpm.mjs";

const baseline = new URL("sizes.json", import.meta.url);

/** How much larger a tarball may be than the baseline. */
const largest = (bytes) => bytes * 1.1 + 2048;

/** How much longer an import may take than in the baseline. A module of effect too many costs more. */
const longest = (times) => times * 1.5 + 0.25;

/** How often each import is measured: the best counts. */
const ROUNDS = 3;

/** Milliseconds of CPU that an import takes in a fresh process, which a busy machine hardly changes. */
const importTime = (name) => {
  const program = `const before = process.cpuUsage();
    await import(${JSON.stringify(name)});
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000)`;
  const args = ["--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  const time = Number.parseFloat(stdout);
  if (Number.isNaN(time)) throw new Error(`import of ${name}: ${stderr}`);
  return time;
};

/** The times of imports; that of effect, which a user has anyway, is the unit of the baseline. */
const importTimes = (names) => {
  const best = new Map();
  for (let round = 0; round < ROUNDS; round++)
    for (const name of ["effect", ...names])
      best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, importTime(name)));
  return best;
};

const kib = (bytes) => (bytes === undefined ? "" : (bytes / 1024).toFixed(1));
const fixed = (number) => (number === undefined ? "" : number.toFixed(2));

/**
 * Prints the size of each tarball and the time of its import beside the baseline's. Returns what is too large or too
 * slow. What is better, or a new package, is written by --update.
 */
export const compareSizes = (packages, tarballOf, update) => {
  const times = importTimes(
    packages.filter(({ exports }) => exports?.["."] !== undefined).map(({ name }) => name),
  );
  const effect = times.get("effect");
  const before = existsSync(baseline) ? JSON.parse(readFileSync(baseline, "utf8")) : {};
  const now = {};
  const faults = [];
  console.log(
    `${"".padEnd(30)}${"KiB".padStart(8)}${"before".padStart(8)}${"import".padStart(9)}${"/effect".padStart(9)}${"before".padStart(8)}`,
  );
  for (const one of packages) {
    const { name } = one;
    const bytes = statSync(tarballOf(one)).size;
    const time = times.get(name);
    const ratio = time === undefined ? undefined : Number((time / effect).toFixed(2));
    now[name] = ratio === undefined ? { bytes } : { bytes, import: ratio };
    const old = before[name];
    const milliseconds = time === undefined ? "" : `${time.toFixed(0)} ms`;
    console.log(
      `${name.padEnd(30)}${kib(bytes).padStart(8)}${kib(old?.bytes).padStart(8)}${milliseconds.padStart(9)}${fixed(ratio).padStart(9)}${fixed(old?.import).padStart(8)}`,
    );
    if (old === undefined) faults.push(`${name} is not in sizes.json`);
    else {
      if (bytes > largest(old.bytes))
        faults.push(`${name} has grown from ${kib(old.bytes)} to ${kib(bytes)} KiB`);
      if (ratio > longest(old.import ?? 0))
        faults.push(
          `the import of ${name} takes ${fixed(ratio)} times that of effect, before ${fixed(old.import)}`,
        );
    }
  }
  if (update) {
    writeFileSync(baseline, `${JSON.stringify({ ...before, ...now }, null, 2)}\n`);
    return [];
  }
  return faults.map(
    (fault) => `${fault}: if that is meant, run npm run release -- --dry-run --quick --update`,
  );
};
