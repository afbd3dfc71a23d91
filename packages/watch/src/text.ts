import { printable } from "@rsyscall/near";
import type { ProcessReport, Report } from "./Report.ts";

/** Characters of a command in a line. */
const SHOWN = 200;

/** A duration for people: "12 ms", "3.4 s", "2:05 min". */
export const duration = (milliseconds: number): string => {
  if (milliseconds < 1000)
    return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
};

/** Arguments in the syntax of a shell. */
export const shellWords = (argv: ReadonlyArray<string>): string =>
  argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");

/** A program with its arguments, on one line; what others have given is escaped. */
export const commandLine = (argv: ReadonlyArray<string>, path: string, most = SHOWN): string =>
  printable(argv.length === 0 ? shellWords([path]) : shellWords(argv), most);

/** What a process has become, one program after the other, and what was denied. */
export const programs = ({ execs }: Pick<ProcessReport, "execs">, most = SHOWN): string =>
  execs
    .map(({ argv, path, denied, isCut }) => {
      const line = `${commandLine(argv, path, most)}${isCut ? " ..." : ""}`;
      if (denied === null) return line;
      const message = denied.message === null ? "" : `: ${printable(denied.message, most)}`;
      return `[denied ${denied.errno}${message}] ${line}`;
    })
    .join(" → ");

/** How a process ended: nothing for success. */
const ending = ({ end, exitStatus, signal }: ProcessReport): string => {
  if (end === null) return ", still running";
  if (signal !== null) return `, ${signal}`;
  if (exitStatus === null) return ", status unknown";
  return exitStatus === 0 ? "" : `, exit ${exitStatus}`;
};

/**
 * A report as a tree, for people: a line for each process, with its pid, how long it ran since its first exec, and how
 * it ended.
 */
export const treeText = (report: Report): string => {
  const { processes, dropped } = report;
  const children = new Map<number | null, Array<number>>();
  processes.forEach(({ parent }, i) => {
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [i]);
    else siblings.push(i);
  });
  const lines: Array<string> = [];
  // Not by recursion: a chain of processes may be long.
  const rest = (children.get(null) ?? [])
    .map((index) => ({ index, first: "", next: "" }))
    .reverse();
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    const process = processes[node.index] as ProcessReport;
    const ran = duration((process.end ?? report.duration) - process.start);
    lines.push(`${node.first}${programs(process)}  (${process.pid}, ${ran}${ending(process)})`);
    const below = children.get(node.index) ?? [];
    for (let i = below.length - 1; i >= 0; i--) {
      const isLast = i === below.length - 1;
      rest.push({
        index: below[i] as number,
        first: `${node.next}${isLast ? "└─ " : "├─ "}`,
        next: `${node.next}${isLast ? "   " : "│  "}`,
      });
    }
  }
  if (dropped > 0) lines.push(`... and ${dropped} more processes`);
  return lines.map((line) => `${line}\n`).join("");
};
