import type { CallHandler } from "./Call.ts";
import { MockCore, type MockOptions } from "./MockCore.ts";
import type { Program } from "./Program.ts";
import type { ProgramNames } from "./ProgramNames.ts";
import type { ArgumentPattern } from "./pattern.ts";
import type { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { Reply } from "./replyData.ts";

/**
 * A program of a mock: called with patterns of arguments, it makes a rule. As vitest and Jest see it, it is a mock
 * function whose calls are the arguments of the program's calls: `expect(m.git).toHaveBeenCalledWith("push")`.
 */
export interface MockedProgram {
  (...args: ReadonlyArray<ArgumentPattern>): Rule;
  readonly otherwise: Program["otherwise"];
  readonly reply: Program["reply"];
  readonly calls: ReadonlyArray<CallRecord>;
  readonly next: Program["next"];
  /** For the matchers of vitest and Jest. */
  readonly mock: { readonly calls: ReadonlyArray<ReadonlyArray<string>> };
}

interface MockMembers extends AsyncDisposable {
  /** A rule of a program, by its name or its path. */
  (program: string, ...args: ReadonlyArray<ArgumentPattern>): Rule;
  /** A program whose name is no name of TypeScript, or one of the members of a mock. */
  readonly program: (name: string) => MockedProgram;
  /** What calls get for which no rule is. */
  readonly otherwise: (reply: Reply | CallHandler) => Rule;
  /** These rules must be called in this order. */
  readonly inOrder: (...rules: ReadonlyArray<Rule>) => void;
  /** PATH for programs under test. */
  readonly path: string;
  /** The environment for programs under test. */
  readonly env: Record<string, string>;
  /** Where the mocks are, as links. */
  readonly directory: string;
  /** All calls until now. */
  readonly calls: ReadonlyArray<CallRecord>;
  /** What is wrong until now: unexpected calls, and rules that were not called as they must be. */
  readonly problems: ReadonlyArray<string>;
  /** Fails if something is wrong until now. */
  readonly verify: () => void;
  /** Ends the mock, and fails if something was wrong. */
  readonly close: (options?: { readonly verify?: boolean }) => Promise<void>;
}

/** A directory of mocked programs. Each property that is no member is the program of that name. */
export type Mock = MockMembers & ProgramNames & { readonly [program: string]: MockedProgram };

const programOf = (program: Program): MockedProgram => {
  const make = (...args: ReadonlyArray<ArgumentPattern>) => program.rule(...args);
  return Object.defineProperties(make, {
    otherwise: { value: program.otherwise.bind(program) },
    reply: { value: program.reply.bind(program) },
    next: { value: program.next.bind(program) },
    calls: { get: () => program.calls },
    // What the matchers of vitest and Jest look at.
    _isMockFunction: { value: true },
    getMockName: { value: () => program.name },
    mock: {
      get: () => ({
        calls: program.calls.map(({ argv }) => argv.slice(1)),
        results: program.calls.map(({ status }) => ({ type: "return", value: status })),
        settledResults: [],
        invocationCallOrder: program.calls.map(({ index }) => index + 1),
        instances: [],
        contexts: [],
      }),
    },
  }) as unknown as MockedProgram;
};

/**
 * Makes a directory of mocked programs. Programs that run with its `env` find them in PATH.
 */
export const mock = async (options: MockOptions = {}): Promise<Mock> => {
  const core = new MockCore(options);
  await core.open();
  const programs = new Map<string, MockedProgram>();
  const program = (name: string): MockedProgram => {
    let made = programs.get(name);
    if (made === undefined) {
      made = programOf(core.program(name));
      programs.set(name, made);
    }
    return made;
  };
  const close = async ({ verify = true }: { readonly verify?: boolean } = {}) => {
    await core.close();
    if (verify) core.verify();
  };
  const members: Record<PropertyKey, PropertyDescriptor> = {
    program: { value: program },
    otherwise: {
      value: (reply: Reply | CallHandler) => core.rule(undefined, [], true).reply(reply),
    },
    inOrder: { value: (...rules: ReadonlyArray<Rule>) => core.inOrder(rules) },
    path: { get: () => core.path },
    env: { get: () => core.env },
    directory: { value: core.directory },
    calls: { get: () => core.records },
    problems: { get: () => core.problems },
    verify: { value: () => core.verify() },
    close: { value: close },
    [Symbol.asyncDispose]: { value: () => close() },
  };
  // `await` and JSON.stringify ask for these: a mock has neither, and they are no programs.
  for (const name of ["then", "toJSON"]) members[name] = { value: undefined };
  const make = (name: string, ...args: ReadonlyArray<ArgumentPattern>) => program(name)(...args);
  return new Proxy(make as unknown as Mock, {
    get: (_, key) => {
      const member = Object.hasOwn(members, key) ? members[key as string] : undefined;
      if (member !== undefined) return member.get === undefined ? member.value : member.get();
      return typeof key === "string" ? program(key) : Reflect.get(make, key);
    },
    has: (_, key) => Object.hasOwn(members, key) || typeof key === "string",
  });
};
