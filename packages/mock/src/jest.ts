import { MockError } from "./errors.ts";
import type { MockOptions } from "./MockCore.ts";
import { matchers, type ProgramMatchers } from "./matchers.ts";
import { type Mock, type OpenMock, openMock } from "./mock.ts";

declare global {
  namespace jest {
    // biome-ignore lint/complexity/noBannedTypes: all declarations of it are alike.
    interface Matchers<R, T = {}> extends ProgramMatchers<R> {}
  }
}

/** What Jest gives to each test file, as far as it is needed here. */
interface Jest {
  readonly beforeEach: (run: () => void) => void;
  readonly afterEach: (run: () => Promise<void>) => void;
  readonly afterAll: (run: () => Promise<void>) => void;
  readonly expect: { readonly extend: (matchers: object) => void };
}

const jest = globalThis as unknown as Jest;
if (typeof jest.afterEach !== "function" || typeof jest.afterAll !== "function")
  throw new MockError([
    "@rsyscall/mock/jest: there is no afterEach: import it in a test file of Jest, with injectGlobals; elsewhere import @rsyscall/mock",
  ]);

/** Mocks of the test that runs, and those that the tests of this file share. */
const own: Array<OpenMock> = [];
const shared: Array<OpenMock> = [];
let isInTest = false;

jest.expect.extend(matchers);
jest.beforeEach(() => {
  isInTest = true;
});
jest.afterEach(async () => {
  isInTest = false;
  await all(own.splice(0), (mock) => mock.finish());
  await all(shared, (mock) => mock.check());
});
jest.afterAll(() => all(shared.splice(0), (mock) => mock.finish()));

/** Does this with all mocks, and fails with the first error then. */
const all = async (
  mocks: ReadonlyArray<OpenMock>,
  end: (mock: OpenMock) => void | Promise<void>,
): Promise<void> => {
  const results = await Promise.allSettled(mocks.map(async (mock) => end(mock)));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
};

/**
 * Makes a mock that is closed when the test ends, and fails it if something was wrong. Made outside of tests (in
 * `beforeAll`, in `test.concurrent`), it is for all tests of the file: a call that is wrong fails the test that it comes
 * in, and how often rules were called is verified at the end.
 */
export const mock = async (options: MockOptions = {}): Promise<Mock> => {
  const mocks = isInTest ? own : shared;
  const opened = await openMock(options, true);
  mocks.push(opened);
  return opened.mock;
};

export type { Cassette, Mock, MockedProgram, MockOptions } from "./index.ts";
export { any, end, MockError, pass, readCassette, rest, spy } from "./index.ts";
export type { ProgramMatchers } from "./matchers.ts";
export { matchers } from "./matchers.ts";
