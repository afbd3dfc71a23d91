import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

/** The executable, as a user has it: it runs what was built. */
export const BIN = fileURLToPath(new URL("../../bin/rsyscall.js", import.meta.url));

/** Where `import "@rsyscall/mock"` is found, and where tests write. */
export const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

/** The environment of a user, without what the test runner has added. */
export const env = (more: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv => {
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_OPTIONS: ___, ...rest } = process.env;
  return { ...rest, ...more };
};

/** Runs the command line to its end. */
export const rsyscall = (args: ReadonlyArray<string>, options: SpawnSyncOptions = {}) => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    env: env(),
    input: "",
    timeout: 20_000,
    ...options,
    encoding: "utf8",
  });
  return { status: signal ?? status, stdout, stderr };
};

const directories: Array<string> = [];
afterEach(() => {
  for (const directory of directories.splice(0))
    rmSync(directory, { recursive: true, force: true });
});

/** A directory with files, which is removed after the test. */
export const directoryOf = (files: Readonly<Record<string, string>> = {}): string => {
  const directory = mkdtempSync(join(tmpdir(), "rsyscall-cli-"));
  directories.push(directory);
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(directory, name), text, { mode: 0o755 });
  return directory;
};

/** Directories of mocks, which must be gone when a command line has ended. */
export const mocksLeft = (tmp: string): ReadonlyArray<string> =>
  spawnSync("ls", [tmp], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((name) => name.startsWith("rsyscall-mock-"));
