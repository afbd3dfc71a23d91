import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, assert, beforeAll } from "vitest";
import { liveFibers } from "./effect.ts";
import { TEMP_PREFIX } from "./temp.ts";

/*
 * Checks that every test file ends with the descriptors, children (zombies too), stub processes, temporary
 * directories and fibers that it began with, and leaves the process as it was: where it is, as which user, with which
 * signals and environment. Runs before and after each file: most share a process with other files.
 */

const read = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
};

const link = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
};

/** The open descriptors that a test could have made, as "number -> what". */
const descriptors = (): Array<string> =>
  readdirSync("/proc/self/fd")
    .map((fd) => `${fd} -> ${link(`/proc/self/fd/${fd}`)}`)
    // Without the descriptor of readdirSync itself, and files that the runner loads.
    .filter((text) => !text.endsWith("/fd") && !text.endsWith("-> "))
    .filter((text) => !text.includes("/node_modules/") && !text.includes("/packages/"));

const children = (): Array<string> =>
  readdirSync("/proc/self/task")
    .flatMap((thread) => read(`/proc/self/task/${thread}/children`).split(" "))
    .filter((pid) => pid.trim() !== "")
    .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`)
    // esbuild is vitest's transform service.
    .filter((text) => !text.includes("esbuild"));

/** Stubs and tasks that were started, directly or not, by this process. */
const stubs = (): Array<string> =>
  readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => link(`/proc/${pid}/exe`).match(/rsyscall-(unix-stub|task)/))
    .filter((pid) => read(`/proc/${pid}/environ`).includes(`RSYSCALL_TEST=${process.pid}\0`));

const temporary = (): Array<string> =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`${TEMP_PREFIX}${process.pid}-`));

/** What the kernel says of this process that a call could have changed. */
const credentialsAndSignals = (): ReadonlyArray<string> =>
  read("/proc/self/status").match(
    /^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|Cap\w+|NoNewPrivs|Seccomp):.*$/gm,
  ) ?? [];

const namespaces = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/ns").map((name) => link(`/proc/self/ns/${name}`));

/** The state of this process, which later files would find. */
const processState = () => ({
  directory: process.cwd(),
  environment: { ...process.env },
  // Those that change what becomes of the process.
  listeners: process
    .eventNames()
    .map((name) => `${String(name)}: ${process.listenerCount(name)}`)
    .filter((text) => /^(SIG|uncaught|unhandled)/.test(text))
    .sort(),
  limits: read("/proc/self/limits"),
  kernel: [...credentialsAndSignals(), ...namespaces()],
});

let before: ReturnType<typeof snapshot>;

const snapshot = () => ({
  descriptors: descriptors(),
  children: children(),
  stubs: stubs(),
  temporary: temporary(),
  state: processState(),
});

/** The members that are not as they were, with both values. */
const changes = <T extends object>(from: T, to: T): Array<readonly [string, unknown, unknown]> =>
  [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .map((key) => [key, from[key as keyof T], to[key as keyof T]] as const)
    .filter(([, a, b]) => JSON.stringify(a) !== JSON.stringify(b));

const leaked = () => {
  const now = snapshot();
  return {
    descriptors: now.descriptors.filter((text) => !before.descriptors.includes(text)),
    children: now.children.filter((text) => !before.children.includes(text)),
    stubs: now.stubs.filter((text) => !before.stubs.includes(text)),
    // A killed process of the same pid may have left some earlier.
    temporary: now.temporary.filter((name) => !before.temporary.includes(name)),
    fibers: liveFibers(),
    state: changes(before.state, now.state),
  };
};

const nothing = { descriptors: [], children: [], stubs: [], temporary: [], fibers: 0, state: [] };

beforeAll(() => {
  // Callers inherit it, and so do the stubs that they start.
  process.env["RSYSCALL_TEST"] = String(process.pid);
  before = snapshot();
});

afterAll(async () => {
  // A process that was told to end, and a handle that libuv is closing, need the loop to turn.
  const deadline = Date.now() + 5000;
  while (JSON.stringify(leaked()) !== JSON.stringify(nothing) && Date.now() < deadline)
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(leaked(), nothing, "what this file left behind");
});
