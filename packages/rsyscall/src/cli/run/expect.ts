import { readFileSync } from "node:fs";
import { commandLine, type LoggedCall, matches, parsePattern, readLog } from "@rsyscall/mock";
import { coloured } from "../colours.ts";
import { UsageError } from "../UsageError.ts";

export interface ExpectOptions {
  readonly times: number | undefined;
  readonly atLeast: number | undefined;
  readonly never: boolean;
  readonly log: string;
  readonly pattern: string;
}

/** Calls that a diff shows at most, of each kind. */
const SHOWN = 100;

export const run = async (options: ExpectOptions): Promise<number> => {
  const { min, max, words } = expectedOf(options);
  const pattern = parsed(options.pattern);
  let text: string;
  try {
    text = readFileSync(options.log, "utf8");
  } catch (error) {
    throw new UsageError(
      `the log cannot be read: ${(error as Error).message}: is it the file of rsyscall mock --log?`,
    );
  }
  const calls = readLog(text, options.log);
  const found = calls.filter((call) => matches(pattern, call));
  if (found.length >= min && found.length <= max) return 0;

  const others = calls.filter((call) => !found.includes(call));
  const alike = others.filter(({ program }) => program === pattern.program);
  const unlike = others.filter(({ program }) => program !== pattern.program);
  const isMissing = found.length < min;
  const show = (sign: "-" | "+" | " ", lines: ReadonlyArray<string>) => {
    const colour = sign === "-" ? "red" : sign === "+" ? "green" : "dim";
    for (const line of lines.slice(0, SHOWN))
      process.stderr.write(`${coloured(process.stderr, colour, `${sign} ${line}`)}\n`);
    if (lines.length > SHOWN) process.stderr.write(`  and ${lines.length - SHOWN} more\n`);
  };
  process.stderr.write(
    `rsyscall expect: ${options.pattern} was ${called(found.length)}, and must be called ${words}\n`,
  );
  if (calls.length === 0) process.stderr.write("there were no calls\n");
  else process.stderr.write("- expected, + came:\n");
  show(" ", found.slice(0, max).map(shown));
  show("+", found.slice(max).map(shown));
  if (isMissing) show("-", Array(min - found.length).fill(options.pattern));
  // Those that were perhaps meant.
  show(isMissing ? "+" : " ", alike.map(shown));
  show(" ", unlike.map(shown));
  return 1;
};

const parsed = (text: string) => {
  try {
    return parsePattern(text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
};

const shown = ({ program, argv }: LoggedCall): string => commandLine([program, ...argv.slice(1)]);

const called = (count: number): string =>
  count === 0 ? "not called" : count === 1 ? "called once" : `called ${count} times`;

const expectedOf = ({ times, atLeast, never }: ExpectOptions) => {
  const given = [times, atLeast, never ? 0 : undefined].filter((count) => count !== undefined);
  if (given.length > 1)
    throw new UsageError("--times, --at-least and --never exclude each other: give one of them");
  const [count = 1] = given;
  const often = count === 1 ? "once" : `${count} times`;
  if (never || times === 0) return { min: 0, max: 0, words: "never" };
  return times === undefined
    ? { min: count, max: Infinity, words: `${often} or more` }
    : { min: count, max: count, words: often };
};
