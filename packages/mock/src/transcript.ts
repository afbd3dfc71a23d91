import { constants, tmpdir } from "node:os";
import { commandLine } from "./pattern.ts";
import type { CallRecord } from "./record.ts";
import { textOf } from "./redact.ts";

/** What a transcript of calls shows. */
export interface TranscriptOptions {
  /** Whether recorded input and output are shown, below the call. Default true. */
  readonly output?: boolean;
  /** Whether working directories are shown. Default false. */
  readonly cwd?: boolean;
  /** Whether a status that is not 0, or a signal, is shown. Default true. */
  readonly status?: boolean;
  /** Whether pids, temporary paths and times are replaced by words that are the same in each run. Default true. */
  readonly normalise?: boolean;
  /** More to replace, after that. */
  readonly replace?: ReadonlyArray<readonly [what: string | RegExp, by: string]>;
}

/** Pids below this are too likely to be other numbers. */
const LEAST_PID = 100;

/** Calls as text, for snapshots: one a line, with exact boundaries of arguments. */
export const transcript = (
  records: ReadonlyArray<CallRecord>,
  options: TranscriptOptions = {},
): string => {
  const { normalise = true, replace = [] } = options;
  const text = records.map((record) => `${shown(record, options).join("\n")}\n`).join("");
  return replace.reduce<string>(
    (text, [what, by]) => text.replaceAll(typeof what === "string" ? what : globally(what), by),
    normalise ? normalised(text, records) : text,
  );
};

const globally = ({ source, flags }: RegExp): RegExp =>
  new RegExp(source, `${flags.replace(/[gy]/g, "")}g`);

const shown = (
  record: CallRecord,
  { output = true, cwd = false, status = true }: TranscriptOptions,
): ReadonlyArray<string> => {
  const { program, argv, outcome } = record;
  const ended = !status
    ? ""
    : record.signal !== undefined
      ? ` → ${signalName(record.signal)}`
      : record.status
        ? ` → ${record.status}`
        : "";
  const mark = outcome === "unexpected" || outcome === "failed" ? ` (${outcome})` : "";
  const where = cwd ? ` (in ${record.cwd ?? "a directory that was removed"})` : "";
  return [
    `${commandLine([program, ...argv.slice(1)])}${where}${mark}${ended}`,
    ...(output ? streams(record) : []),
  ];
};

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, each]) => each === number)?.[0] ?? `signal ${number}`;

const streams = ({ stdin, stdout, stderr, cut = [] }: CallRecord): ReadonlyArray<string> =>
  (
    [
      ["<", stdin, "stdin"],
      ["|", stdout, "stdout"],
      ["!", stderr, "stderr"],
    ] as const
  ).flatMap(([mark, bytes, name]) => [
    ...linesOf(bytes).map((line) => `    ${mark} ${line}`.trimEnd()),
    ...(cut.includes(name) ? [`    ${mark} (cut)`] : []),
  ]);

const linesOf = (bytes: Uint8Array | undefined): ReadonlyArray<string> => {
  if (bytes === undefined || bytes.length === 0) return [];
  const text = textOf(bytes);
  if (text === undefined) return [`(${bytes.length} bytes that are not UTF-8)`];
  return (text.endsWith("\n") ? text.slice(0, -1) : `${text}\\`).split("\n");
};

/** Text in which what differs from run to run has the same words in each. */
const normalised = (text: string, records: ReadonlyArray<CallRecord>): string => {
  const pids = new Set(
    records.flatMap(({ pid, ppid }) => [pid, ppid]).filter((pid) => pid >= LEAST_PID),
  );
  const numbered = (what: string) => {
    const known = new Map<string, string>();
    return (found: string) => {
      const name = known.get(found) ?? `<${what} ${known.size + 1}>`;
      known.set(found, name);
      return name;
    };
  };
  const temporary = numbered("tmp");
  const process = numbered("pid");
  return (
    withoutTimes(text, records)
      .replace(/[^\s'"=:]*\/rsyscall-mock-[\w-]+/g, "<mock>")
      // What comes first below the directory for temporary files is a random name, as a rule.
      .replace(
        new RegExp(
          `(?:${[tmpdir(), "/tmp", "/var/tmp"].map(escaped).join("|")})/[^\\s/'":,;)]+`,
          "g",
        ),
        temporary,
      )
      .replace(/\b\d{3,7}\b/g, (number) => (pids.has(Number(number)) ? process(number) : number))
  );
};

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A day, in milliseconds: numbers so near to the time of a call are times too. */
const DAY = 86_400_000;

const withoutTimes = (text: string, records: ReadonlyArray<CallRecord>): string => {
  const now = records[0]?.time ?? 0;
  return (
    text
      .replace(
        /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?\b/g,
        "<time>",
      )
      // As date(1) and RFC 5322 have it.
      .replace(
        /\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?[A-Z][a-z]{2} [ \d]?\d? ?(?:\d{4} )?\d\d:\d\d:\d\d(?: ?(?:[AP]M|[A-Z]{3,4}|[+-]\d{4}))*(?: \d{4})?(?: ?[+-]\d{4})?/g,
        "<time>",
      )
      .replace(/\b\d{10}(?:\d{3})?(?:\.\d+)?\b/g, (number) => {
        const time = Number(number) * (/^\d{13}/.test(number) ? 1 : 1000);
        return Math.abs(time - now) < DAY ? "<time>" : number;
      })
  );
};
