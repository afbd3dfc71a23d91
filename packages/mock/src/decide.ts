import { type Ask, shownCommand, shownPattern, testArguments, testText } from "./pattern.ts";
import type { ReplyData, RuleData } from "./reply.ts";

/** What a decision is made of. */
export interface Question {
  readonly program: string;
  readonly path: string;
  readonly argv: ReadonlyArray<string>;
  readonly cwd: string | undefined;
  readonly variable: (name: string) => string | undefined;
  /**
   * What the caller has written to its stdin, or at least so many bytes of it: throws `Needed` until it is known.
   */
  readonly stdin: (enough?: number) => Uint8Array;
}

/** A decision needs to know something first: the answer of a predicate, or stdin. */
export class Needed {
  readonly what:
    | { readonly id: number; readonly text: string }
    /** So many bytes of stdin, if it has them. */
    | { readonly stdin: number };
  constructor(what: Needed["what"]) {
    this.what = what;
  }
}

export type Decision =
  | { readonly rule: RuleData | undefined; readonly reply: ReplyData }
  | { readonly rule: RuleData | undefined; readonly problem: string };

/** Why a call is unexpected that is like no rule. */
export const NO_RULE = "no rule is for it";

/** A rule, and how often it was called. */
export interface Counted {
  readonly rule: RuleData;
  count: number;
}

const isFor = ({ program }: RuleData, question: Question): boolean =>
  program === undefined ||
  (program.includes("/") ? program === question.path : program === question.program);

const fits = (rule: RuleData, question: Question, ask: Ask): boolean => {
  const { args, where } = rule;
  if (!testArguments(args, question.argv.slice(1), ask)) return false;
  if (where.cwd !== undefined && !testText(where.cwd, question.cwd ?? "", ask)) return false;
  for (const [name, test] of Object.entries(where.env ?? {})) {
    const value = question.variable(name);
    if (test === undefined ? value !== undefined : value === undefined) return false;
    if (test !== undefined && !testText(test, value as string, ask)) return false;
  }
  return (
    where.stdin === undefined ||
    testText(where.stdin, new TextDecoder().decode(question.stdin()), ask)
  );
};

/**
 * Decides a call: the first rule for it which may still be called, or else one that takes all others. Counts it.
 * Nothing is counted if it throws `Needed`.
 */
export const decide = (rules: ReadonlyArray<Counted>, question: Question, ask: Ask): Decision => {
  const mine = rules.filter(({ rule }) => isFor(rule, question));
  const fitting = mine.filter(({ rule }) => fits(rule, question, ask));
  const exact = fitting.filter(({ rule }) => !rule.isOtherwise);
  const others = fitting.filter(({ rule }) => rule.isOtherwise);
  // A rule of the program itself goes before a rule of all programs.
  const taken =
    exact.find(({ rule, count }) => count < rule.max) ??
    (exact.length > 0
      ? undefined
      : (others.find(({ rule, count }) => rule.program !== undefined && count < rule.max) ??
        others.find(({ rule, count }) => count < rule.max)));
  if (taken === undefined) {
    const full = exact.at(-1) ?? others.at(-1);
    if (full === undefined) return { rule: undefined, problem: NO_RULE };
    full.count += 1;
    return { rule: full.rule, problem: tooMany(full) };
  }
  const { rule } = taken;
  const early =
    rule.group === undefined
      ? undefined
      : rules.find(
          (other) =>
            other.rule.group === rule.group &&
            other.rule.id < rule.id &&
            other.count < other.rule.min,
        );
  const reply = rule.replies[Math.min(taken.count, rule.replies.length - 1)] as ReplyData;
  taken.count += 1;
  if (early !== undefined)
    return {
      rule,
      problem: `it comes before ${shownRule(early.rule)}, which must be called first`,
    };
  return { rule, reply };
};

const tooMany = ({ rule, count }: Counted): string =>
  rule.max === 0
    ? `${shownRule(rule)} must not be called`
    : `${shownRule(rule)} was called ${times(count)}, and must be called ${expectation(rule)}`;

export const times = (count: number): string =>
  count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;

/** How often a rule must be called. */
export const expectation = ({ min, max }: Pick<RuleData, "min" | "max">): string =>
  max === 0
    ? "never"
    : min === max
      ? times(min)
      : max === Infinity
        ? min === 0
          ? "any number of times"
          : `${times(min)} or more`
        : `${min} to ${max} times`;

/** A rule as messages show it. */
export const shownRule = ({ program, args, where, isOtherwise }: RuleData): string =>
  [
    program === undefined ? "<every program>" : shownCommand([program]),
    ...args.map(shownPattern),
    ...(isOtherwise ? ["(otherwise)"] : []),
    ...Object.entries(where.env ?? {}).map(([name, test]) =>
      test === undefined ? `(without ${name})` : `(${name}=${shownPattern(test)})`,
    ),
    ...(where.cwd === undefined ? [] : [`(in ${shownPattern(where.cwd)})`]),
    ...(where.stdin === undefined ? [] : [`(stdin ${shownPattern(where.stdin)})`]),
  ].join(" ");

type Called = Pick<Question, "program" | "path" | "argv">;

/** The number of the first argument, from 0, that is not as a rule says; undefined if all of its pattern fits. */
export const firstDifference = (rule: RuleData, { argv }: Called): number | undefined => {
  const args = argv.slice(1);
  let score = 0;
  // The longest beginning of the pattern that fits; a predicate is taken for true.
  while (score < rule.args.length && testArguments(rule.args.slice(0, score + 1), args, () => true))
    score += 1;
  return score === rule.args.length ? undefined : score;
};

/** The rule of a program that comes nearest to a call: that which agrees with most of its first arguments. */
export const nearestRule = (rules: ReadonlyArray<Counted>, call: Called): RuleData | undefined => {
  let best: { readonly rule: RuleData; readonly score: number } | undefined;
  for (const { rule } of rules) {
    if (!isFor(rule, call as Question)) continue;
    const score = firstDifference(rule, call) ?? rule.args.length;
    if (best === undefined || score > best.score) best = { rule, score };
  }
  return best?.rule;
};

/** As `nearestRule`, in words. */
export const nearest = (rules: ReadonlyArray<Counted>, call: Called): string | undefined => {
  const rule = nearestRule(rules, call);
  return rule && shownRule(rule);
};
