import { readdirSync } from "node:fs";
import { parentOf } from "./Processes.ts";

/** The processes that descend from these, as /proc shows it now, without these. */
export const descendants = (roots: ReadonlyArray<number>): ReadonlyArray<number> => {
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
