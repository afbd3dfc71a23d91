import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { MockError } from "./errors.ts";

const PREFIX = "rsyscall-mock-";

/** A process, as its directories name it: its pid, the pid namespace in which that is a number, and when it started. */
const NAMES = /^rsyscall-mock-(\d+)-([0-9a-z]+)-([0-9a-z]+)-/;

/** When a process has started, in ticks since the machine did; undefined if there is none of that pid. */
const startOf = (pid: number | "self"): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program is in parentheses, and may have any character.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return Number(ticks).toString(36);
  } catch {
    return undefined;
  }
};

/** The pid namespace of this process: a number that no other one has on this machine. */
const pidNamespace = (): string | undefined => {
  try {
    return Number(/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0]).toString(36);
  } catch {
    return undefined;
  }
};

/** Where the directories are: an absolute path, because programs under test look for the mocks from where they are. */
const parentDirectory = (): string => {
  const path = resolve(tmpdir());
  if (path.includes(":"))
    throw new MockError([
      `mock: the directory for temporary files is ${JSON.stringify(path)}, and PATH can have no directory whose name has a colon: set TMPDIR to another one`,
    ]);
  return path;
};

/**
 * Makes the directory of a mock, and removes what killed processes have left: directories of this user, whose names
 * say that their process was in this pid namespace, and which has ended. The name is there from the beginning, so a
 * mock that is just being made has its process, as one that is used.
 */
export const makeMockDirectory = (): string => {
  const prefix = prefixHere();
  const parent = parentDirectory();
  try {
    if (prefix.namespace !== undefined) sweep(parent, prefix.namespace);
    return mkdtempSync(join(parent, prefix.text));
  } catch (error) {
    throw new MockError([
      `mock: no directory can be made in ${parent} (${(error as Error).message}): set TMPDIR to one that can be written to`,
    ]);
  }
};

/** A path for a further directory, which is removed as these are if this process is killed. */
export const mockDirectoryPath = (): string =>
  join(parentDirectory(), `${prefixHere().text}${crypto.randomUUID()}`);

/** How the names of this process's directories begin. */
const prefixHere = (): { readonly text: string; readonly namespace?: string } => {
  const [namespace, start] = [pidNamespace(), startOf("self")];
  return namespace === undefined || start === undefined
    ? { text: `${PREFIX}${process.pid}-` }
    : { text: `${PREFIX}${process.pid}-${namespace}-${start}-`, namespace };
};

const sweep = (parent: string, here: string): void => {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const [, pid, namespace, start] = NAMES.exec(name) ?? [];
    if (pid === undefined || namespace !== here || startOf(Number(pid)) === start) continue;
    const path = join(parent, name);
    try {
      const status = lstatSync(path);
      if (status.isDirectory() && status.uid === process.getuid?.())
        rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process sweeps at the same time.
    }
  }
};
