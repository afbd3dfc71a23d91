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
import { root } from "./pnpm.mjs";

/** Where the packages are packed, and the projects that install them. */
export const work = join(root, ".cache/compat");
export const tarballs = join(work, "tarballs");

/** The manifests of all packages that are published, with their folders. */
export const published = () =>
  readdirSync(join(root, "packages"))
    .map((name) => {
      const folder = join(root, "packages", name);
      return { folder, ...JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) };
    })
    .filter((manifest) => manifest.private !== true);

/** The tarball of a package. */
export const tarballOf = ({ name, version }) =>
  join(tarballs, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);

/** What an installation needs of ours: all but the files of other machines. */
export const installed = () =>
  published()
    .filter(({ cpu, os }) => !os || !cpu || cpu.includes(process.arch))
    .map(tarballOf);

/** Runs a program, and gives its status and what it has written. */
export const run = (command, args, cwd, node = process.execPath, more = {}) => {
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

export const must = (command, args, cwd) => {
  const { status, output } = run(command, args, cwd);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
};

/** The compilers of each platform: its own, and those of Debian for another machine. */
const compilers = {
  arm64: { machine: "aarch64", cross: "aarch64-linux-gnu-gcc" },
  x64: { machine: "x86_64", cross: "x86_64-linux-gnu-gcc" },
};

/** The compiler of a platform, or undefined and what to install. */
const compilerOf = (cpu) => {
  const { machine, cross } = compilers[cpu];
  const compiler = cpu === process.arch ? (process.env.CC ?? "cc") : cross;
  if (spawnSync(compiler, ["--version"], { stdio: "ignore" }).error === undefined)
    return { compiler };
  const remedy = `Debian: apt-get install gcc-${machine}-linux-gnu libc6-dev-${cpu}-cross`;
  return { problem: `${compiler} not found (${remedy})` };
};

const platforms = Object.keys(compilers).map((cpu) => ({
  name: `@rsyscall/native-linux-${cpu}`,
  cpu,
}));

/** The packages whose files cannot be built here, and why. */
export const notBuilt = () =>
  platforms.flatMap(({ name, cpu }) => {
    const { problem } = compilerOf(cpu);
    return problem === undefined ? [] : [{ name, problem }];
  });

/** Builds the files of every platform into its package. */
const buildNatives = () => {
  for (const { cpu } of platforms) {
    const { compiler } = compilerOf(cpu);
    if (compiler === undefined) continue;
    const { machine } = compilers[cpu];
    const out = `../native-linux-${cpu}/build`;
    must(
      "make",
      [`ARCH=${machine}`, `CC=${compiler}`, `OUT=${out}`],
      join(root, "packages/native"),
    );
  }
};

/** Packs all packages, as they are published. Those of `notBuilt` have no files. */
export const pack = () => {
  rmSync(tarballs, { recursive: true, force: true });
  mkdirSync(tarballs, { recursive: true });
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  must(process.execPath, ["scripts/setup.mjs"], root);
  buildNatives();
  const all = ["--recursive", "--filter", "./packages/*"];
  must("npx", ["--yes", packageManager, ...all, "pack", "--pack-destination", tarballs], root);
};

/** A project with these packages of the registry, and ours. */
export const project = (name, packages, files) => {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "package.json")))
    writeFileSync(join(folder, "package.json"), "{}\n");
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
      ...installed(),
    ],
    folder,
  );
  for (const file of files)
    cpSync(file, join(folder, file.slice(file.lastIndexOf("/") + 1)), { recursive: true });
  return folder;
};

/** A Node of another version, which npm fetches once: the package is the binary that nodejs.org offers. */
export const nodeOf = (version) => {
  const own = process.versions.node.split(".")[0];
  if (String(version) === own) return process.execPath;
  const name = `node-linux-${process.arch}`;
  const folder = join(root, `.cache/node${version}`);
  const node = join(folder, "node_modules", name, "bin/node");
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    must(
      "npm",
      [
        "install",
        "--no-save",
        "--no-package-lock",
        "--loglevel=error",
        `${name}@${version}`,
        "--prefix",
        folder,
      ],
      folder,
    );
  }
  return node;
};

/** A check: what it shows, and how. `shows` must be in what is printed. */
export const check = (what, { command, args, cwd, node, env, status = 0, shows = [] }) => {
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
