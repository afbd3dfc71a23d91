import { closeSync, writeFileSync } from "node:fs";
import { type CallRecord, commandLine, type RuleReport } from "@rsyscall/mock";
import { openedFor } from "./openedFor.ts";
import { UsageError } from "./UsageError.ts";

/** What a run of a command has been. */
export interface RunReport {
  readonly command: ReadonlyArray<string>;
  /** Of the command: that of a shell, if a signal has ended it. */
  readonly status: number;
  /** When it began. */
  readonly time: Date;
  /** Milliseconds. */
  readonly duration: number;
  readonly rules: ReadonlyArray<RuleReport>;
  readonly calls: ReadonlyArray<CallRecord>;
  readonly problems: ReadonlyArray<string>;
}

type Write = (report: RunReport) => void;

/** How reports are written, from `json:FILE` and `junit:FILE`. A file is opened at once: it may be wrong usage. */
export const reportWriter = (text: string): Write => {
  const [, format, path] = /^(json|junit):(.+)$/s.exec(text) ?? [];
  if (format === undefined || path === undefined)
    throw new UsageError(
      `--report: ${JSON.stringify(text)} must be json:FILE or junit:FILE, as junit:mocks.xml; - is stdout`,
    );
  const shown = (report: RunReport) => (format === "json" ? json(report) : junit(report));
  if (path === "-") return (report) => void process.stdout.write(shown(report));
  const fd = openedFor("--report", path);
  return (report) => {
    writeFileSync(fd, shown(report));
    closeSync(fd);
  };
};

const json = ({ time, rules, calls, ...report }: RunReport): string =>
  `${JSON.stringify(
    {
      rsyscall: 1,
      ...report,
      time: time.toISOString(),
      // JSON has no infinity: no maximum is none.
      rules: rules.map(({ max, ...rule }) => (max === Infinity ? rule : { ...rule, max })),
      calls: calls.map(({ index, program, path, argv, cwd, pid, ppid, parent, ...call }) => ({
        index,
        program,
        path,
        argv,
        cwd,
        pid,
        ppid,
        parent,
        time: new Date(call.time).toISOString(),
        outcome: call.outcome,
        problem: call.problem,
        status: call.status,
        signal: call.signal,
      })),
    },
    undefined,
    2,
  )}\n`;

/** XML 1.0 has no control characters, however they are written. */
const text = (value: string): string =>
  value
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");

/** A line end in an attribute is a space, unless it is a reference. */
const attribute = (value: string): string =>
  `"${text(value).replaceAll('"', "&quot;").replaceAll("\n", "&#10;").replaceAll("\r", "&#13;").replaceAll("\t", "&#9;")}"`;

/**
 * A test case for each rule, for each call that was unexpected or has failed, and for the exit status of the command: as
 * the schema that Jenkins and GitLab read.
 */
const junit = ({ command, status, time, duration, rules, calls, problems }: RunReport): string => {
  const seconds = (duration / 1000).toFixed(3);
  const suite = commandLine(command);
  const cases: Array<{ readonly name: string; readonly problem: string | undefined }> = [
    { name: "exit status", problem: status === 0 ? undefined : `the exit status is ${status}` },
    ...rules.map(({ rule, expected, problem }) => ({ name: `${rule}: ${expected}`, problem })),
    ...calls.flatMap(({ index, program, argv, problem }) =>
      problem === undefined
        ? []
        : [{ name: `call ${index + 1}: ${commandLine([program, ...argv.slice(1)])}`, problem }],
    ),
  ];
  // A problem of none of these is one all the same.
  const known = new Set(cases.map(({ problem }) => problem));
  for (const problem of problems) if (!known.has(problem)) cases.push({ name: "mocks", problem });
  const failures = cases.filter(({ problem }) => problem !== undefined).length;
  const counts = `tests="${cases.length}" failures="${failures}" errors="0" ` + `time="${seconds}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="rsyscall mock" ${counts}>`,
    `  <testsuite name=${attribute(suite)} ${counts} skipped="0" timestamp="${time.toISOString().slice(0, 19)}">`,
    ...cases.map(({ name, problem }) => {
      const head = `    <testcase name=${attribute(name)} classname="rsyscall.mock" time="0.000"`;
      return problem === undefined
        ? `${head}/>`
        : `${head}>\n      <failure message=${attribute(problem.split("\n")[0] ?? "")} type="MockError">${text(problem)}</failure>\n    </testcase>`;
    }),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
};
