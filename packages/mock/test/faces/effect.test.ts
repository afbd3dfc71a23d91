import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { Cause, Context, Effect, Exit, Stream } from "effect";
import { assert, describe, it } from "vitest";
import { type EffectMock, Mock, MockError } from "../../src/effect.ts";

class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

/** Runs a program, and gives what it has written to stdout. */
const run = (m: EffectMock, program: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() => promisify(execFile)(program, args, { env: m.env })).pipe(
    Effect.map(({ stdout }) => stdout),
  );

const runs = <A, E>(effect: Effect.Effect<A, E, Mock>) =>
  Effect.runPromise(Effect.exit(effect.pipe(Effect.provide(Mock.layer()))));

describe("@rsyscall/mock/effect", () => {
  it("makes rules by yield*, each with all that is said", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        const once = m.git("push").once();
        yield* once.reply("first\n");
        yield* once.reply("second\n");
        yield* m("my-tool").reply(0).thenReply("then");
        yield* m.git.otherwise("other");
        assert.equal(yield* run(m, "git", "push"), "first\n");
        assert.equal(yield* run(m, "git", "push"), "second\n");
        assert.equal(yield* run(m, "git", "pull"), "other");
        assert.deepEqual(
          m.git.calls.map(({ argv }) => argv[1]),
          ["push", "push", "pull"],
        );
        return m.directory;
      }),
    );
    assert(Exit.isSuccess(exit), String(exit));
    assert.isFalse(existsSync(exit.value));
  });

  it("has handlers that are Effects, with the services of the program", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        yield* m.cat.reply((call) =>
          Effect.gen(function* () {
            const greeting = yield* Greeting;
            yield* call.stdout.write(`${greeting} `);
            yield* call.thread.stdout.writeAllText(`${call.pid === call.thread.task.pid} `);
            return yield* Stream.mkString(call.stdin.lines());
          }),
        );
        return yield* run(m, "sh", "-c", "printf 'a\\nb\\n' | cat");
      }).pipe(Effect.provideService(Greeting, "hello")),
    );
    assert.deepEqual(exit, Exit.succeed("hello true ab"));
  });

  it("fails with what a handler fails with", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        yield* m.git.reply(() => Effect.fail(new Error("that is wrong")));
        yield* Effect.exit(run(m, "git"));
        return yield* Effect.flip(m.verify());
      }),
    );
    assert(Exit.isSuccess(exit), String(exit));
    assert.match(exit.value.message, /^git: its handler has failed: that is wrong/);
    assert.instanceOf(exit.value.cause, Error);
  });

  it("is verified with its scope: what is wrong is a defect, beside the failure of the program", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        yield* m.git("push").once();
        return yield* Effect.fail("its own");
      }),
    );
    assert(Exit.isFailure(exit), String(exit));
    const text = Cause.pretty(exit.cause);
    assert.include(text, "its own");
    assert.include(text, "MockError: git push was not called, and must be called once");
  });

  it("has wrong arguments and missing calls in the error channel", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        const status = yield* Effect.flip(Effect.asVoid(m.git.reply(256)));
        const missing = yield* Effect.flip(m.git.next({ timeout: 10 }));
        const tag = yield* m.git
          .next({ timeout: 10 })
          .pipe(Effect.catchTag("MockError", ({ _tag }) => Effect.succeed(_tag)));
        return [status, missing, tag];
      }),
    );
    assert(Exit.isSuccess(exit), String(exit));
    const [status, missing, tag] = exit.value;
    assert.instanceOf(status, MockError);
    assert.match(String(status), /the status is 256/);
    assert.match(String(missing), /git was not called within 10 ms/);
    assert.equal(tag, "MockError");
  });

  it("can be interrupted while it waits for a call", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        return yield* m.git.next().pipe(Effect.timeoutOption(10));
      }),
    );
    assert(Exit.isSuccess(exit), String(exit));
  });

  it("answers fixed replies while this thread is blocked", async () => {
    const exit = await runs(
      Effect.gen(function* () {
        const m = yield* Mock;
        yield* m.inOrder(yield* m.git("a").reply("a"), yield* m.git("b").reply("b"));
        return spawnSync("sh", ["-c", "git a; git b"], { env: m.env, encoding: "utf8" }).stdout;
      }),
    );
    assert.deepEqual(exit, Exit.succeed("ab"));
  });
});
