import { readdirSync, readFileSync } from "node:fs";
import { SIG } from "@rsyscall/abi";
import { type Processes, parentOf } from "./Processes.ts";

/** How often descendants are looked for. Each time, the ones that were found before can have no more children. */
const ROUNDS = 20;

/**
 * Kills the processes of a tree, and their descendants that have executed nothing. They are stopped first: a parent
 * that was killed would leave behind children that cannot be found any more.
 */
export const endTree = (processes: Processes): void => {
  const found = new Set<number>();
  for (let round = 0, fresh = 1; round < ROUNDS && fresh > 0; round++) {
    const known = processes.pids();
    fresh = 0;
    for (const pid of [...known, ...descendants(known)])
      if (!found.has(pid)) {
        found.add(pid);
        fresh++;
        processes.signal(pid, SIG.STOP);
      }
  }
  for (const pid of found) processes.signal(pid, SIG.KILL);
};

/**
 * Kills a process that still asks for an exec, and the parent that has started it. The parent may have lost its own
 * parent before `endTree`, and so was not found.
 */
export const endCaller = (processes: Processes, pid: number, ppid: number): void => {
  if (ppid > 1 && filtersOf(ppid) > filtersOf("self")) processes.signal(ppid, SIG.KILL);
  processes.signal(pid, SIG.KILL);
};

/** The seccomp filters of a process: those in a tree have one more than the controller. */
const filtersOf = (pid: number | "self"): number => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^Seccomp_filters:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
};

/** The processes that descend from these, as /proc shows it now, without these. */
const descendants = (roots: ReadonlyArray<number>): ReadonlyArray<number> => {
  const children = new Map<number, Array<number>>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? parentOf(pid) : undefined;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = new Set(roots);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return [...found].slice(new Set(roots).size);
};
