import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import {
  type Ended,
  execute,
  it,
  mock,
  quietly,
  seen,
  start,
  tempDirectory,
} from "@rsyscall/harness";
import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Data, Deferred, Effect, Fiber, Latch, Logger, Stream } from "effect";
import { assert, describe } from "vitest";

/** A server that accepts no calls yet. */
const listen = (options?: StubServerOptions) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "mail", options);
    return { server, path: join(directory, "mail") };
  });
const listening = listen();

const times = <A>(count: number, make: (i: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => make(i));

const answer = (call: StubCall) =>
  Effect.gen(function* () {
    const { argv, thread } = call;
    const input = yield* thread.readTextToEof(thread.stdin);
    yield* thread.stdout.writeAllText(`${argv[1]} has ${input}`);
    return Number(argv[1]) % 200;
  });

describe("many stubs", () => {
  it("200 at once are all in their handlers together, and each gets its own answer", function* () {
    const COUNT = 200;
    const together = Latch.makeUnsafe();
    const pids = new Set<number>();
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        pids.add(call.pid);
        if (pids.size === COUNT) yield* together.open;
        yield* together.await;
        return yield* answer(call);
      }),
    );
    const running: Array<Fiber.Fiber<Ended>> = [];
    for (let i = 0; i < COUNT; i++) {
      running.push(yield* Effect.forkChild(execute(path, [String(i)], { input: `input ${i}` })));
      // 200 spawns in one turn of the loop take 0.5 s, on a busy machine 7 s: a stub says after 5 s that it waits.
      yield* Effect.promise(() => setImmediate());
    }
    assert.deepEqual(
      (yield* Effect.all(running.map(Fiber.join))).map(seen),
      times(COUNT, (i) => ({ status: i % 200, stdout: `${i} has input ${i}`, stderr: "" })),
    );
    assert.equal(pids.size, COUNT);
  });

  it("leave nothing behind while the server goes on", function* () {
    const { path } = yield* mock(answer);
    const open = () => readdirSync("/proc/self/fd").length;
    const round = Effect.all(
      times(20, (i) => execute(path, [String(i)])),
      { concurrency: "unbounded" },
    );
    // Descriptors that Node opens for its first child stay.
    yield* execute("/bin/true");
    const before = open();
    for (let i = 0; i < 3; i++) yield* round;
    // The last ones may be on their way out, but they do go.
    const settled = Effect.gen(function* () {
      while (open() > before) yield* Effect.yieldNow;
    });
    yield* settled.pipe(Effect.timeout("10 seconds"));
  });

  it("go on one after the other, 100 times", function* () {
    const { path } = yield* mock(answer);
    for (let i = 0; i < 100; i++) {
      const ended = yield* execute(path, [String(i)], { input: `input ${i}` });
      assert.deepEqual(seen(ended), { status: i, stdout: `${i} has input ${i}`, stderr: "" });
    }
  });
});

describe("handlers", () => {
  it("a slow one holds up no other", function* () {
    const arrived = yield* Deferred.make<void>();
    const goOn = Latch.makeUnsafe();
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        if (call.argv[1] === "slow") {
          yield* Deferred.succeed(arrived, undefined);
          yield* goOn.await;
          return 9;
        }
        return yield* answer(call);
      }),
    );
    const slow = yield* Effect.forkChild(execute(path, ["slow"]));
    yield* Deferred.await(arrived);
    for (let i = 0; i < 10; i++) assert.equal((yield* execute(path, [String(i)])).status, i);
    // It is still running, and ends when it is told to.
    assert.isUndefined(slow.pollUnsafe());
    yield* goOn.open;
    assert.equal((yield* Fiber.join(slow)).status, 9);
  });

  it("one that waits for its caller's input holds up no other", function* () {
    const arrived = yield* Deferred.make<void>();
    const { path } = yield* mock((call) =>
      Effect.andThen(
        call.argv[1] === "99" ? Deferred.succeed(arrived, undefined) : Effect.void,
        answer(call),
      ),
    );
    const slow = yield* start(path, ["99"]);
    yield* Deferred.await(arrived);
    for (let i = 0; i < 10; i++) assert.equal((yield* execute(path, [String(i)])).status, i);
    slow.stdin?.end("late");
    assert.deepEqual(seen(yield* slow.ended), { status: 99, stdout: "99 has late", stderr: "" });
  });

  class Trouble extends Data.TaggedError("Trouble") {}

  it("one that fails, dies or gives up ends its own call only", function* () {
    const together = Latch.makeUnsafe();
    let arrived = 0;
    const { path } = yield* quietly(
      mock((call) =>
        Effect.gen(function* () {
          if (++arrived === 6) yield* together.open;
          yield* together.await;
          switch (call.argv[1]) {
            case "fail":
              return yield* new Trouble();
            case "die":
              return yield* Effect.die(new Error("oops"));
            case "throw":
              throw new Error("oops");
            case "interrupt":
              return yield* Effect.interrupt;
            case "status":
              return 256;
            default:
              return yield* answer(call);
          }
        }),
      ),
    );
    const args = ["fail", "die", "throw", "interrupt", "status", "3"];
    const ended = yield* Effect.all(
      args.map((arg) => execute(path, [arg])),
      { concurrency: "unbounded" },
    );
    assert.deepEqual(
      ended.map(({ status }) => status),
      [70, 70, 70, 69, 70, 3],
    );
    assert.match(ended[3]?.stderr.toString() ?? "", /^mail: rsyscall: the controller/);
    assert.equal((yield* execute(path, ["4"])).status, 4);
  });

  it("one whose process ends itself ends its own call only, and nothing is logged", function* () {
    const logged: Array<unknown> = [];
    const logger = Logger.make(({ message }) => void logged.push(message));
    const finished = Latch.makeUnsafe();
    let count = 0;
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        if (call.argv[1] === "raise") yield* call.thread.raise(15);
        if (call.argv[1] === "exit") yield* call.thread.exit(33);
        // The handler goes on; the process does not.
        return 0;
      }).pipe(
        // Logging, if there is any, comes before the scope of the call is closed.
        Effect.andThen((status) =>
          Effect.as(
            Effect.addFinalizer(() => (++count === 3 ? finished.open : Effect.void)),
            status,
          ),
        ),
      ),
    ).pipe(Effect.provide(Logger.layer([logger])));
    const ended = yield* Effect.all([execute(path, ["raise"]), execute(path, ["exit"])], {
      concurrency: "unbounded",
    });
    assert.deepEqual(
      ended.map(({ status, signal }) => signal ?? status),
      ["SIGTERM", 33],
    );
    assert.equal((yield* execute(path)).status, 0);
    yield* finished.await;
    assert.deepEqual(logged, []);
  });

  it("nothing or 0 to 255 is the status", function* () {
    const { path } = yield* mock(({ argv }) =>
      Effect.succeed(argv[1] === undefined ? undefined : Number(argv[1])),
    );
    for (const status of [undefined, 0, 1, 127, 128, 255]) {
      const ended = yield* execute(path, status === undefined ? [] : [String(status)]);
      assert.equal(ended.status, status ?? 0);
    }
  });
});

describe("the end of a server", () => {
  it("ends the calls that it has, those that wait and those to come", function* () {
    const directory = yield* tempDirectory;
    const path = join(directory, "mail");
    const arrived = yield* Deferred.make<void>();
    const running = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* mock(() => Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never), {
          directory,
        });
        const fiber = yield* Effect.forkDetach(execute(path));
        yield* Deferred.await(arrived);
        return fiber;
      }),
    );
    const ended = yield* Fiber.join(running);
    assert.equal(ended.status, 69);
    assert.match(ended.stderr.toString(), /^mail: rsyscall: the controller/);
    assert.deepEqual(readdirSync(directory), []);
  });

  it("ends a call that was not accepted yet", function* () {
    const waiting = yield* Effect.scoped(
      Effect.gen(function* () {
        const { path, server } = yield* listening;
        const first = yield* Effect.forkDetach(execute(path, ["1"]));
        const second = yield* Effect.forkDetach(execute(path, ["2"]));
        // One has come, so the other is on its way or waits.
        yield* Effect.scoped(Effect.flatMap(server.accept(), (call) => call.thread.exit(5)));
        return [first, second] as const;
      }),
    );
    const ended = yield* Effect.forEach(waiting, Fiber.join);
    assert.sameMembers(
      ended.map(({ status }) => status),
      [5, 69],
    );
  });
});

describe("accept", () => {
  it("twice concurrently gives two calls, and each answers its own caller", function* () {
    const { server, path } = yield* listening;
    const handle = Effect.scoped(
      Effect.gen(function* () {
        const call = yield* server.accept();
        yield* call.thread.exit(yield* answer(call));
        return call.argv[1];
      }),
    );
    const accepting = yield* Effect.forkChild(
      Effect.all([handle, handle], { concurrency: "unbounded" }),
    );
    const ended = yield* Effect.all([execute(path, ["1"]), execute(path, ["2"])], {
      concurrency: "unbounded",
    });
    assert.deepEqual(
      ended.map(({ status }) => status),
      [1, 2],
    );
    assert.sameMembers(yield* Fiber.join(accepting), ["1", "2"]);
  });

  it("twice in one scope gives two threads that live side by side", function* () {
    const { server, path } = yield* listening;
    const callers = yield* Effect.forkChild(
      Effect.all([execute(path, ["1"]), execute(path, ["2"])], { concurrency: "unbounded" }),
    );
    const calls = [yield* server.accept(), yield* server.accept()];
    for (const { argv, thread } of calls)
      yield* thread.stdout.writeAllText(`for ${argv[1]} in ${argv.length}`);
    // The other way round: neither waits for the other.
    for (const { argv, thread } of calls.toReversed()) yield* thread.exit(Number(argv[1]));
    assert.deepEqual((yield* Fiber.join(callers)).map(seen), [
      { status: 1, stdout: "for 1 in 2", stderr: "" },
      { status: 2, stdout: "for 2 in 2", stderr: "" },
    ]);
  });

  it("that is interrupted loses no call", function* () {
    const { server, path } = yield* listening;
    for (let i = 0; i < 5; i++) {
      const waiting = yield* Effect.forkChild(Effect.scoped(server.accept()));
      yield* Effect.yieldNow;
      yield* Fiber.interrupt(waiting);
    }
    const caller = yield* Effect.forkChild(execute(path, ["8"]));
    yield* Effect.scoped(
      Effect.flatMap(server.accept(), (call) => call.thread.exit(Number(call.argv[1]))),
    );
    assert.equal((yield* Fiber.join(caller)).status, 8);
  });

  it("a call that is let go ends with 69", function* () {
    const { server, path } = yield* listening;
    const caller = yield* Effect.forkChild(execute(path));
    yield* Effect.scoped(Effect.asVoid(server.accept()));
    const ended = yield* Fiber.join(caller);
    assert.equal(ended.status, 69);
    assert.match(ended.stderr.toString(), /^mail: rsyscall: the controller/);
  });

  it("passes over a caller that has died while it waited", function* () {
    const connected = Latch.makeUnsafe();
    let count = 0;
    const allow = () => {
      if (++count === 2) connected.openUnsafe();
      return true;
    };
    const { server, path } = yield* listen({ allow });
    const dead = yield* start(path, ["dead"]);
    const behind = yield* start(path, ["behind"]);
    yield* connected.await;
    yield* dead.kill("SIGKILL");
    yield* dead.ended;
    // The next one is served, however much of its hello the dead one had sent.
    const status = yield* Effect.scoped(
      Effect.gen(function* () {
        for (;;) {
          const call = yield* server.accept();
          const done = yield* Effect.exit(call.thread.exit(4));
          if (call.argv[1] === "behind") return done._tag;
        }
      }),
    );
    assert.equal(status, "Success");
    assert.equal((yield* behind.ended).status, 4);
  });
});

describe("calls", () => {
  it("are a stream", function* () {
    const { server, path } = yield* listening;
    const handling = yield* Effect.forkChild(
      server.calls.pipe(
        Stream.take(3),
        Stream.mapEffect((call) =>
          Effect.flatMap(answer(call), (status) =>
            Effect.as(call.thread.exit(status), call.argv[1]),
          ),
        ),
        Stream.runCollect,
      ),
    );
    for (const i of [1, 2, 3]) {
      const ended = yield* execute(path, [String(i)], { input: "x" });
      assert.deepEqual(seen(ended), { status: i, stdout: `${i} has x`, stderr: "" });
    }
    assert.deepEqual([...(yield* Fiber.join(handling))], ["1", "2", "3"]);
  });

  it("in a stream can be handled side by side", function* () {
    const { server, path } = yield* listening;
    const together = Latch.makeUnsafe();
    let arrived = 0;
    yield* Effect.forkScoped(
      server.calls.pipe(
        Stream.mapEffect(
          (call) =>
            Effect.gen(function* () {
              if (++arrived === 3) yield* together.open;
              yield* together.await;
              yield* call.thread.exit(yield* answer(call));
            }),
          { concurrency: "unbounded" },
        ),
        Stream.runDrain,
      ),
    );
    const ended = yield* Effect.all(
      times(3, (i) => execute(path, [String(i)])),
      { concurrency: "unbounded" },
    );
    assert.deepEqual(
      ended.map(({ status }) => status),
      [0, 1, 2],
    );
  });

  it("of a stream that ends are let go", function* () {
    const { server, path } = yield* listening;
    const caller = yield* Effect.forkChild(execute(path));
    yield* server.calls.pipe(Stream.take(1), Stream.runDrain);
    assert.equal((yield* Fiber.join(caller)).status, 69);
  });
});
