import { readFileSync } from "node:fs";

/** A line of /proc/PID/status: what the kernel says of a process. */
export const statusOf = (pid: number, name: string): string => {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
};

/** The numbers of a line with a list: Uid, Gid, Groups. */
export const numbersOf = (pid: number, name: string): Array<number> =>
  statusOf(pid, name)
    .split(/\s+/)
    .filter((text) => text !== "")
    .map(Number);

/** The bits of a line with a mask, the lowest as `first`: CapEff from 0, SigBlk from 1. */
export const bitsOf = (pid: number, name: string, first: 0 | 1): Array<number> => {
  const bits = BigInt(`0x${statusOf(pid, name)}`);
  return Array.from({ length: 64 }, (_, i) => i)
    .filter((i) => (bits >> BigInt(i)) & 1n)
    .map((i) => i + first);
};
