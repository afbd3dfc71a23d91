import { execute, it, start, tempDirectory } from "@rsyscall/harness";
import { type HandlerError, type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Cause, Deferred, Effect, Exit, Fiber, Logger } from "effect";
import { assert, describe, vi } from "vitest";

/** A server, and the path of its program. */
const listening = Effect.gen(function* () {
  const directory = yield* tempDirectory;
  const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
  return { server, path: `${directory}/stub` };
});

/** Messages that are logged above Debug. */
const logs = () => {
  const lines: Array<string> = [];
  const logger = Logger.make(
    ({ logLevel, message }) => void (logLevel !== "Debug" && lines.push(String(message))),
  );
  return { lines, layer: Logger.layer([logger]) };
};

describe("serve", () => {
  it("gives the caller the handler's status, and reads what the caller wrote", function* () {
    const { server, path } = yield* listening;
    const calls: Array<unknown> = [];
    yield* Effect.forkScoped(
      server.serve((call) =>
        Effect.gen(function* () {
          calls.push(call.argv, yield* call.thread.readTextToEof(call.thread.stdin));
          return 7;
        }),
      ),
    );
    const ended = yield* execute(path, ["-t", "a b"], { input: "hello\n" });
    assert.equal(ended.status, 7);
    assert.deepEqual(calls, [[path, "-t", "a b"], "hello\n"]);
  });

  it("takes an async function; its rejection is a failure", function* () {
    const { server, path } = yield* listening;
    const { lines, layer } = logs();
    yield* Effect.forkScoped(
      Effect.provide(
        server.serve(async (call) => {
          await null;
          if (call.argv[1] === "reject") throw new Error("as expected");
          return 9;
        }),
        layer,
      ),
    );
    assert.equal((yield* execute(path)).status, 9);
    assert.equal((yield* execute(path, ["reject"])).status, 70);
    assert.match(lines[0] ?? "", /^The handler of stub \(pid \d+\) failed: Error: as expected\n/);
  });

  it("says what is wrong with a status, and with a result that is no Effect", function* () {
    const { server, path } = yield* listening;
    const { lines, layer } = logs();
    const answers: ReadonlyArray<[unknown, RegExp]> = [
      [
        Effect.succeed(256),
        /gave the status 256, and an exit status is a whole number from 0 to 2/,
      ],
      [Effect.succeed(-1), /gave the status -1/],
      [Effect.succeed(1.5), /gave the status 1.5/],
      [Effect.succeed(Number.NaN), /gave the status NaN/],
      [Effect.succeed("7"), /gave the status "7"/],
      [Effect.succeed(null), /gave the status null/],
      [Promise.resolve(300), /gave the status 300/],
      [7, /returned 7, which is neither an Effect nor a Promise/],
      [undefined, /returned undefined, which is neither/],
    ];
    let at = 0;
    yield* Effect.forkScoped(
      Effect.provide(
        server.serve(() => answers[at]?.[0] as Effect.Effect<number>),
        layer,
      ),
    );
    for (; at < answers.length; at++) {
      assert.equal((yield* execute(path)).status, 70);
      assert.match(lines[at] ?? "", answers[at]?.[1] as RegExp);
    }
  });

  it("logs on stderr, by Effect's own logger, and shows no escapes of a caller's", function* () {
    const { server, path } = yield* listening;
    const written = { log: "", error: "" };
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        (["log", "error"] as const).map((name) =>
          vi.spyOn(console, name).mockImplementation((...texts) => {
            written[name] += texts.join(" ");
          }),
        ),
      ),
      (spies) =>
        Effect.sync(() => {
          for (const spy of spies) spy.mockRestore();
        }),
    );
    yield* Effect.forkScoped(
      server.serve(({ argv }) => Effect.fail(new Error(`cannot do ${argv[1]}`))),
    );
    const { status } = yield* execute(path, ["\u001b[2J\u202e"], { argv0: "/x/na\nme\u001b" });
    assert.equal(status, 70);
    assert.equal(written.log, "");
    assert.match(written.error, /The handler of na\\nme\\x1b \(pid/);
    assert.include(written.error, "cannot do \\x1b[2J\\u202e");
    assert.notInclude(written.error, "\u202e");
  });

  it("hands the failure of a handler to its caller, which has asked for it", function* () {
    const { server, path } = yield* listening;
    const serving = yield* Effect.forkChild(
      server.serve(
        (call) =>
          call.argv[1] === "well" ? Effect.succeed(3) : Effect.fail(new Error("as expected")),
        { onFailure: Effect.failCause },
      ),
    );
    assert.equal((yield* execute(path, ["well"])).status, 3);
    assert.equal((yield* execute(path)).status, 70);
    const exit = yield* Fiber.await(serving);
    assert.isTrue(Exit.isFailure(exit) && /as expected/.test(Cause.pretty(exit.cause)));
  });

  it("goes on when onFailure succeeds", function* () {
    const { server, path } = yield* listening;
    const failures: Array<[string, number]> = [];
    yield* Effect.forkScoped(
      server.serve(() => Effect.succeed(300), {
        onFailure: (cause, call) =>
          Effect.sync(() => {
            failures.push([(Cause.squash(cause) as HandlerError).reason, call.pid]);
          }),
      }),
    );
    for (let i = 0; i < 2; i++) assert.equal((yield* execute(path)).status, 70);
    assert.deepEqual(
      failures.map(([reason]) => reason),
      ["StatusInvalid", "StatusInvalid"],
    );
  });
});

describe("a deadline", () => {
  const late = (handler: (call: StubCall) => Effect.Effect<number, unknown>) =>
    Effect.gen(function* () {
      const { server, path } = yield* listening;
      const { lines, layer } = logs();
      yield* Effect.forkScoped(
        Effect.provide(server.serve(handler, { deadline: "200 millis" }), layer),
      );
      return { path, lines };
    });

  it("gives the caller of a handler that never answers 75, and says why", function* () {
    let interrupted = false;
    const { path, lines } = yield* late((call) =>
      call.argv[1] === "well"
        ? Effect.succeed(3)
        : Effect.onInterrupt(Effect.never, () =>
            Effect.sync(() => {
              interrupted = true;
            }),
          ),
    );
    assert.equal((yield* execute(path, ["well"])).status, 3);
    const { status, stderr } = yield* execute(path);
    assert.equal(status, 75);
    assert.equal(stderr.toString(), "stub: rsyscall: the handler gave no status within 200ms\n");
    assert.isTrue(interrupted);
    assert.match(lines[0] ?? "", /HandlerError: the handler gave no status within 200ms/);
  });

  it("ends a handler whose process does not answer, too", function* () {
    const { path } = yield* late((call) => {
      process.kill(call.pid, "SIGSTOP");
      return Effect.as(call.thread.stdout.writeAllText("x"), 3);
    });
    const caller = yield* start(path);
    const cont = setInterval(() => process.kill(caller.pid, "SIGCONT"), 1500);
    const { status } = yield* Effect.ensuring(
      caller.ended,
      Effect.sync(() => clearInterval(cont)),
    );
    assert.equal(status, 69);
  });
});

describe("a caller that is killed", () => {
  for (const signal of ["SIGINT", "SIGKILL"] as const)
    it(`by ${signal}, while its handler waits for it, is no error`, function* () {
      const { server, path } = yield* listening;
      const { lines, layer } = logs();
      const reading = yield* Deferred.make<void>();
      const done = yield* Deferred.make<void>();
      yield* Effect.forkScoped(
        Effect.provide(
          server.serve((call) =>
            Effect.gen(function* () {
              yield* Effect.addFinalizer(() => Deferred.succeed(done, undefined));
              yield* Deferred.succeed(reading, undefined);
              yield* call.thread.readToEof(call.thread.stdin);
            }),
          ),
          layer,
        ),
      );
      const caller = yield* start(path);
      yield* Deferred.await(reading);
      yield* caller.kill(signal);
      assert.equal((yield* caller.ended).signal, signal);
      yield* Deferred.await(done);
      assert.deepEqual(lines, []);
    });

  it("by SIGPIPE, because its output has no reader, is no error", function* () {
    const { server, path } = yield* listening;
    const failures: Array<unknown> = [];
    const done = yield* Deferred.make<void>();
    yield* Effect.forkScoped(
      server.serve(
        (call) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Deferred.succeed(done, undefined));
            for (;;) yield* call.thread.stdout.writeAllText("x".repeat(10000));
          }),
        { onFailure: (cause) => Effect.sync(() => void failures.push(cause)) },
      ),
    );
    const { status } = yield* execute("/bin/sh", ["-c", `"${path}" | true`]);
    assert.equal(status, 0);
    yield* Deferred.await(done);
    assert.deepEqual(failures, []);
  });
});
