import { fileURLToPath } from "node:url";
import { runVitest, type VitestRun } from "@rsyscall/harness/vitest";
import { assert, beforeAll, describe, it } from "vitest";

const config = fileURLToPath(new URL("cases/vitest.config.ts", import.meta.url));

describe("@rsyscall/mock/vitest", () => {
  it("works in every pool, in workers beside each other, and without isolation", async () => {
    const { status, tests, output } = await runVitest(["--config", config]);
    assert.equal(status, 0, output);
    assert.equal(tests.length, 6 * 16);
    assert.notInclude(output, "Warning");
  }, 120_000);
});

describe("a suite of 200 tests with two mocks each", () => {
  it("passes in four workers at once", async () => {
    const { status, tests, output } = await runVitest(["--config", config], { CASES: "suite" });
    assert.equal(status, 0, output);
    assert.equal(tests.length, 200);
  }, 60_000);
});

describe("a test that fails", () => {
  let run: VitestRun;

  beforeAll(async () => {
    run = await runVitest(["--config", config], { CASES: "fails" });
  }, 60_000);

  const failuresOf = (name: string) => {
    const test = run.tests.find((test) => test.name === name);
    assert.isDefined(test, run.output);
    return test.failures;
  };
  /** Where the runner shows the code: the first line of the stack. */
  const lineOf = (failure: string | undefined) =>
    /\n +at .*cases\/(\S+?):\d+\)?(\n|$)/.exec(failure ?? "")?.[1];

  it("shows the rule that was not followed, at its line", () => {
    const [failure, ...more] = failuresOf("a rule that was not followed");
    assert.match(
      failure ?? "",
      /^MockError: git push was not called, and must be called once\nexpected:\n- git push \(once\): not called\n {2}git status .*\ncame:\n {2}git status\n +at/,
    );
    assert.equal(lineOf(failure), "fails.case.ts:11");
    assert.deepEqual(more, []);
  });

  it("shows an unexpected call, at the line of the mock", () => {
    const [failure] = failuresOf("an unexpected call");
    assert.match(
      failure ?? "",
      /^MockError: unexpected command: git pull \(.*nearest: git push\n.*\n\+ git pull/s,
    );
    assert.equal(lineOf(failure), "fails.case.ts:17");
  });

  it("shows an error of its own first, and then those of the mock", () => {
    const [own, mocks, ...more] = failuresOf("an error of its own too");
    assert.match(own ?? "", /^AssertionError: expected 1 to be 2/);
    assert.match(mocks ?? "", /^MockError: unexpected command: curl x/);
    assert.deepEqual(more, []);
    const [first, second] = failuresOf("await using, and an error of its own");
    assert.match(first ?? "", /^AssertionError: expected 1 to be 2/);
    assert.match(second ?? "", /^MockError: git push was not called/);
  });

  it("says nothing twice", () => {
    assert.lengthOf(failuresOf("verified by itself"), 1);
    assert.lengthOf(failuresOf("closed by itself"), 1);
  });

  it("shows the calls that came where another was expected", () => {
    assert.match(
      failuresOf("no such call").join(),
      /expected "git" to be called with arguments: \[ 'pull' \]/,
    );
  });

  it("shows what its matchers have looked at", () => {
    assert.deepEqual(
      failuresOf("matchers").map((text) => text.replace(/\n +at .*/s, "")),
      [
        'Error: expected git to have been called in "/home"; its calls:\n  git push \'a b\': in "/"\n  git: in "/tmp"',
        'Error: expected git to have been called with KIND="y" NO_SUCH=/z/; its calls:\n' +
          "  git push 'a b': KIND=\"x\" NO_SUCH not set\n  git: KIND not set NO_SUCH not set",
        'Error: expected git not to have been called in "/"; its calls:\n  git push \'a b\': in "/"\n  git: in "/tmp"',
        'Error: expected git to have read from its stdin "x"; its calls:\n' +
          "  git push 'a b': its stdin was not read: reply by spy or a function that reads it, or add .where({ stdin: /.*/s })\n" +
          "  git: its stdin was not read: reply by spy or a function that reads it, or add .where({ stdin: /.*/s })",
        'Error: expected ssh to have been called in "/"; it was not called',
      ],
    );
  });

  it("shows what a function has thrown, with its own line", () => {
    const [failure, ...more] = failuresOf("an expectation in a function");
    assert.match(
      failure ?? "",
      /^MockError: git pull: its handler has failed: expected \[ 'pull' \] to deeply equal \[ 'push' \]/,
    );
    assert.deepEqual(more, []);
  });

  it("cannot be told from those beside it, and says what to do", () => {
    assert.match(failuresOf("beside others").join(), /Take mock from its arguments/);
  });

  it("is the one in which a wrong call of a shared mock came; the suite fails for its rules", () => {
    assert.match(
      failuresOf("a shared mock of which one test makes a wrong call").join(),
      /^MockError: unexpected command: git rebase/,
    );
    assert.deepEqual(failuresOf("a shared mock of which one test does not (passes)"), []);
    assert.equal(run.status, 1);
  });
});
