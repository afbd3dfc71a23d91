import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { eventually, execute, it, start, tempDirectory } from "@rsyscall/harness";
import { type HandedOver, type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Deferred, Effect, Fiber, Queue, type Scope } from "effect";
import { assert, describe } from "vitest";

const program = fileURLToPath(new URL("../fixtures/handOver.mjs", import.meta.url));

const openFds = () => readdirSync("/proc/self/fd").length;

/** A worker that handles what is posted to it, and the messages that it posts. */
const worker = (workerData: { readonly deadline?: string } = {}) =>
  Effect.gen(function* () {
    const messages = yield* Queue.unbounded<string>();
    const it = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = new Worker(program, { workerData, execArgv: [] });
        started.on("message", (message) => Queue.offerUnsafe(messages, message));
        return started;
      }),
      (started) => Effect.promise(() => started.terminate()),
    );
    assert.equal(yield* Queue.take(messages), "ready");
    return { post: (handed: HandedOver) => it.postMessage(handed), messages, it };
  });

const serving = (handler: (call: StubCall) => Effect.Effect<number | void, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "sort", { callLimit: 1 });
    const fiber = yield* Effect.forkScoped(server.serve(handler));
    return { path: `${directory}/sort`, directory, fiber };
  });

describe("a call that is handed over", () => {
  it("is handled in another thread in every way, and leaves nothing here", function* () {
    const { post, messages } = yield* worker();
    const { path, directory } = yield* serving((call) => Effect.map(call.handOver(), post));
    const run = (...args: ReadonlyArray<string>) =>
      execute(path, args, { env: { A: "a", PATH: `${directory}:/usr/bin:/bin` }, input: "1\n2\n" });
    yield* run("reply");
    yield* Queue.take(messages);
    const before = openFds();
    for (let round = 0; round < 3; round++) {
      const threaded = yield* run("thread", "arg");
      assert.deepEqual([threaded.status, threaded.stdout.toString()], [6, "arg a\n"]);
      const replied = yield* run("reply");
      assert.deepEqual([replied.status, replied.stdout.toString()], [7, "from the worker\n"]);
      assert.equal((yield* run("fail")).status, 70);
      for (const _ of [1, 2, 3]) assert.equal(yield* Queue.take(messages), "handled");
    }
    const real = yield* execute("sort", ["real"], {
      env: { PATH: `${directory}:/usr/bin:/bin` },
      cwd: directory,
    });
    // The real sort has no file of that name.
    assert.match(real.stderr.toString(), /sort: .*real/);
    // This thread closes its own when it hears that the other has taken the call.
    yield* eventually(() => openFds() <= before);
  });

  it("has its deadline there", function* () {
    const { post } = yield* worker({ deadline: "50 millis" });
    const { path } = yield* serving((call) => Effect.map(call.handOver(), post));
    const { status, stderr } = yield* execute(path, ["never"]);
    assert.equal(status, 75);
    assert.match(stderr.toString(), /gave no status within/);
  });

  it("may take longer there than a stub waits for a server", function* () {
    const { post } = yield* worker({ deadline: "1300 millis" });
    const { path } = yield* serving((call) => Effect.map(call.handOver(), post));
    const env = { RSYSCALL_UNIX_STUB_TIMEOUT: "1" };
    const { status, stderr } = yield* execute(path, ["never"], { env });
    assert.equal(status, 75);
    assert.notMatch(stderr.toString(), /waiting for the server/);
  });

  it("can be taken once, and taken back", function* () {
    const errors: Array<string> = [];
    const { path } = yield* serving((call) =>
      Effect.gen(function* () {
        const handed = structuredClone(yield* call.handOver());
        const thread = yield* LocalThread;
        const again = yield* StubServer.handle(thread, handed, () => Effect.succeed(5)).pipe(
          Effect.forkDetach({ startImmediately: true }),
        );
        yield* Fiber.join(again);
        const error = yield* Effect.flip(
          Effect.scoped(StubServer.handle(thread, handed, () => Effect.succeed(6))),
        );
        errors.push(error._tag);
      }).pipe(Effect.provide(LocalThread.layer)),
    );
    assert.equal((yield* execute(path)).status, 5);
    // The place was given back.
    assert.equal((yield* execute(path)).status, 5);
    assert.deepEqual(errors, ["InvalidStateError", "InvalidStateError"]);
  });

  it("is hung up if the server ends before it is taken, and cannot be taken then", function* () {
    const offered = yield* Deferred.make<HandedOver>();
    const before = openFds();
    const { path, fiber } = yield* serving((call) =>
      Effect.asVoid(Effect.flatMap(call.handOver(), (handed) => Deferred.succeed(offered, handed))),
    );
    const caller = yield* start(path);
    const handed = yield* Deferred.await(offered);
    yield* Fiber.interrupt(fiber);
    const { status, stderr } = yield* caller.ended;
    assert.equal(status, 69);
    assert.match(stderr.toString(), /^sort: rsyscall: the controller disconnected/);
    const error = yield* Effect.flip(
      Effect.scoped(StubServer.handle(yield* LocalThread, handed, () => Effect.succeed(6))),
    );
    assert.equal(error._tag, "InvalidStateError");
    yield* eventually(() => openFds() <= before + 1);
  });

  it("ends with the thread that has taken it", function* () {
    const { post, it } = yield* worker();
    const taken = yield* Deferred.make<void>();
    const { path } = yield* serving((call) =>
      Effect.gen(function* () {
        const handed = yield* call.handOver();
        post(handed);
        // The place is free once it is taken.
        yield* Effect.sync(() => {
          const word = new Int32Array(handed.claim);
          while (Atomics.load(word, 0) !== 2) Atomics.wait(word, 0, Atomics.load(word, 0), 10);
        });
        yield* Deferred.succeed(taken, undefined);
      }),
    );
    const caller = yield* start(path, ["never"]);
    yield* Deferred.await(taken);
    yield* Effect.promise(() => it.terminate());
    assert.equal((yield* caller.ended).status, 69);
  });

  it("has no Thread and no answer: otherwise it is not handed over", function* () {
    const { path } = yield* serving((call) =>
      Effect.gen(function* () {
        void call.thread;
        assert.equal((yield* Effect.flip(call.handOver()))._tag, "InvalidStateError");
        return 4;
      }),
    );
    assert.equal((yield* execute(path)).status, 4);
  });
});
