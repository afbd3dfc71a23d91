import { TextDecoder } from "node:util";
import type { MockedProgram } from "./mock.ts";
import { commandLine } from "./pattern.ts";
import type { CallRecord } from "./record.ts";

/** What text must be: this text, or as the expression says. */
export type Expected = string | RegExp;

/** Matchers of mocked programs, for `expect` of vitest and Jest. See `matchers`. */
export interface ProgramMatchers<R = void> {
  /** One of the calls ran in this directory. */
  toHaveBeenCalledIn(cwd: Expected): R;
  /** One of the calls had these variables. Undefined: it was not set. */
  toHaveBeenCalledWithEnv(env: Readonly<Record<string, Expected | undefined>>): R;
  /** One of the calls has read this text from its stdin. It is known of calls that a handler, a spy or `where` has read. */
  toHaveReceivedStdin(text: Expected): R;
}

interface Result {
  readonly pass: boolean;
  readonly message: () => string;
}

const isLike = (expected: Expected | undefined, actual: string | undefined): boolean =>
  expected === undefined || actual === undefined
    ? expected === actual
    : typeof expected === "string"
      ? expected === actual
      : new RegExp(expected.source, expected.flags.replace(/[gy]/g, "")).test(actual);

const shown = (value: Expected | undefined): string =>
  value === undefined
    ? "not set"
    : typeof value === "string"
      ? JSON.stringify(value)
      : String(value);

const matcher =
  <A>(
    what: string,
    test: (record: CallRecord, expected: A) => boolean,
    show: (expected: A) => string,
    showActual: (record: CallRecord, expected: A) => string,
  ) =>
  (received: unknown, expected: A): Result => {
    const { calls, getMockName } = received as MockedProgram & { getMockName?: () => string };
    if (getMockName === undefined || !Array.isArray(calls))
      throw new TypeError(
        `expect: give a program of a mock, as expect(m.git); this is ${String(received)}`,
      );
    const lines = calls.map(
      (record) => `  ${commandLine(record.argv)}: ${showActual(record, expected)}`,
    );
    const pass = calls.some((record) => test(record, expected));
    return {
      pass,
      message: () =>
        `expected ${getMockName()} ${pass ? "not " : ""}${what} ${show(expected)}; ` +
        (lines.length === 0 ? "it was not called" : ["its calls:", ...lines].join("\n")),
    };
  };

const stdinOf = ({ stdin }: CallRecord): string | undefined =>
  stdin === undefined ? undefined : new TextDecoder().decode(stdin);

/**
 * Matchers of mocked programs, for `expect` of Jest: `expect.extend(matchers)`. With `@rsyscall/mock/vitest` and
 * `@rsyscall/mock/jest` they are there.
 */
export const matchers = {
  toHaveBeenCalledIn: matcher<Expected>(
    "to have been called in",
    ({ cwd }, expected) => isLike(expected, cwd),
    shown,
    ({ cwd }) => `in ${shown(cwd)}`,
  ),
  toHaveBeenCalledWithEnv: matcher<Readonly<Record<string, Expected | undefined>>>(
    "to have been called with",
    ({ env }, expected) =>
      Object.entries(expected).every(([name, value]) => isLike(value, env[name])),
    (expected) => variables(Object.entries(expected)),
    ({ env }, expected) => variables(Object.keys(expected).map((name) => [name, env[name]])),
  ),
  toHaveReceivedStdin: matcher<Expected>(
    "to have read from its stdin",
    (record, expected) => stdinOf(record) !== undefined && isLike(expected, stdinOf(record)),
    shown,
    (record) =>
      stdinOf(record) === undefined
        ? "its stdin was not read: reply by spy or a function that reads it, or add .where({ stdin: /.*/s })"
        : shown(stdinOf(record)),
  ),
};

function variables(all: ReadonlyArray<readonly [string, Expected | undefined]>): string {
  return all
    .map(([name, value]) => (value === undefined ? `${name} not set` : `${name}=${shown(value)}`))
    .join(" ");
}
