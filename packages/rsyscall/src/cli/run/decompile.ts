import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Call, type Mock, mock, pass } from "@rsyscall/mock";
import { programOf } from "../decompile/programOf.ts";
import {
  type ProcessId,
  processOf,
  type SeenCall,
  type SeenFds,
  seenFds,
} from "../decompile/SeenCall.ts";
import { openedFor } from "../openedFor.ts";
import { Signals } from "../signals.ts";
import { UsageError } from "../UsageError.ts";

export interface DecompileOptions {
  readonly out: string | undefined;
  readonly script: string;
  readonly args: ReadonlyArray<string>;
}

export const run = async ({ out, script, args }: DecompileOptions): Promise<number> => {
  const path = resolve(script);
  if (!existsSync(path)) throw new UsageError(`there is no script ${script}`);
  const file = out === undefined ? undefined : openedFor("--out", out);
  process.stderr.write(
    `rsyscall decompile: ${script} really runs now, and each program that it calls\n`,
  );
  const signals = new Signals();
  const m = await mock({ path: "everything" });
  const calls: Array<SeenCall> = [];
  const watched = { ids: new Map<number, ProcessId>(), script: 0 };
  try {
    m.otherwise((call) => {
      const seen = seenCall(call, m, path, calls, watched);
      if (seen !== undefined) calls.push(seen);
      return pass;
    });
    // The program goes to stdout, unless it has a file: then what the script says must not be in between.
    const stdout = out === undefined ? 2 : 1;
    const own = seenFds(process.pid);
    const status = await signals.run((onStart) => {
      const child = startScript(m, path, args, stdout);
      watched.script = child.pid ?? 0;
      onStart({ kill: (signal) => child.kill(signal) });
      return new Promise((ended, failed) => {
        child.on("error", failed);
        child.on("close", (status, signal) =>
          ended({ status: status ?? undefined, signal: signal ?? undefined }),
        );
      });
    });
    await m.close();
    const program = programOf({
      name: basename(script),
      argv: [script, ...args],
      cwd: process.cwd(),
      fds: [own[0], own[stdout], own[2]],
      calls,
      status,
    });
    if (file === undefined) process.stdout.write(program);
    else {
      writeFileSync(file, program);
      closeSync(file);
    }
    return status;
  } finally {
    await m.close({ verify: false });
  }
};

/** Variables that a shell sets, and those that the mock has changed. */
const IGNORED = new Set(["_", "OLDPWD", "PATH", "PWD", "SHLVL"]);

/** What is to be seen of a call, while its process waits. Undefined if it is not the script that has called. */
const seenCall = (
  call: Call,
  m: Mock,
  script: string,
  calls: ReadonlyArray<SeenCall>,
  watched: { readonly ids: Map<number, ProcessId>; readonly script: number },
): SeenCall | undefined => {
  const { program, argv, cwd, pid } = call;
  // The interpreter of the script, which /usr/bin/env finds in PATH.
  const isInterpreter =
    pid === watched.script && argv.some((arg) => cwd !== undefined && resolve(cwd, arg) === script);
  if (isInterpreter || isOfProgram(call, watched)) return undefined;
  const id = processOf(pid);
  if (id !== undefined) watched.ids.set(pid, id);
  const fds = seenFds(pid);
  return {
    program,
    argv,
    cwd,
    env: changesOf(m.env, call.env),
    fds,
    pid,
    running: calls.flatMap((other, at) =>
      isRunning(other, watched.ids) && !isConnected(other.fds, fds) ? [at] : [],
    ),
  };
};

/**
 * Whether a program has called that the script has called: its own calls are its own affair. env(1) and nice(1) execute
 * theirs in the same process.
 */
const isOfProgram = (
  { pid }: Call,
  { ids, script }: { readonly ids: ReadonlyMap<number, ProcessId>; readonly script: number },
): boolean => {
  for (let it = processOf(pid); it !== undefined && it.pid > 1; it = processOf(it.ppid)) {
    if (ids.get(it.pid)?.start === it.start) return true;
    if (it.pid === script) return false;
  }
  return false;
};

const isRunning = ({ pid }: SeenCall, ids: ReadonlyMap<number, ProcessId>): boolean => {
  const now = processOf(pid);
  return now !== undefined && !now.isZombie && now.start === ids.get(pid)?.start;
};

/** Whether a pipe leads from one to the other. */
const isConnected = (a: SeenFds, b: SeenFds): boolean => {
  const pipes = (fds: SeenFds) =>
    fds.flatMap((fd) => (fd?.link.startsWith("pipe:") ? [fd.link] : []));
  return pipes(a).some((pipe) => pipes(b).includes(pipe));
};

const changesOf = (
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): Readonly<Record<string, string | undefined>> => {
  const changes: Record<string, string | undefined> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)]))
    if (!IGNORED.has(name) && before[name] !== now[name]) changes[name] = now[name];
  return changes;
};

/** Runs the script as a shell does: what is no executable with an interpreter is a script of sh. */
const startScript = (
  m: Mock,
  path: string,
  args: ReadonlyArray<string>,
  stdout: number,
): ChildProcess => {
  const isProgram = isExecutable(path) && readFileSync(path).subarray(0, 2).toString() === "#!";
  return spawn(isProgram ? path : "/bin/sh", isProgram ? args : [path, ...args], {
    stdio: [0, stdout, 2],
    env: m.env,
  });
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
