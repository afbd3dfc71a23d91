import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execute, it } from "@rsyscall/harness";
import { runVitest } from "@rsyscall/harness/vitest";
import { Effect } from "effect";
import { afterAll, assert, beforeAll, describe, test } from "vitest";

/** Below the root, so that packages are found there as a user finds them. */
const directory = fileURLToPath(new URL(`../../../.cache/canary-${process.pid}`, import.meta.url));

beforeAll(() => mkdirSync(directory, { recursive: true }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("a transport that makes no Thread", () => {
  test("fails one test, and the others are skipped", async () => {
    writeFileSync(
      `${directory}/broken.test.mjs`,
      `import { describeTransport } from "@rsyscall/conformance";
       import { Effect } from "effect";
       describeTransport("broken", { makeThread: () => Effect.fail(new Error("no such host")) });`,
    );
    writeFileSync(`${directory}/vitest.config.mjs`, "export default {};");
    const { tests, output } = await runVitest(["--root", directory]);
    const failed = tests.filter(({ status }) => status === "failed");
    assert.lengthOf(failed, 1, output);
    assert.include(failed[0]?.name, "makes a Thread that performs a system call");
    assert.include(failed[0]?.failures.join(), "no such host");
    assert.isAbove(tests.length, 90);
    assert.lengthOf(
      tests.filter(({ status }) => status === "passed"),
      0,
    );
  }, 60_000);
});

describe("behaviours", () => {
  it("are checked by a program, without vitest", function* () {
    writeFileSync(
      `${directory}/program.mjs`,
      `import { register } from "node:module";
       const refuse = "export const resolve = (name, context, next) => { if (name.startsWith('vitest')) throw new Error(name); return next(name, context); };";
       register("data:text/javascript," + encodeURIComponent(refuse));
       const { behaviours, canary, check } = await import("@rsyscall/conformance/behaviours");
       const { LocalThread } = await import("@rsyscall/thread");
       const { Effect } = await import("effect");
       const fork = { makeThread: () => Effect.flatMap(LocalThread, (thread) => thread.fork()) };
       for (const one of [canary, ...behaviours.filter(({ topic }) => topic === "environment")])
         console.log(one.name, await Effect.runPromise(check(one, fork)));`,
    );
    const { status, stdout, stderr } = yield* execute(
      process.execPath,
      [`${directory}/program.mjs`],
      {
        timeout: 20_000,
      },
    );
    assert.equal(status, 0, stderr.toString());
    assert.include(stdout.toString(), "makes a Thread that performs a system call undefined");
    yield* Effect.void;
  });
});
