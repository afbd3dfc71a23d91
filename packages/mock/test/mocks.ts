import { execFile, type SpawnSyncOptions, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach } from "vitest";
import { type Mock, type MockedProgram, type MockOptions, mock } from "../src/index.ts";

const mocks: Array<Mock> = [];
const directories: Array<string> = [];

/** A mock of a program that tests make. */
export type AnyMock = Mock & { readonly tool: MockedProgram };

/** A mock that closes with the test, whatever its problems. */
export const make = async (options?: MockOptions): Promise<AnyMock> => {
  const made = (await mock(options)) as AnyMock;
  mocks.push(made);
  return made;
};

/** A directory that goes with the test. */
export const directory = (): string => {
  const made = mkdtempSync(join(tmpdir(), `rsyscall-test-${process.pid}-`));
  directories.push(made);
  return made;
};

/** A directory with scripts of the shell, by their names. */
export const programs = (scripts: Readonly<Record<string, string>>): string => {
  const bin = join(directory(), "bin");
  mkdirSync(bin);
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(join(bin, name), script.startsWith("#!") ? script : `#!/bin/sh\n${script}\n`, {
      mode: 0o755,
    });
  return bin;
};

afterEach(async () => {
  for (const made of mocks.splice(0)) await made.close({ verify: false });
  for (const made of directories.splice(0)) rmSync(made, { recursive: true, force: true });
});

/** How a program ended, and what it wrote, as text. */
export const ended = (
  command: string,
  args: ReadonlyArray<string>,
  options: SpawnSyncOptions = {},
) => {
  const limits = { timeout: 10_000, killSignal: "SIGKILL" } as const;
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    ...limits,
    ...options,
  });
  if (error !== undefined) throw error;
  const end: string | number | null = signal ?? status;
  return { status: end, stdout: String(stdout), stderr: String(stderr) };
};

/** Runs a script of the shell with a mock. The thread of the test is blocked meanwhile. */
export const sh = (
  m: Pick<Mock, "env">,
  script: string,
  { env, ...options }: SpawnSyncOptions = {},
) => ended("/bin/sh", ["-c", script], { ...options, env: { ...m.env, ...env } });

/** As `execFile`, for callers that run beside the test. */
export const run = promisify(execFile);

export const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
