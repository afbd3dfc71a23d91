import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { F, F_SEAL, MFD, RLIMIT } from "@rsyscall/abi";
import { Memfd, prlimit } from "@rsyscall/handle";
import {
  type Ended,
  execute,
  it,
  quietly,
  type Running,
  start,
  tempDirectory,
} from "@rsyscall/harness";
import {
  client,
  HELLO_SIZE,
  hello,
  openFds,
  passing,
  refusal,
  serve,
  stillServes,
} from "@rsyscall/harness/stubClient";
import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, Logger, type Scope } from "effect";
import { assert, describe } from "vitest";

const fixture = fileURLToPath(new URL("../fixtures/watched.mjs", import.meta.url));

/** The report of a controller since the last one. */
interface Report {
  readonly lag: number;
  /** Bytes that are held. */
  readonly memory: number;
  readonly fds: number;
  readonly spare: number;
}

/** A watched controller in a process of its own: a test in the same process would be blocked with it. */
const controller = (way: string, options = {}, descriptors?: number) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const args = ["--expose-gc", fixture, directory, way, JSON.stringify(options)];
    const running =
      descriptors === undefined
        ? yield* start(process.execPath, args)
        : yield* start("/bin/sh", [
            "-c",
            'ulimit -n "$0" && exec "$@"',
            ...[String(descriptors), process.execPath, ...args],
          ]);
    yield* running.line((line) => line === "ready");
    const report = Effect.callback<Report>((resume) => {
      running.stdout?.once("data", (line) => resume(Effect.succeed(JSON.parse(String(line)))));
      running.stdin?.write("\n");
    });
    return { running, report, path: `${directory}/stub`, socket: `${directory}/stub.sock` };
  });

/** Connections that send some bytes, and then nothing until the scope closes. */
const silent = (socket: string, count: number, bytes: Uint8Array = new Uint8Array(0)) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      Promise.all(
        Array.from(
          { length: count },
          () =>
            new Promise<ReturnType<typeof connect>>((resolve) => {
              const connection = connect(socket);
              connection.on("error", () => {});
              connection.write(bytes, () => resolve(connection));
            }),
        ),
      ),
    ),
    (connections) =>
      Effect.sync(() => {
        for (const connection of connections) connection.destroy();
      }),
  );

/** Milliseconds until a caller is answered, which it must be. */
const callTime = (path: string) =>
  Effect.gen(function* () {
    const began = performance.now();
    const { status, stderr } = yield* execute(path);
    assert.equal(status, 3, stderr.toString());
    return performance.now() - began;
  });

/** A hello with this many empty arguments. */
const emptyArguments = (count: number) => {
  const bytes = new Uint8Array(HELLO_SIZE + count);
  const header = hello((view) => {
    view.setUint32(20, count, true);
    view.setUint32(24, 0, true);
    view.setBigUint64(32, BigInt(count), true);
    view.setBigUint64(40, 0n, true);
  });
  bytes.set(header.subarray(0, HELLO_SIZE));
  return bytes;
};

describe("a fault of one client", () => {
  const answer = (call: StubCall) => Effect.ignore(call.thread.exit(3));

  it("drops that client with a warning, and accept goes on", function* () {
    const local = yield* LocalThread;
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(local, directory, "stub");
    let count = 0;
    const connection = Object.create(local.connection, {
      accessTask: {
        get: () => {
          if (++count === 1) throw new RangeError("as\n\u001b[31mexpected");
          return local.connection.accessTask;
        },
      },
    });
    const warnings: Array<string> = [];
    const logger = Logger.make(
      ({ logLevel, message }) => void (logLevel === "Warn" && warnings.push(String(message))),
    );
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.scoped(Effect.flatMap(server.accept(local.with({ connection })), answer)),
      ).pipe(Effect.provide(Logger.layer([logger]))),
    );
    const dropped = yield* execute(`${directory}/stub`);
    assert.equal(dropped.status, 69);
    assert.include(
      dropped.stderr.toString(),
      "the server refused this call: as\\n\\x1b[31mexpected",
    );
    assert.equal((yield* execute(`${directory}/stub`)).status, 3);
    assert.deepEqual(warnings, ["A client was dropped: as\\n\\x1b[31mexpected"]);
  });

  for (const way of ["accept", "calls", "threads"])
    it(`does not end ${way}: no descriptor for a while, and a memfd of 2^60 bytes`, function* () {
      const { running, path, socket } = yield* controller(way);
      const { task } = yield* LocalThread;
      // Room for the client's connection, but not for its channels.
      const limits = yield* prlimit(task, running.pid, RLIMIT.NOFILE);
      const { length } = readdirSync(`/proc/${running.pid}/fd`);
      yield* prlimit(task, running.pid, RLIMIT.NOFILE, { ...limits, cur: length + 3 });
      const pressed: Ended = yield* execute(path);
      assert.equal(pressed.status, 69);
      assert.match(pressed.stderr.toString(), /EMFILE/);
      yield* prlimit(task, running.pid, RLIMIT.NOFILE, limits);
      yield* callTime(path);

      yield* Effect.scoped(
        Effect.gen(function* () {
          const memfd = yield* Memfd.make(task, "arena", MFD.ALLOW_SEALING);
          yield* memfd.truncate(2n ** 60n);
          yield* memfd.fcntl(F.ADD_SEALS, F_SEAL.SHRINK | F_SEAL.GROW);
          const arena = hello((view) => {
            view.setBigUint64(176, 0x7f0000000000n, true);
            view.setBigUint64(184, 2n ** 20n, true);
          });
          yield* passing(socket, arena, [memfd]);
        }),
      );
      yield* callTime(path);
      yield* running.kill("SIGTERM");
      assert.match((yield* running.ended).stderr.toString(), /WARN.*A client was dropped.*EMFILE/);
    });
});

describe("what clients say of themselves", () => {
  it("costs its bytes and no more, however many strings, and the loop turns", function* () {
    const COUNT = 20;
    const { report, socket } = yield* controller("none");
    const bytes = emptyArguments(900_000);
    const before = yield* report;
    // All is sent, so all is read but the bytes in the kernel's buffer.
    yield* silent(socket, COUNT, bytes);
    const after = yield* report;
    assert.isBelow(after.memory - before.memory, 1.5 * COUNT * bytes.length);
    assert.isBelow(after.lag, 150);
  });

  it("has one budget: clients beyond it wait, small ones do not", function* () {
    const size = 100_000;
    const { path, socket } = yield* serve({
      descriptionLimit: 9 * size,
      descriptionBudget: 9 * size,
      handshakeTimeout: "300 millis",
    });
    const before = openFds();
    // It announces the whole budget, and sends none of it.
    const announced = emptyArguments(size).subarray(0, HELLO_SIZE);
    const hoarders = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 10 }), () => client(socket, announced), {
        concurrency: "unbounded",
      }),
    );
    yield* callTime(path);
    for (const answer of yield* Fiber.join(hoarders))
      assert.match(refusal(answer), /no complete hello within 300ms/);
    // The budget is free again.
    const large = yield* execute(path, Array(2000).fill("x".repeat(100)));
    assert.equal(large.status, 3, large.stderr.toString());
    yield* stillServes(path, before);
  });

  it("is decoded when it is asked for", function* () {
    const calls: Array<StubCall> = [];
    const { socket } = yield* serve({}, (call) => {
      calls.push(call);
      return Effect.never;
    });
    yield* silent(socket, 1, emptyArguments(900_000));
    while (calls.length === 0) yield* Effect.sleep("1 millis");
    const call = calls[0] as StubCall;
    assert.equal(call.argv.length, 900_000);
    assert.isTrue(call.argv.every((argument) => argument === ""));
    assert.strictEqual(call.argv, call.argv);
    assert.equal(call.argvBytes.length, 900_000);
  });

  const lies: Record<string, [change: (view: DataView) => void, answer: RegExp]> = {
    "a path of 1 MiB": [(v) => v.setUint32(48, 2 ** 20, true), /a path of 1048576 bytes/],
    "2000 descriptors": [(v) => v.setUint32(28, 2000, true), /a list of 2000 descriptors/],
  };
  for (const [name, [change, answer]] of Object.entries(lies))
    it(`has bounds of its own: ${name}`, function* () {
      const { socket } = yield* serve();
      assert.match(refusal(yield* client(socket, hello(change))), answer);
    });
});

describe("clients that stall", () => {
  it("make room, the oldest first, and hold up no stub for long", function* () {
    const { path, socket } = yield* serve({ pendingLimit: 32, handshakeTimeout: "1 minute" });
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* silent(socket, 150);
        assert.isBelow(yield* callTime(path), 3000);
      }),
    );
    yield* stillServes(path, before);
  });

  it("leave the rest of the program its descriptors, also with a low limit", function* () {
    const { report, path, socket } = yield* controller("serve", {}, 200);
    const { fds } = yield* report;
    yield* silent(socket, 300);
    yield* callTime(path);
    const pressed = yield* report;
    assert.equal(pressed.spare, 20);
    assert.isBelow(pressed.fds, fds + 2 * 25 + 10);
  });

  it("that die after their hello give back their places", function* () {
    const { path, socket } = yield* serve({ pendingLimit: 4, callLimit: 1 }, (call) =>
      call.argv[1] === "first" ? Effect.as(Effect.sleep("500 millis"), 3) : Effect.succeed(3),
    );
    const first = yield* start(path, ["first"]);
    yield* Effect.scoped(silent(socket, 4, hello()));
    assert.isBelow(yield* callTime(path), 5000);
    assert.equal((yield* first.ended).status, 3);
  });
});

describe("clients that pass and then say nothing", () => {
  it("are hung up when others wait", function* () {
    const { path, socket } = yield* quietly(serve({ callLimit: 4 }));
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Effect.forEach(Array.from({ length: 4 }), () => passing(socket));
        assert.isBelow(yield* callTime(path), 3000);
      }),
    );
    yield* stillServes(path, before);
  });

  it("and calls that are served wait for nothing else: no more than the limit at once", function* () {
    let now = 0;
    let most = 0;
    const { path } = yield* serve({ callLimit: 3 }, () =>
      Effect.gen(function* () {
        most = Math.max(most, ++now);
        yield* Effect.sleep("20 millis");
        now--;
        return 3;
      }),
    );
    const ended = yield* Effect.all(
      Array.from({ length: 12 }, () => execute(path)),
      { concurrency: "unbounded" },
    );
    assert.isTrue(ended.every(({ status }) => status === 3));
    assert.equal(most, 3);
  });

  const stopped = <E>(
    options: Parameters<typeof serve>[0],
    handler: (call: StubCall, caller: () => Running) => Effect.Effect<number, E, Scope.Scope>,
  ) =>
    Effect.gen(function* () {
      let caller: Running;
      const { path } = yield* quietly(serve(options, (call) => handler(call, () => caller)));
      caller = yield* start(path);
      return caller;
    });

  it("hold a handler no longer than the stall limit: a process that is stopped", function* () {
    let took = 0;
    const caller = yield* stopped({ stallLimit: "300 millis" }, (call) =>
      Effect.gen(function* () {
        process.kill(call.pid, "SIGSTOP");
        const began = performance.now();
        yield* Effect.ignore(Effect.timeout(call.thread.stdout.writeAllText("x"), "100 millis"));
        took = performance.now() - began;
        return 5;
      }),
    );
    while (took === 0) yield* Effect.sleep("5 millis");
    assert.isAbove(took, 250);
    assert.isBelow(took, 2000);
    yield* caller.kill("SIGCONT");
    assert.equal((yield* caller.ended).status, 69);
  });

  it("are not those that wait for their input", function* () {
    const caller = yield* stopped({ stallLimit: "100 millis" }, (call) =>
      Effect.map(call.thread.readTextToEof(call.thread.stdin), (text) => text.length),
    );
    yield* Effect.sleep("500 millis");
    caller.stdin?.end("hello");
    assert.equal((yield* caller.ended).status, 5);
  });
});
