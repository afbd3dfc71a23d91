import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { SIG } from "@rsyscall/abi";
import { pipe } from "@rsyscall/handle";
import {
  execute,
  it,
  launchStub,
  missing,
  mock,
  python,
  seen,
  start,
  tempDirectory,
} from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import { SyscallHangup } from "@rsyscall/near";
import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, Logger, type Scope } from "effect";
import { assert, describe } from "vitest";

/** Serves a handler under the name "stub", and gives its path. */
const serving = <E>(handler: (call: StubCall) => Effect.Effect<number | void, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* Effect.forkScoped(server.serve(handler));
    return `${directory}/stub`;
  });

describe("the caller sees", () => {
  it("every exit status that is asked for", function* () {
    const path = yield* serving((call) => Effect.succeed(Number(call.argv[1])));
    const statuses = Array.from({ length: 256 }, (_, i) => i);
    const seen = yield* Effect.forEach(
      statuses,
      (status) => Effect.map(execute(path, [String(status)]), (ended) => ended.status),
      { concurrency: 8 },
    );
    assert.deepEqual(seen, statuses);
  });

  const names = Object.entries(constants.signals).filter(
    ([name]) =>
      // These do not end a process, or are aliases.
      !/SIG(CHLD|CONT|STOP|TSTP|TTIN|TTOU|URG|WINCH|IOT|POLL|UNUSED)$/.test(name),
  );

  it("every signal that is asked for", function* () {
    const path = yield* serving((call) => call.thread.raise(Number(call.argv[1])));
    const seen = yield* Effect.forEach(
      names,
      ([, number]) => Effect.map(execute(path, [String(number)]), (ended) => ended.signal),
      { concurrency: 8 },
    );
    assert.deepEqual(
      seen,
      names.map(([name]) => name as NodeJS.Signals),
    );
  });

  it.skipIf(missing("python3"))(
    "every signal, although it had all of them ignored and blocked; real-time signals too",
    function* () {
      const path = yield* serving((call) => call.thread.raise(Number(call.argv[1])));
      const numbers = [...new Set(names.map(([, number]) => number)), 34, 63, 64];
      const code = `
import resource, signal
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
everything = set(range(1, 65)) - {32, 33}
for number in everything - {signal.SIGKILL, signal.SIGSTOP}:
    # A parent that ignores SIGCHLD cannot learn how its child ended.
    if number != signal.SIGCHLD: signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, everything)
for number in sys.argv[2:]:
    pid = os.spawnv(os.P_NOWAIT, p, [p, number])
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
      const { stdout, stderr } = yield* python(code, [path, ...numbers.map(String)]);
      assert.equal(stderr.toString(), "");
      assert.deepEqual(
        stdout.toString().trim().split("\n").map(Number),
        numbers.map((number) => -number),
      );
    },
  );

  it("nothing of a signal that does not kill: the process lives", function* () {
    const path = yield* serving((call) =>
      Effect.gen(function* () {
        for (const signal of [SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH])
          yield* call.thread.raise(signal);
        return 9;
      }),
    );
    assert.equal((yield* execute(path)).status, 9);
  });

  it("70 when the handler fails, dies or gives no status, and the next call is served", function* () {
    const logged: Array<string> = [];
    const logger = Logger.make(({ message }) => void logged.push(String(message)));
    const outcomes: Record<string, Effect.Effect<number, Error>> = {
      fails: Effect.fail(new Error("as expected")),
      dies: Effect.die(new Error("as expected")),
      throws: Effect.sync(() => {
        throw new Error("as expected");
      }),
      "256": Effect.succeed(256),
      "-1": Effect.succeed(-1),
      "1.5": Effect.succeed(1.5),
      good: Effect.succeed(3),
    };
    const path = yield* serving((call) => outcomes[call.argv[1] ?? ""] ?? Effect.void).pipe(
      Effect.provide(Logger.layer([logger])),
    );
    for (const name of Object.keys(outcomes)) {
      const { status } = yield* execute(path, [name]);
      assert.equal(status, name === "good" ? 3 : 70, name);
    }
    assert.equal(logged.length, 6);
    assert.isTrue(logged.every((message) => message.includes("failed")));
  });

  it("69 when the scope of its call closes without a status", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    const caller = yield* start(`${directory}/stub`);
    yield* Effect.scoped(server.accept());
    const { status, stderr } = yield* caller.ended;
    assert.equal(status, 69);
    assert.match(
      stderr.toString(),
      /^stub: rsyscall: the controller disconnected without giving an exit status\n$/,
    );
  });

  it("69 and the path of the socket when no server listens", function* () {
    const directory = yield* tempDirectory;
    yield* Effect.scoped(StubServer.make(yield* LocalThread, directory, "gone"));
    const { stubPath } = yield* Effect.promise(() => import("@rsyscall/native"));
    const { status, stderr } = yield* execute(stubPath, [], {
      env: { RSYSCALL_UNIX_STUB_SOCK_PATH: `${directory}/gone.sock` },
    });
    assert.equal(status, 69);
    assert.include(stderr.toString(), `${directory}/gone.sock: no such file or directory`);
    const alone = yield* execute(stubPath, [], { env: {} });
    assert.equal(alone.status, 69);
    assert.include(alone.stderr.toString(), "RSYSCALL_UNIX_STUB_SOCK_PATH is not set");
  });

  it("an error, not a status, for what is no exit status", function* () {
    const { call, caller } = yield* launchStub;
    const error = yield* Effect.flip(call.thread.exit(256));
    assert.equal(error._tag, "InvalidArgumentError");
    yield* call.thread.exit(255);
    assert.equal((yield* caller.ended).status, 255);
  });
});

describe("when the stub is killed", () => {
  it("the handler's pending call fails with SyscallHangup, its scope closes, others go on", function* () {
    const seen: Array<unknown> = [];
    let closed = 0;
    const path = yield* serving((call) =>
      Effect.gen(function* () {
        yield* Effect.addFinalizer(() => Effect.sync(() => closed++));
        if (call.argv[1] === "well") return 5;
        const [reader] = yield* pipe(call.thread.task);
        process.nextTick(() => process.kill(call.pid, "SIGKILL"));
        seen.push(yield* Effect.flip(reader.readBytes(1)));
        return 0;
      }),
    );
    assert.equal((yield* execute(path)).signal, "SIGKILL");
    assert.equal((yield* execute(path, ["well"])).status, 5);
    assert.instanceOf(seen[0], SyscallHangup);
    assert.equal(closed, 2);
  });
});

describe("call.ended()", () => {
  it("tells a handler that waits for something else that its process is gone", function* () {
    let told = false;
    const path = yield* serving((call) =>
      Effect.gen(function* () {
        process.nextTick(() => process.kill(call.pid, "SIGKILL"));
        yield* Effect.raceFirst(Effect.never, call.ended());
        told = true;
      }),
    );
    assert.equal((yield* execute(path)).signal, "SIGKILL");
    while (!told) yield* Effect.yieldNow;
  });
});

describe("a server that is interrupted", () => {
  it("ends although a process of its is inside a call that blocks", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    const entered: Array<number> = [];
    const finalized: Array<string> = [];
    const serving = yield* Effect.forkChild(
      server.serve((call) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => Effect.sync(() => finalized.push(call.argv[1] ?? "")));
          const [reader] = yield* pipe(call.thread.task);
          entered.push(call.pid);
          if (call.argv[1] === "blocked") yield* reader.readBytes(1);
          yield* Effect.never;
        }),
      ),
    );
    const callers = [
      yield* start(`${directory}/stub`, ["blocked"]),
      yield* start(`${directory}/stub`, ["idle"]),
    ];
    while (entered.length < callers.length) yield* Effect.yieldNow;
    yield* Fiber.interrupt(serving);
    for (const caller of callers) assert.equal((yield* caller.ended).status, 69);
    assert.sameMembers(finalized, ["blocked", "idle"]);
  });
});

const fixture = fileURLToPath(new URL("../fixtures/controller.mjs", import.meta.url));

/** A controller in a process of its own, ready to be called. */
const controller = (directory: string, mode: "idle" | "blocked") =>
  Effect.gen(function* () {
    const running = yield* start(process.execPath, [fixture, directory, mode]);
    yield* running.line((line) => line === "ready");
    return running;
  });

describe("when the server does not answer", () => {
  /** Listens, and never accepts. */
  const deaf = (options: StubServerOptions = {}) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory;
      yield* StubServer.make(yield* LocalThread, directory, "stub", options);
      return `${directory}/stub`;
    });
  const waiting = (path: string) =>
    `stub: rsyscall: waiting for the server, whose event loop may be blocked, as by spawnSync or execFileSync in its own thread (then serve from a worker thread), at ${path}.sock\n`;
  const gaveUp = (path: string, seconds: number) =>
    `stub: rsyscall: the server did not answer within ${seconds} s (RSYSCALL_UNIX_STUB_TIMEOUT): ${path}.sock\n`;

  it("69, and the reason, after the time that a variable says", function* () {
    const path = yield* deaf();
    const env = { RSYSCALL_UNIX_STUB_TIMEOUT: "1" };
    const { status, stderr } = yield* execute(path, [], { env });
    assert.equal(status, 69);
    assert.equal(stderr.toString(), waiting(path) + gaveUp(path, 1));
  });

  it("the same after the time that the server says, although its thread is blocked", function* () {
    const path = yield* deaf({ stubTimeout: 1 });
    const { status, stderr } = spawnSync(path, { encoding: "utf8" });
    assert.equal(status, 69);
    assert.equal(stderr, waiting(path) + gaveUp(path, 1));
    assert.equal(readlinkSync(`${path}.sock.timeout`), "1");
  });

  it("the variable wins, and is not the handler's", function* () {
    const directory = yield* tempDirectory;
    const options = { stubTimeout: 1 };
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", options);
    const env = { RSYSCALL_UNIX_STUB_TIMEOUT: "0", OWN: "x" };
    const caller = yield* start(`${directory}/stub`, [], { env });
    yield* Effect.sleep("1200 millis");
    const call = yield* server.accept();
    assert.equal(call.thread.environ.get("RSYSCALL_UNIX_STUB_TIMEOUT"), undefined);
    assert.equal(call.thread.environ.get("OWN"), "x");
    yield* call.thread.exit(4);
    assert.equal((yield* caller.ended).status, 4);
  });

  it("its answer, however long the handler takes", function* () {
    const { path } = yield* mock(
      (call) =>
        Effect.gen(function* () {
          yield* Effect.sleep("1300 millis");
          // Answered through the Thread, by a reply and as a status.
          if (call.argv[1] === "thread") yield* call.thread.stdout.writeAllText("done");
          if (call.argv[1] !== "reply") return 3;
          return yield* call.reply({ stdout: "done" });
        }),
      { stubTimeout: 1 },
    );
    const ended = yield* Effect.forEach(
      ["thread", "reply", "status"],
      (answer) => execute(path, [answer]),
      { concurrency: "unbounded" },
    );
    assert.deepEqual(ended.map(seen), [
      { status: 3, stdout: "done", stderr: "" },
      { status: 0, stdout: "done", stderr: "" },
      { status: 3, stdout: "", stderr: "" },
    ]);
  });

  it.skipIf(missing("python3"))(
    "although the backlog has no room for its connection",
    function* () {
      const directory = yield* tempDirectory;
      const code = `
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind(p); s.listen(0)
first = socket.socket(socket.AF_UNIX); first.connect(p)
stub = os.fork()
if stub == 0: os.execve(sys.argv[2], ["stub"], {"RSYSCALL_UNIX_STUB_SOCK_PATH": p, "RSYSCALL_UNIX_STUB_TIMEOUT": "1"})
print(os.waitstatus_to_exitcode(os.waitpid(stub, 0)[1]))`;
      const path = `${directory}/s`;
      const { stdout, stderr } = yield* python(code, [`${path}.sock`, String(stubPath)]);
      assert.equal(stdout.toString(), "69\n");
      assert.equal(stderr.toString(), waiting(path) + gaveUp(path, 1));
    },
  );
});

describe("when the controller is killed", () => {
  for (const mode of ["idle", "blocked"] as const)
    for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const)
      it(`by ${signal}, its stubs that are ${mode} exit at once with 69 and one line`, function* () {
        const directory = yield* tempDirectory;
        const running = yield* controller(directory, mode);
        const callers = yield* Effect.replicateEffect(start(`${directory}/stub`), 5);
        for (const caller of callers) yield* running.line((line) => line === String(caller.pid));
        if (mode === "blocked")
          // The kernel says when a stub is inside read(2), whose number is 0.
          yield* Effect.promise(async () => {
            for (const { pid } of callers)
              while (!readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith("0 "))
                await new Promise((resolve) => setImmediate(resolve));
          });
        yield* running.kill(signal);
        for (const caller of callers) {
          const { status, stderr } = yield* caller.ended;
          assert.equal(status, 69);
          assert.match(
            stderr.toString(),
            /^stub: rsyscall: the controller disconnected without giving an exit status\n$/,
          );
        }
        assert.equal((yield* running.ended).signal, signal);
      });
});
