import {
  type Counted,
  expectation,
  firstDifference,
  NO_RULE,
  nearest,
  nearestRule,
  shownRule,
  times,
} from "./decide.ts";
import { hintFor } from "./hints.ts";
import { cut, shownCommand, shownPattern } from "./pattern.ts";
import type { CallRecord } from "./record.ts";
import type { RuleData } from "./reply.ts";

/** Calls that a message shows at most. */
const SHOWN = 50;

/** A call as messages show it. */
export const shownCall = ({ program, argv, outcome, status }: CallRecord): string =>
  shownCommand([program, ...argv.slice(1)]) +
  (outcome === "unexpected" || outcome === "failed" ? ` (${outcome})` : "") +
  (status ? ` → ${status}` : "");

/** The calls of a mock, one a line. */
export const shownCalls = (records: ReadonlyArray<CallRecord>): string =>
  records.length === 0
    ? "there were no calls"
    : ["calls so far:", ...records.slice(0, SHOWN).map((record) => `  ${shownCall(record)}`)]
        .concat(records.length > SHOWN ? [`  and ${records.length - SHOWN} more`] : [])
        .join("\n");

/** A call for which there is no rule, or not any more, as its caller and the test are told. */
export const unexpected = (
  call: Pick<CallRecord, "program" | "path" | "argv" | "cwd" | "parent" | "pid">,
  { problem, rule }: { readonly problem: string; readonly rule: RuleData | undefined },
  rules: ReadonlyArray<Counted>,
): string => {
  const { program, argv, pid, cwd, parent } = call;
  // A problem of a rule names it.
  const near = rule === undefined ? nearest(rules, call) : undefined;
  return (
    `unexpected command: ${shownCommand([program, ...argv.slice(1)])} ` +
    `(pid ${pid}, started by ${parent === undefined ? "an unknown process" : cut(parent)}, in ${cwd ?? "a directory that was removed"})` +
    (near !== undefined && problem === NO_RULE ? "" : `: ${problem}`) +
    (near === undefined ? "" : `; nearest: ${near}`)
  );
};

/** Something that is wrong. */
export interface Problem {
  readonly text: string;
  /** The call, the rule, or the cassette, that it is about. */
  readonly of: CallRecord | RuleData["id"] | "cassette";
}

/** A rule, and how often it was called. */
export interface RuleReport {
  /** The rule as messages show it. */
  readonly rule: string;
  /** The program; undefined: every program. */
  readonly program: string | undefined;
  /** How often it must be called, in words. */
  readonly expected: string;
  /** How often it must be called at least. */
  readonly min: number;
  /** Infinity: any number. */
  readonly max: number;
  /** How often it was called. */
  readonly calls: number;
  /** What is wrong, if it was called less often than it must be. */
  readonly problem: string | undefined;
}

export const ruleReports = (
  rules: Iterable<RuleData>,
  records: ReadonlyArray<CallRecord>,
): ReadonlyArray<RuleReport> => {
  const counts = new Map<number, number>();
  for (const { rule } of records)
    if (rule !== undefined) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return [...rules].map((rule) => {
    const { program, min, max } = rule;
    const calls = counts.get(rule.id) ?? 0;
    const shown = shownRule(rule);
    const expected = expectation(rule);
    const hint = calls === 0 && program !== undefined ? hintFor(program) : undefined;
    const problem =
      calls < min
        ? `${shown} was ${calls === 0 ? "not called" : `called ${times(calls)}`}, ` +
          `and must be called ${expected}${hint === undefined ? "" : ` (${hint})`}`
        : undefined;
    return { rule: shown, program, expected, min, max, calls, problem };
  });
};

/** What is wrong with the calls that have come: those that no rule expects, and rules that were not followed. */
export const problemsOf = (
  rules: ReadonlyArray<RuleData>,
  records: ReadonlyArray<CallRecord>,
): ReadonlyArray<Problem> => [
  ...records.flatMap(
    (record): ReadonlyArray<Problem> =>
      record.problem === undefined ? [] : [{ of: record, text: record.problem }],
  ),
  ...ruleReports(rules, records).flatMap(
    ({ problem }, i): ReadonlyArray<Problem> =>
      problem === undefined ? [] : [{ of: (rules[i] as RuleData).id, text: problem }],
  ),
];

/**
 * What was expected, and what came, as a diff: `-` in front of rules that were called too seldom, `+` in front of calls
 * that are unexpected, with the argument by which they differ from the nearest rule.
 */
export const comparison = (
  rules: ReadonlyArray<RuleData>,
  records: ReadonlyArray<CallRecord>,
): string => {
  const expected = ruleReports(rules, records).map(
    ({ rule, expected, min, calls }) =>
      `${calls < min ? "-" : " "} ${rule} (${expected}): ${calls === 0 ? "not called" : `called ${times(calls)}`}`,
  );
  const came = records.slice(0, SHOWN).flatMap((record) => {
    const line = `${record.outcome === "unexpected" ? "+" : " "} ${shownCall(record)}`;
    return record.outcome === "unexpected" && record.rule === undefined
      ? [line, ...marked(rules, record)]
      : [line];
  });
  const more = records.length - SHOWN;
  return [
    ...(expected.length === 0 ? [] : ["expected:", ...expected]),
    ...(came.length === 0 ? ["there were no calls"] : ["came:", ...came]),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join("\n");
};

/** A line below an unexpected call, which marks the argument that the nearest rule has otherwise. */
const marked = (rules: ReadonlyArray<RuleData>, record: CallRecord): ReadonlyArray<string> => {
  const rule = nearestRule(
    rules.map((each) => ({ rule: each, count: 0 })),
    record,
  );
  const at = rule && firstDifference(rule, record);
  if (rule === undefined || at === undefined) return [];
  const words = [record.program, ...record.argv.slice(1)].map((word) => shownCommand([word]));
  const before = words.slice(0, at + 1).join(" ").length + 1;
  const width = Math.max(words[at + 1]?.length ?? 1, 1);
  const wanted = rule.args[at];
  return [
    `  ${" ".repeat(before)}${"^".repeat(width)} ${wanted === undefined ? "" : shownPattern(wanted)} was expected`,
  ];
};
