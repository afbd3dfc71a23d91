import type { CallHandler } from "./Call.ts";
import { MockCore, type MockOptions } from "./MockCore.ts";
import type { Program } from "./Program.ts";
import type { ProgramNames } from "./ProgramNames.ts";
import type { ArgumentPattern } from "./pattern.ts";
import type { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { Reply } from "./replyData.ts";
import type { RuleReport } from "./report.ts";
import type { Run, RunShell } from "./run.ts";
import { transcript } from "./transcript.ts";

/**
 * A program of a mock: called with patterns of arguments, it makes a rule. As vitest and Jest see it, it is a mock
 * function whose calls are the arguments of the program's calls: `expect(m.git).toHaveBeenCalledWith("push")`.
 */
export interface MockedProgram {
  (...args: ReadonlyArray<ArgumentPattern>): Rule;
  /** What calls get for which no rule is. See {@link Program.otherwise}. */
  readonly otherwise: Program["otherwise"];
  /** A rule for all calls. See {@link Program.reply}. */
  readonly reply: Program["reply"];
  /** The calls that have come, oldest first. */
  readonly calls: ReadonlyArray<CallRecord>;
  /** Waits for the next call. See {@link Program.next}. */
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
  /**
   * Runs a program under test to its end: with the environment of the mock, in a session and process group of its own.
   * Mocked paths are seen by programs that run so, and by no others. A status other than 0 is no failure, unless
   * `check` asks for that. What it leaves behind in its process group is killed.
   *
   * @param command a name, which is looked for in PATH, or a path
   */
  readonly run: Run;
  /** Runs a command line by `/bin/sh -c`, as `run` runs a program. */
  readonly shell: RunShell;
  /**
   * The stub of each path that is mocked until now. Where it is mounted over its path (by a bind mount, a container's
   * volume), programs call the mock: as `run` does it in a mount namespace.
   */
  readonly stubs: () => Promise<ReadonlyMap<string, string>>;
  /** PATH for programs under test. */
  readonly path: string;
  /** The environment for programs under test. */
  readonly env: Record<string, string>;
  /** Where the mocks are, as links. */
  readonly directory: string;
  /** All calls until now. */
  readonly calls: ReadonlyArray<CallRecord>;
  /** All calls until now as text, for snapshots: see the function `transcript`, which has options. */
  readonly transcript: string;
  /** The rules, and how often they were called until now. */
  readonly rules: ReadonlyArray<RuleReport>;
  /** What is wrong until now: unexpected calls, and rules that were not called as they must be. */
  readonly problems: ReadonlyArray<string>;
  /**
   * Mocks that have not been called, and may never be: builtins of shells, such as `test` and `echo`, and paths, which
   * are mocked for `run` and `shell` alone. No failure: others may call them.
   */
  readonly warnings: ReadonlyArray<string>;
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

/** Whether a property of a mock is a program: those that JavaScript itself or a test runner may ask for are none. */
const isProgram = (key: PropertyKey): key is string =>
  typeof key === "string" &&
  /^[A-Za-z0-9]/.test(key) &&
  !(key in Object.prototype) &&
  !asked.has(key);

/** `await`, JSON.stringify, and the matchers and printers of test runners ask for these. */
const asked = new Set(["then", "toJSON", "asymmetricMatch", "nodeType", "tagName"]);

/** Where Node 20 has another realm (a vm context of a test runner) it has no such symbol, and compilers take this one. */
const asyncDispose: symbol = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** A mock, and what ends it in place of the test. @internal */
export interface OpenMock {
  readonly mock: Mock;
  /** Fails for the calls that were wrong since the last time. */
  readonly check: () => void;
  /** Closes the mock, and fails for what is wrong, unless the test itself has closed it. */
  readonly finish: () => Promise<void>;
}

/**
 * Makes a mock for a test runner, which finishes it: the end of a scope (`await using`) does not fail then, because its
 * error would hide that of the test. @internal
 */
export const openMock = async (options: MockOptions, hasRunner: boolean): Promise<OpenMock> => {
  const core = new MockCore(options);
  await core.open();
  let isFinished = false;
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
    isFinished = true;
    await core.close();
    if (verify) core.verify();
  };
  const members: Record<PropertyKey, PropertyDescriptor> = {
    program: { value: program },
    otherwise: {
      value: (reply: Reply | CallHandler) => core.rule(undefined, [], true).reply(reply),
    },
    inOrder: { value: (...rules: ReadonlyArray<Rule>) => core.inOrder(rules) },
    run: {
      value: async (command: string, ...more: ReadonlyArray<unknown>) => {
        const [args, options] = Array.isArray(more[0]) ? more : [[], ...more];
        return core.run("m.run", command, args as Array<string>, options);
      },
    },
    shell: {
      value: async (script: string, options?: unknown) =>
        core.run("m.shell", "/bin/sh", ["-c", script], options),
    },
    stubs: { value: () => core.stubs() },
    path: { get: () => core.path },
    env: { get: () => core.env },
    directory: { value: core.directory },
    calls: { get: () => [...core.records] },
    transcript: { get: () => transcript(core.records) },
    rules: { get: () => core.rules },
    problems: { get: () => core.problems },
    warnings: { get: () => core.warnings },
    verify: { value: () => core.verify() },
    close: { value: close },
    [asyncDispose]: { value: () => (hasRunner ? core.close() : close()) },
  };
  const make = (name: string, ...args: ReadonlyArray<ArgumentPattern>) => program(name)(...args);
  const mock = new Proxy(make as unknown as Mock, {
    get: (_, key) => {
      const member = Object.hasOwn(members, key) ? members[key as string] : undefined;
      if (member !== undefined) return member.get === undefined ? member.value : member.get();
      if (isProgram(key)) return program(key);
      return key in Object.prototype ? Reflect.get(make, key) : undefined;
    },
    has: (_, key) => Object.hasOwn(members, key) || isProgram(key),
  });
  return {
    mock,
    check: () => core.verifyRest("calls"),
    finish: async () => {
      if (isFinished) return;
      await core.close();
      core.verifyRest("all");
    },
  };
};

/**
 * Makes a directory of mocked programs. Programs that run with its `env` find them in PATH.
 */
export const mock = async (options: MockOptions = {}): Promise<Mock> =>
  (await openMock(options, false)).mock;
