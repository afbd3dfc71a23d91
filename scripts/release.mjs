/*
 * Checks a release, and publishes it: the tarballs that were checked, and no others.
 *
 *   npm run release -- --dry-run             checks, and publishes nothing
 *   npm run release -- --dry-run --quick     what .ci/run checks: needs no registry, and no compiler of another machine
 *   npm run release -- --dry-run --update    takes the sizes and times of imports for the new baseline
 *   npm run release -- --version 0.2.0       gives all packages this version
 *   npm run release                          checks, and publishes by npm, with provenance where CI has it
 *
 * It needs the npm registry and a cross compiler for each platform.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checks } from "./compat/checks.mjs";
import { must, notBuilt, pack, published, run, tarballOf } from "./packed.mjs";
import { root } from "./pnpm.mjs";
import { needsOf } from "./release/glibc.mjs";
import { compareSizes } from "./release/sizes.mjs";
import { faultsOf, npmFaultsOf } from "./release/tarballs.mjs";

/** The oldest glibc on which Node 20 runs: RHEL 8, Debian 10. */
const GLIBC = "2.28";

const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    update: { type: "boolean", default: false },
    version: { type: "string" },
  },
});

const setVersion = (version) => {
  for (const { folder } of published()) {
    const file = join(folder, "package.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/^( {2}"version": ").*(",)$/m, `$1${version}$2`));
  }
  console.log(`All packages have version ${version}. Now write its part of CHANGELOG.md.`);
};

/** Reports what is wrong with something. */
const report = (what, faults) => {
  process.stdout.write(`${faults.length === 0 ? "ok  " : "FAIL"} ${what}\n`);
  for (const fault of faults) process.stdout.write(`     ${fault}\n`);
  if (faults.length > 0) process.exitCode = 1;
};

const checkVersions = () => {
  const versions = new Set(published().map(({ version }) => version));
  const [version] = versions;
  report(`one version: ${[...versions].join(", ")}`, versions.size === 1 ? [] : ["they differ"]);
  const changes = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const isTold = changes.includes(`\n## ${version}\n`);
  report("CHANGELOG.md", isTold ? [] : [`has no part "## ${version}"`]);
};

const bin = (name) => join(root, "node_modules/.bin", name);

const lint = (one) => {
  const { status, output } = run(bin("publint"), ["run", tarballOf(one), "--strict"], root);
  report(`${one.name}: publint`, status === 0 ? [] : [output]);
};

const checkTypes = (one) => {
  if (one.exports?.["."] === undefined) return;
  // require() gives ES modules, which every supported Node can do.
  const ignored = ["--profile", "node16", "--ignore-rules", "cjs-resolves-to-esm"];
  const args = [tarballOf(one), ...ignored, "--format", "ascii"];
  const { status, output } = run(bin("attw"), args, root);
  report(`${one.name}: are the types wrong`, status === 0 ? [] : [output]);
};

/** Of a package with an addon. */
const checkNative = ({ folder, name }) => {
  report(`${name}: modes in npm's tarball`, npmFaultsOf(folder));
  const { libraries, versions, unknown, floor } = needsOf(join(folder, "build/rsyscall.node"));
  const isOld = Number(floor.split(".")[1]) <= Number(GLIBC.split(".")[1]);
  report(`${name}: names no library, and functions of glibc ${floor} alone`, [
    ...libraries.map((library) => `names the library ${library}`),
    ...versions.map((version) => `names the version ${version}`),
    ...unknown.map((symbol) => `needs ${symbol}, which is not in glibc`),
    ...(isOld ? [] : [`needs glibc ${floor}, and Node runs on ${GLIBC}`]),
  ]);
};

const publish = () => {
  // What others depend on first: a package is not to be there before its dependencies are.
  const left = published();
  const names = new Set(left.map(({ name }) => name));
  const done = new Set();
  while (left.length > 0) {
    const next = left.findIndex(({ dependencies = {}, optionalDependencies = {} }) =>
      Object.keys({ ...dependencies, ...optionalDependencies }).every(
        (name) => !names.has(name) || done.has(name),
      ),
    );
    const [one] = left.splice(next, 1);
    // npm itself adds provenance where it publishes by a trusted workflow.
    must("npm", ["publish", tarballOf(one), "--access", "public"], root);
    done.add(one.name);
    console.log(`published ${one.name} ${one.version}`);
  }
};

const checkAll = () => {
  pack();
  checkVersions();
  const absent = notBuilt();
  for (const { name, problem } of absent)
    if (values.quick) console.log(`NOT TRIED ${name}: ${problem}`);
    else report(`${name}: files`, [problem]);
  const all = published().filter(({ name }) => !absent.some((one) => one.name === name));
  for (const one of all) report(`${one.name}: files`, faultsOf(tarballOf(one)));
  for (const one of all) if (one.name.includes("/native-linux-")) checkNative(one);
  for (const one of all) lint(one);
  report("sizes and imports", compareSizes(all, tarballOf, values.update));
  if (!values.quick) {
    for (const one of all) checkTypes(one);
    for (const of of Object.values(checks)) of();
  }
  if (process.exitCode === 1) console.log("The release is not right.");
  else if (values.quick) console.log("What can be checked here is right.");
  else if (values["dry-run"]) console.log("The release is right. Nothing was published.");
  else publish();
};

if (values.version === undefined) checkAll();
else setVersion(values.version);
