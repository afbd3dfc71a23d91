import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Group } from "./groups.ts";
import type { Beside, Row } from "./Row.ts";

/**
 * Processes of a group. Copies of memory take half or twice as long from one process to the next, by where the kernel
 * has put their pages: the median is of several.
 */
const PROCESSES: Partial<Record<Group, number>> = { memory: 3 };

/** Rows of one process. */
const measureOnce = (group: Group, isQuick: boolean): Promise<ReadonlyArray<Row>> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [group, ...(isQuick ? ["--quick"] : [])], {
      serialization: "advanced",
    });
    let rows: ReadonlyArray<Row> | undefined;
    child.on("message", (message) => {
      rows = message as ReadonlyArray<Row>;
    });
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (rows === undefined)
        reject(new Error(`the process for ${group} has ended by ${signal ?? status}`));
      else resolve(rows);
    });
  });

const withMore = <A extends Beside>(one: A, other: Beside | undefined): A => ({
  ...one,
  samples: [...one.samples, ...(other?.samples ?? [])],
});

/** Measures a group in processes of its own: what one group leaves in a process would be measured with the next. */
export const measureApart = async (group: Group, isQuick: boolean): Promise<ReadonlyArray<Row>> => {
  let all = await measureOnce(group, isQuick);
  for (let count = 1; count < (PROCESSES[group] ?? 1); count++) {
    const more = await measureOnce(group, isQuick);
    all = all.map((row, i) => ({
      ...withMore(row, more[i]),
      floor: row.floor && withMore(row.floor, more[i]?.floor),
      instead: row.instead && withMore(row.instead, more[i]?.instead),
    }));
  }
  return all;
};
