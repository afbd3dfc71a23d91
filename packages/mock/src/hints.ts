import type { RuleData } from "./reply.ts";

/** What bash, dash or busybox do themselves when a script calls it by its name. */
const BUILTINS = new Set(
  (
    ". : [ alias bg bind break builtin caller case cd command compgen complete compopt continue declare dirs disown " +
    "echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd " +
    "printf pushd pwd read readarray readonly return set shift shopt source suspend test time times trap true type " +
    "typeset ulimit umask unalias unset wait"
  ).split(" "),
);

/** Why a program that was never called may have run all the same; undefined if there is nothing special about it. */
export const hintFor = (program: string): string | undefined =>
  program.includes("/")
    ? `${program} is a path: only programs that m.run and m.shell run see its mock`
    : BUILTINS.has(program)
      ? `${program} is a builtin of shells: a script that calls it by its name executes no program, so no mock can see ` +
        `it. "env ${program}", its path, or a caller that is no shell does execute one; "type ${program}" in the ` +
        "script's shell says which it is"
      : undefined;

/** What is worth knowing of programs that have rules, and were never called. */
export const warningsOf = (
  rules: Iterable<RuleData>,
  wasCalled: (program: string) => boolean,
): ReadonlyArray<string> => [
  ...new Set(
    [...rules].flatMap(({ program }) =>
      program === undefined || wasCalled(program) ? [] : (hintFor(program) ?? []),
    ),
  ),
];
