import { readFileSync, readlinkSync } from "node:fs";

/** A descriptor of a process, as /proc shows it. */
export interface SeenFd {
  /** What the link of /proc/PID/fd says: a path, `pipe:[INODE]`, `socket:[INODE]`. */
  readonly link: string;
  /** Those of open(2); the flags that only matter while it opens are not among them. */
  readonly flags: number;
  readonly position: number;
  /** What a file of the shell that has no name any more holds: a here-document. */
  readonly text: string | undefined;
}

/** Stdin, stdout and stderr; undefined: closed. */
export type SeenFds = readonly [SeenFd | undefined, SeenFd | undefined, SeenFd | undefined];

/** A call of a script, with what was seen of its process. */
export interface SeenCall {
  readonly program: string;
  readonly argv: ReadonlyArray<string>;
  readonly cwd: string | undefined;
  /** What is different from the script's environment; undefined: it was removed. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fds: SeenFds;
  readonly pid: number;
  /** Earlier calls that were still running, by their place in the list. */
  readonly running: ReadonlyArray<number>;
}

/** Bytes of a here-document at most. */
const TEXT_LIMIT = 64 << 10;

/** The descriptors 0, 1 and 2 of a process. */
export const seenFds = (pid: number): SeenFds => [fdOf(pid, 0), fdOf(pid, 1), fdOf(pid, 2)];

const fdOf = (pid: number, fd: number): SeenFd | undefined => {
  const path = `/proc/${pid}/fd/${fd}`;
  try {
    const link = readlinkSync(path);
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    const number = (name: string, base: number) =>
      Number.parseInt(new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(info)?.[1] ?? "0", base);
    const isHereDocument = fd === 0 && link.startsWith("/") && link.endsWith(" (deleted)");
    return {
      link,
      flags: number("flags", 8),
      position: number("pos", 10),
      text: isHereDocument ? textOf(path) : undefined,
    };
  } catch {
    return undefined;
  }
};

/** Opening it again leaves the position of the script's descriptor as it is. */
const textOf = (path: string): string | undefined => {
  const bytes = readFileSync(path);
  return bytes.length <= TEXT_LIMIT ? bytes.toString() : undefined;
};

/** A process, so that another one with the same number is told from it. */
export interface ProcessId {
  readonly pid: number;
  /** In ticks since the machine was started. */
  readonly start: string;
  readonly ppid: number;
  readonly isZombie: boolean;
}

/** proc_pid_stat(5). Undefined if there is no such process. */
export const processOf = (pid: number): ProcessId | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program is in parentheses, and may have anything in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      pid,
      start: fields[19] ?? "",
      ppid: Number(fields[1]),
      isZombie: fields[0] === "Z" || fields[0] === "X",
    };
  } catch {
    return undefined;
  }
};
