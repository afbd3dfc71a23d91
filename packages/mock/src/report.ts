import { expectation, shownRule, times } from "./decide.ts";
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

/** What is wrong with the calls that have come: those that nobody expects, and rules that were not followed. */
export const problemsOf = (
  rules: Iterable<RuleData>,
  records: ReadonlyArray<CallRecord>,
): ReadonlyArray<string> => {
  const counts = new Map<number, number>();
  for (const { rule } of records)
    if (rule !== undefined) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  const problems = records.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  for (const rule of rules) {
    const count = counts.get(rule.id) ?? 0;
    if (count < rule.min)
      problems.push(
        `${shownRule(rule)} was ${count === 0 ? "not called" : `called ${times(count)}`}, ` +
          `and must be called ${expectation(rule)}`,
      );
  }
  return problems;
};
