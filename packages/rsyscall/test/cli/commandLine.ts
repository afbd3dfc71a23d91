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

/** A terminal, as a user has one: waits for each text in turn, and types what is to follow. */
const PTY = `
import json, os, pty, select, sys, time
steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
screen, at, end = b"", 0, time.time() + 20
while time.time() < end:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        screen += part
    while steps and steps[0][0].encode() in screen[at:]:
        wanted, keys = steps.pop(0)
        at += screen[at:].index(wanted.encode()) + len(wanted.encode())
        os.write(terminal, keys.encode())
else:
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
print(json.dumps({"screen": screen.decode(), "status": os.waitstatus_to_exitcode(status), "left": steps}))
`;

/** What a step waits for on the screen, and what is typed then. */
type Step = readonly [wanted: string, keys: string];

/** Runs a command at a terminal of its own. `left` has the steps that were not reached. */
export const atTerminal = (
  command: ReadonlyArray<string>,
  steps: ReadonlyArray<Step>,
  options: SpawnSyncOptions = {},
): { readonly screen: string; readonly status: number; readonly left: ReadonlyArray<Step> } => {
  const { stdout, stderr } = spawnSync("python3", ["-c", PTY, JSON.stringify(steps), ...command], {
    env: env(),
    timeout: 30_000,
    ...options,
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  const ended = JSON.parse(stdout);
  return { ...ended, screen: ended.screen.replaceAll("\r\n", "\n") };
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
