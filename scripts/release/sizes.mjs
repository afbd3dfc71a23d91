import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";

const baseline = new URL("sizes.json", import.meta.url);

/** How much larger a tarball may be than the baseline. */
const TOLERANCE = { factor: 1.1, bytes: 2048 };

/** Milliseconds until a package is imported, in a fresh process: the best of three. */
const importTime = (name, cwd) => {
  const program = `const t = performance.now(); await import(${JSON.stringify(name)}); console.log(performance.now() - t)`;
  const times = Array.from({ length: 3 }, () =>
    Number(
      spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd, encoding: "utf8" })
        .stdout,
    ),
  );
  const best = Math.min(...times.filter((time) => time > 0));
  return Number.isFinite(best) ? `${best.toFixed(0)} ms` : "";
};

/**
 * Prints the size of each tarball beside the baseline's, and the time of its import in a project that has all. Returns
 * what is too large. A smaller baseline, or a new package, is written by --update.
 */
export const compareSizes = (packages, tarballOf, cwd, update) => {
  const sizes = Object.fromEntries(
    packages.map((one) => [one.name, statSync(tarballOf(one)).size]),
  );
  const before = existsSync(baseline) ? JSON.parse(readFileSync(baseline, "utf8")) : {};
  const kib = (bytes) => (bytes === undefined ? "" : (bytes / 1024).toFixed(1));
  const faults = [];
  console.log(`${"package".padEnd(30)}${"KiB".padStart(8)}${"before".padStart(8)}  import`);
  for (const { name, exports } of packages) {
    const size = sizes[name];
    const time = exports?.["."] === undefined ? "" : importTime(name, cwd);
    console.log(
      `${name.padEnd(30)}${kib(size).padStart(8)}${kib(before[name]).padStart(8)}  ${time}`,
    );
    if (update) continue;
    if (before[name] === undefined) faults.push(`${name} is not in sizes.json`);
    else if (size > before[name] * TOLERANCE.factor + TOLERANCE.bytes)
      faults.push(`${name} has grown from ${kib(before[name])} to ${kib(size)} KiB`);
  }
  if (update) writeFileSync(baseline, `${JSON.stringify(sizes, null, 2)}\n`);
  return faults.map(
    (fault) => `${fault}: if that is meant, run npm run release -- --dry-run --update`,
  );
};
