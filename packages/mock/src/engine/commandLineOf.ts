import { closeSync, openSync, readSync } from "node:fs";

/** Bytes of a command line that are read. */
const SIZE_AT_MOST = 4096;

const buffer = Buffer.alloc(SIZE_AT_MOST);

/**
 * The file of the last command line, which is open: a program often calls several times. It stands for the process, not
 * for its number, and gives what the process has now.
 */
let last: { readonly pid: number; readonly file: number } | undefined;

/** The words of a process's command line, of which the end is cut if it is long; undefined if there is none. */
export const commandLineOf = (pid: number): ReadonlyArray<string> | undefined => {
  if (last?.pid === pid) {
    const words = read(last.file);
    if (words !== undefined) return words;
  }
  forgetCommandLine();
  try {
    last = { pid, file: openSync(`/proc/${pid}/cmdline`, "r") };
  } catch {
    return undefined;
  }
  return read(last.file);
};

/** Closes what is open. */
export const forgetCommandLine = (): void => {
  if (last !== undefined) closeSync(last.file);
  last = undefined;
};

/** A process that has ended, and a thread of the kernel, have none. */
const read = (file: number): ReadonlyArray<string> | undefined => {
  try {
    const text = buffer.toString("utf8", 0, readSync(file, buffer, 0, SIZE_AT_MOST, 0));
    return text === "" ? undefined : text.replace(/\0$/, "").split("\0");
  } catch {
    return undefined;
  }
};
