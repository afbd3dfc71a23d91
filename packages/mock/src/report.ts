import { expectation, shownRule, times } from "./decide.ts";
import { hintFor } from "./hints.ts";
import { commandLine } from "./pattern.ts";
import type { CallRecord } from "./record.ts";
import type { RuleData } from "./reply.ts";

/** Calls that a message shows at most. */
const SHOWN = 50;

/** A call as messages show it. */
export const shownCall = ({ program, argv, outcome, status }: CallRecord): string =>
  commandLine([program, ...argv.slice(1)]) +
  (outcome === "unexpected" || outcome === "failed" ? ` (${outcome})` : "") +
  (status ? ` → ${status}` : "");

/** The calls of a mock, one a line. */
export const shownCalls = (records: ReadonlyArray<CallRecord>): string =>
  records.length === 0
    ? "there were no calls"
    : ["calls so far:", ...records.slice(0, SHOWN).map((record) => `  ${shownCall(record)}`)]
        .concat(records.length > SHOWN ? [`  and ${records.length - SHOWN} more`] : [])
        .join("\n");

/** Something that is wrong. */
export interface Problem {
  readonly text: string;
  /** The call, or the rule, that it is about. */
  readonly of: CallRecord | RuleData["id"];
}

/**
 * The calls of a mock beside the rules that were not called as often as they must be: as a diff of what was expected
 * (`-`) and what came (`+`). An expected call is shown where one of its program came that no rule is for.
 */
export const shownDiff = (
  missing: ReadonlyArray<RuleData>,
  records: ReadonlyArray<CallRecord>,
): string => {
  if (records.length === 0) return "there were no calls";
  const left = new Set(missing);
  const expectedOf = (program: string | undefined) =>
    [...left]
      .filter((rule) => program === undefined || rule.program === program)
      .map((rule) => {
        left.delete(rule);
        return `- ${shownRule(rule)} (${expectation(rule)})`;
      });
  const lines = records
    .slice(0, SHOWN)
    .flatMap((record) =>
      record.problem === undefined
        ? [`  ${shownCall(record)}`]
        : [...expectedOf(record.program), `+ ${shownCall(record)}`],
    );
  if (records.length > SHOWN) lines.push(`  and ${records.length - SHOWN} more`);
  return ["calls (- expected, + wrong):", ...lines, ...expectedOf(undefined)].join("\n");
};

/** A rule, and how often it was called. */
export interface RuleReport {
  /** The rule as messages show it. */
  readonly rule: string;
  /** The program; undefined: every program. */
  readonly program: string | undefined;
  /** How often it must be called, in words. */
  readonly expected: string;
  readonly min: number;
  /** Infinity: any number. */
  readonly max: number;
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

/** What is wrong with the calls that have come: those that no rule is for, and rules that were not followed. */
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
