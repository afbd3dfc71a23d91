import { isRegExp } from "node:util/types";

/** Stands for any one argument. */
export const any = Object.freeze({ pattern: "any" } as const);

/** Stands for any number of arguments, also none. */
export const rest = Object.freeze({ pattern: "rest" } as const);

/** Stands for the end of the arguments. Without it, a call may have more arguments than the pattern. */
export const end = Object.freeze({ pattern: "end" } as const);

/** What an argument, or another text of a call, must be: this text, or as the expression or the function says. */
export type TextPattern = string | RegExp | ((text: string) => boolean);

/** What an argument must be. */
export type ArgumentPattern = TextPattern | typeof any | typeof rest | typeof end;

/** A function that stays in the thread of the test; the engine has its number. */
export interface Predicate {
  readonly pattern: "predicate";
  readonly id: number;
}

/** A text pattern that can be sent to another thread. */
export type TextTest = string | RegExp | Predicate;

/** A pattern that can be sent to another thread. */
export type ArgumentTest = TextTest | typeof any | typeof rest | typeof end;

/** Gives the answer of a predicate to a text. */
export type Ask = (id: number, text: string) => boolean;

export const testText = (test: TextTest, text: string, ask: Ask): boolean => {
  if (typeof test === "string") return test === text;
  // A sticky or global expression would begin where the last match ended.
  if (isRegExp(test)) return new RegExp(test.source, test.flags.replace(/[gy]/g, "")).test(text);
  return ask(test.id, text);
};

/** Whether arguments, without argv[0], begin with what a pattern says. */
export const testArguments = (
  tests: ReadonlyArray<ArgumentTest>,
  args: ReadonlyArray<string>,
  ask: Ask,
): boolean => {
  let test = 0;
  let arg = 0;
  // Where to go on if the pattern fails behind the last `rest`: that takes one argument more then. Earlier ones need
  // no other attempt.
  let rests: { test: number; arg: number } | undefined;
  for (;;) {
    const wanted = tests[test];
    if (wanted === undefined) return true;
    if (isMark(wanted, "rest")) {
      test += 1;
      rests = { test, arg };
    } else if (
      isMark(wanted, "end") ? arg === args.length : arg < args.length && fits(wanted, arg)
    ) {
      test += 1;
      if (!isMark(wanted, "end")) arg += 1;
    } else if (rests !== undefined && rests.arg < args.length) {
      rests.arg += 1;
      ({ test, arg } = rests);
    } else return false;
  }

  function fits(wanted: ArgumentTest, at: number): boolean {
    return isMark(wanted, "any") || testText(wanted as TextTest, args[at] as string, ask);
  }
};

const isMark = (test: ArgumentTest, mark: "any" | "rest" | "end"): boolean =>
  typeof test === "object" && "pattern" in test && test.pattern === mark;

/** Text as a shell would take it back: quoted where that is needed. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text)
    ? text
    : /\p{Cc}/u.test(text)
      ? `$'${text.replace(/[\\']/g, "\\$&").replace(/\p{Cc}/gu, escaped)}'`
      : `'${text.replaceAll("'", "'\\''")}'`;

const escaped = (character: string): string =>
  ({ "\n": "\\n", "\t": "\\t", "\r": "\\r" })[character] ??
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A command line with exact boundaries of its arguments. */
export const commandLine = (argv: ReadonlyArray<string>): string => argv.map(quoted).join(" ");

/** Characters of a word that messages show at most. */
const SHOWN = 200;

const shownWord = (word: string): string =>
  word.length > SHOWN
    ? `${quoted(word.slice(0, SHOWN))}...(${word.length} characters)`
    : quoted(word);

/** Text of others in a message. */
export const cut = (text: string): string =>
  text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;

/** A command line as messages show it: long arguments are cut. */
export const shownCommand = (argv: ReadonlyArray<string>): string => argv.map(shownWord).join(" ");

/** A pattern as messages show it. */
export const shownPattern = (test: ArgumentTest): string =>
  typeof test === "string" ? shownWord(test) : isRegExp(test) ? String(test) : `<${test.pattern}>`;
