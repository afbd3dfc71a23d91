import { closeSync, openSync, readSync } from "node:fs";

/** Bytes of a command line that are read. */
const SIZE_AT_MOST = 4096;

const buffer = Buffer.alloc(SIZE_AT_MOST);

/** The words of a process's command line, of which the end is cut if it is long; undefined if there is none. */
export const commandLineOf = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    const file = openSync(`/proc/${pid}/cmdline`, "r");
    try {
      const text = buffer.toString("utf8", 0, readSync(file, buffer, 0, SIZE_AT_MOST, null));
      return text.replace(/\0$/, "").split("\0");
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
};
