import { fileURLToPath } from "node:url";
import { execute, it } from "@rsyscall/harness";
import { getpid } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Cause, Effect, Exit } from "effect";
import { assert, describe } from "vitest";

/** The functions of this file in a stack, innermost first. */
const functions = (stack: string | undefined): ReadonlyArray<string> =>
  (stack ?? "")
    .split("\n")
    .filter((line) => line.includes("stacks.test.ts"))
    .map((line) => /at (?:async )?(\w+) /.exec(line)?.[1] ?? "")
    .filter((name) => name.endsWith("Program"));

function* helperProgram(thread: Thread) {
  yield* Effect.scoped(thread.open("/nope"));
}

const innerOf = (thread: Thread) =>
  Effect.gen(function* innerProgram() {
    yield* helperProgram(thread);
  });

const outerOf = (thread: Thread) =>
  Effect.gen(function* outerProgram() {
    yield* Effect.andThen(Effect.void, innerOf(thread));
    return "not reached";
  });

describe("the stack of a failure", () => {
  it("begins with the lines of the program, through generators and combinators", function* () {
    const local = yield* LocalThread;
    // In a child, whose results may come in a later turn of the event loop.
    for (const thread of [local, yield* local.fork()]) {
      const exit = yield* Effect.exit(outerOf(thread));
      assert.isTrue(Exit.isFailure(exit));
      const { cause } = exit as Exit.Failure<string, Error>;
      const { stack } = Cause.squash(cause) as Error;
      assert.match(
        stack ?? "",
        /^SyscallError: openat\(\/nope\): ENOENT: No such file or directory\n {4}at \w*helperProgram /,
      );
      const expected = ["helperProgram", "innerProgram", "outerProgram"];
      assert.deepEqual(functions(stack), expected);
      assert.includeMembers([...functions(Cause.pretty(cause))], expected);
    }
  });

  it("leaves a program alone that goes on", function* () {
    const thread = yield* LocalThread;
    const steps: Array<string> = [];
    const program = Effect.gen(function* recoveringProgram() {
      try {
        const error = yield* Effect.flip(Effect.scoped(thread.open("/nope")));
        steps.push(String((error as Error).stack).slice(0, 12));
        yield* Effect.yieldNow;
        // It waits here when another call looks.
        yield* Effect.sync(() => steps.push(String((error as Error).stack).slice(0, 12)));
        const again = yield* Effect.flip(Effect.scoped(thread.open("/nope")));
        assert.deepEqual(functions((error as Error).stack), []);
        return again as Error;
      } finally {
        steps.push("finally");
      }
    });
    const error = yield* program;
    assert.deepEqual(steps, ["SyscallError", "SyscallError", "finally"]);
    assert.deepEqual(functions(error.stack), []);
    assert.isAbove(yield* getpid(thread.task.sysif), 0);
  });

  it("runs no code of the program when it is read", function* () {
    const thread = yield* LocalThread;
    let ran = false;
    const program = Effect.gen(function* failingProgram() {
      try {
        yield* Effect.scoped(thread.open("/nope"));
      } catch {
        ran = true;
      } finally {
        ran = true;
      }
    });
    const error = (yield* Effect.flip(program)) as Error;
    assert.deepEqual(functions(error.stack), ["failingProgram"]);
    assert.deepEqual(functions(error.stack), ["failingProgram"]);
    assert.isFalse(ran);
    error.stack = "another";
    assert.equal(error.stack, "another");
  });

  it("is what an uncaught failure prints, with the names that classes have", function* () {
    const program = fileURLToPath(new URL("failing.mjs", import.meta.url));
    const { status, stderr } = yield* execute(process.execPath, [program]);
    assert.equal(status, 1);
    const text = stderr.toString();
    assert.match(text, /SyscallError: openat\(\/nope\): ENOENT: No such file or directory\n/);
    assert.match(text, /\n {4}at program \(.*\/failing\.mjs:7:\d+\)\n/);
    assert.notMatch(text, /_SyscallError|_Path/);
  });
});
