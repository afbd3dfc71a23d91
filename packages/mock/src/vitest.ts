import { afterAll, afterEach, test as base, expect, TestRunner } from "vitest";
import { MockError } from "./errors.ts";
import type { MockOptions } from "./MockCore.ts";
import { matchers, type ProgramMatchers } from "./matchers.ts";
import { type Mock, type OpenMock, openMock } from "./mock.ts";

expect.extend(matchers);

declare global {
  namespace Chai {
    // Assertions of vitest 4 and of vitest 5 have what those of chai have; their own interfaces differ.
    interface Assertion extends ProgramMatchers {}
  }
}

/** What a test gets as its first argument, as far as it is needed here. */
export interface MockContext {
  /** Runs a function when the test has ended, as vitest's context does. */
  readonly onTestFinished: (finish: () => Promise<void>) => void;
}

/**
 * Makes a mock that is closed when the test ends, and fails it if something was wrong. It may be called
 *
 * - in a test, or in `beforeEach`;
 * - outside of tests (in `beforeAll`, in `describe`, at the top of a file): all its tests share the mock. A call that is
 *   wrong fails the test that it comes in; how often rules were called is verified at the end.
 *
 * A test that runs beside others (`test.concurrent`) takes `mock` from its arguments, see {@link test}, or gives its
 * context: `mock(options, context)`.
 *
 * @example
 * ```ts
 * import { execFileSync } from "node:child_process";
 * import { mock } from "@rsyscall/mock/vitest";
 * import { expect, test } from "vitest";
 *
 * test("pushes", async () => {
 *   const m = await mock();
 *   m.git("push").once();
 *   execFileSync("git", ["push", "origin"], { env: m.env });
 *   expect(m.git).toHaveBeenCalledWith("push", "origin");
 * });
 * ```
 */
export const mock = async (options: MockOptions = {}, context?: MockContext): Promise<Mock> => {
  // The hooks are there before the mock is: a test may end meanwhile.
  const opening = openMock(options, true);
  const opened = opening.catch((): undefined => undefined);
  const finish = async () => (await opened)?.finish();
  const check = async () => (await opened)?.check();
  const current: TestOrNone = TestRunner.getCurrentTest();
  if (context !== undefined) context.onTestFinished(finish);
  else if (current === undefined) share(check, finish);
  else if (current.concurrent) {
    await finish();
    throw new MockError([CONCURRENT]);
  } else current.context.onTestFinished(finish);
  return (await opening).mock;
};

const CONCURRENT =
  "mock: this test runs beside others, and vitest does not say which of them calls. Take mock from its arguments: " +
  'import { test } from "@rsyscall/mock/vitest", and test.concurrent("...", async ({ mock }) => { ... })';

type TestOrNone = { readonly concurrent?: boolean; readonly context: MockContext } | undefined;

interface SuiteTask {
  readonly type: string;
  readonly result?: { readonly state: string };
  readonly tasks?: ReadonlyArray<SuiteTask>;
}

/** Has a mock checked after each test of the suite that is collected or runs, and finished after all of them. */
const share = (check: () => Promise<void>, finish: OpenMock["finish"]): void => {
  const { file } = TestRunner.getCurrentSuite() as { readonly file?: SuiteTask };
  if (file?.result === undefined) {
    afterEach(check);
    afterAll(finish);
    return;
  }
  // Tests run already: this is a hook of a suite, which vitest does not name.
  const hooks = TestRunner.getSuiteHooks(runningSuite(file) as never);
  hooks.afterEach.push(check);
  hooks.afterAll.push(finish);
};

const runningSuite = (suite: SuiteTask): SuiteTask => {
  const running = (suite.tasks ?? []).filter(
    ({ type, result }) => type === "suite" && result?.state === "run",
  );
  if (running.length > 1)
    throw new MockError([
      "mock: suites run beside each other, and vitest does not say which of them calls: make the mock in beforeEach or in the test",
    ]);
  return running[0] === undefined ? suite : runningSuite(running[0]);
};

/**
 * `test` of vitest, whose first argument has `mock`: as the function of this name, for this test alone. For tests that
 * run beside others, too.
 */
export const test = base.extend<{ readonly mock: (options?: MockOptions) => Promise<Mock> }>({
  mock: async ({ onTestFinished }, use) => use((options) => mock(options, { onTestFinished })),
});

/** The same as {@link test}. */
export const it = test;
export type { Cassette, Mock, MockedProgram, MockOptions } from "./index.ts";
export { any, end, MockError, pass, readCassette, rest, spy } from "./index.ts";
export type { ProgramMatchers } from "./matchers.ts";
