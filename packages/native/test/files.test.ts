import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, assert, describe, it } from "vitest";
import { findDirectory } from "../src/files.ts";
import { stubPath } from "../src/index.ts";

const built = dirname(stubPath);
const index = fileURLToPath(new URL("../dist/index.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "rsyscall-native-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** A copy of the files. */
const copy = (name: string): string => {
  const made = join(directory, name);
  mkdirSync(made);
  for (const file of ["rsyscall.node", "rsyscall-unix-stub", "rsyscall-task"])
    copyFileSync(join(built, file), join(made, file));
  return made;
};

/** What a program prints that loads the built package: its pid by a system call, or the error. */
const loading = (native: string, wrap: (command: string) => ReadonlyArray<string>): string => {
  const program = `import(${JSON.stringify(index)}).then(
    ({ syscall }) => console.log(syscall(39) === process.pid ? "works" : "broken"),
    (error) => console.log(error.name + ": " + error.message))`;
  const [command = "", ...args] = wrap(`exec "$NODE" --input-type=module -e "$PROGRAM"`);
  const { stdout, stderr } = spawnSync(command, args, {
    env: {
      ...process.env,
      NODE: process.execPath,
      PROGRAM: program,
      RSYSCALL_NATIVE_DIR: native,
    },
    encoding: "utf8",
  });
  return `${stdout}${stderr}`;
};

const load = (native: string) => loading(native, (command) => ["sh", "-c", command]);

/** Where nothing is found but what a test says. */
const around = {
  platform: "linux-x64",
  directory: undefined,
  file: "/app/node_modules/@rsyscall/native/dist/index.js",
  resolve: (module: string): string => {
    throw new Error(`Cannot find module '${module}'`);
  },
};

const refusal = (more: Partial<typeof around> | { readonly directory: string }): string => {
  try {
    return findDirectory({ ...around, ...more });
  } catch (error) {
    assert.equal((error as Error).name, "NativeLoadError");
    return (error as Error).message;
  }
};

describe("the directory of the files", () => {
  it("is the one of the environment, or what was built here, or that of the platform's package", () => {
    const named = copy("named");
    assert.equal(refusal({ directory: named }), named);
    assert.equal(refusal({ file: join(built, "../src/files.ts") }), built);
    const asked: Array<string> = [];
    const resolve = (module: string) => {
      asked.push(module);
      return `/app/node_modules/${module.replace("/rsyscall", "/build/rsyscall")}`;
    };
    const packaged = (cpu: string) => `/app/node_modules/@rsyscall/native-linux-${cpu}/build`;
    assert.equal(refusal({ resolve }), packaged("x64"));
    assert.equal(refusal({ resolve, platform: "linux-arm64" }), packaged("arm64"));
    assert.deepEqual(asked, [
      "@rsyscall/native-linux-x64/rsyscall.node",
      "@rsyscall/native-linux-arm64/rsyscall.node",
    ]);
  });

  it("that is not there is refused with the remedy that is right for it", () => {
    assert.match(refusal({ platform: "darwin-arm64" }), /supports linux-arm64 and linux-x64, and/);
    assert.match(refusal({}), /--omit=optional, --no-optional,.* 'npm install @rsyscall\/native-/);
    assert.match(refusal({ file: "/app/out.js" }), /is a bundle, .* --external:@rsyscall\/\*/);
    assert.match(refusal({ file: "/src/packages/native/dist/index.js" }), /'npm run build'/);
    assert.match(refusal({ directory: "/nowhere" }), /from \/nowhere: it is not there: set RSYS/);
  });

  it("in an asar archive is beside it, or refused", () => {
    const resolve = (app: string) => () =>
      join(app, "app.asar/node_modules/@rsyscall/native-linux-x64/build/rsyscall.node");
    assert.match(
      refusal({ resolve: resolve("/opt/app") }),
      /inside an asar archive.* "asarUnpack"/,
    );
    const outside = "app.asar.unpacked/node_modules/@rsyscall/native-linux-x64/build";
    mkdirSync(join(directory, outside), { recursive: true });
    writeFileSync(join(directory, outside, "rsyscall.node"), "");
    assert.equal(refusal({ resolve: resolve(directory) }), join(directory, outside));
  });
});

describe("files that cannot be used", () => {
  it("work where they are right", () => {
    assert.equal(load(copy("right")), "works\n");
  });

  it("are named: lost permissions, files that are missing, damaged or of another machine", () => {
    const mode = copy("mode");
    chmodSync(join(mode, "rsyscall-unix-stub"), 0o644);
    assert.match(load(mode), /rsyscall-unix-stub is not executable .* run 'chmod \+x/);
    const missing = copy("missing");
    rmSync(join(missing, "rsyscall-task"));
    assert.match(load(missing), /Cannot use .*rsyscall-task \(ENOENT\): reinstall @rsyscall/);
    const damaged = copy("damaged");
    writeFileSync(join(damaged, "rsyscall.node"), "damaged");
    assert.match(load(damaged), /is damaged, or of another machine: remove node_modules/);
    const other = copy("other");
    const library = new Uint8Array(4096);
    library.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    library.set([3, 0, 0xf3, 0, 1], 16); // a library for RISC-V
    writeFileSync(join(other, "rsyscall.node"), library);
    assert.match(load(other), /is damaged, or of another machine: remove node_modules/);
  });

  const mounts = spawnSync("unshare", ["-m", "true"]).status === 0 ? "" : " (skipped: no unshare)";
  it.skipIf(mounts)(`are named: a file system that is mounted noexec${mounts}`, () => {
    const noexec = copy("noexec");
    const source = copy("source");
    const output = loading(noexec, (command) => [
      ...["unshare", "-m", "--propagation", "private", "sh", "-c"],
      `mount -t tmpfs -o noexec none ${noexec} && cp ${source}/* ${noexec} && ${command}`,
    ]);
    assert.match(output, /its file system is mounted noexec: install on another, or copy/);
  });
});

describe("a bundle", () => {
  const esbuild = fileURLToPath(new URL("../node_modules/.bin/esbuild", import.meta.url));
  for (const [format, ending] of [
    ["esm", "mjs"],
    ["cjs", "cjs"],
  ] as const)
    it(`of esbuild, as ${format}, finds the platform's package`, () => {
      const app = join(directory, `app-${format}`);
      const packaged = join(app, `node_modules/@rsyscall/native-linux-${process.arch}`);
      cpSync(built, join(packaged, "build"), { recursive: true });
      writeFileSync(
        join(packaged, "package.json"),
        JSON.stringify({ exports: { "./*": "./build/*" } }),
      );
      const source = join(app, "source.mjs");
      writeFileSync(
        source,
        `import { stubPath, syscall } from ${JSON.stringify(index)};
        console.log(syscall(39) === process.pid, stubPath);`,
      );
      const bundle = join(app, `dist/bundle.${ending}`);
      const made = spawnSync(
        esbuild,
        [source, "--bundle", "--platform=node", `--format=${format}`, `--outfile=${bundle}`],
        { encoding: "utf8" },
      );
      assert.equal(made.status, 0, made.stderr);
      const run = spawnSync(process.execPath, [bundle], { encoding: "utf8" });
      assert.equal(run.stdout, `true ${packaged}/build/rsyscall-unix-stub\n`, run.stderr);
    });
});
