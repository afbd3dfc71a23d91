import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SIG, W } from "@rsyscall/abi";
import { type ChildState, type HandleFailure, Pidfd } from "@rsyscall/handle";
import {
  eventually,
  execute,
  hasEnded,
  it,
  launchStub,
  start,
  statusOf,
  untilEnded,
} from "@rsyscall/harness";
import { type SyscallError, call as syscall } from "@rsyscall/near";
import { ChildProcessError, Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Layer, Scope } from "effect";
import { assert, describe } from "vitest";

const sleep = Command.make("/bin/sleep", "1000");
const sh = (script: string) => Command.make("/bin/sh", "-c", script);

describe("when the controller dies", () => {
  const fixture = fileURLToPath(new URL("../fixtures/lifetimes.mjs", import.meta.url));
  for (const signal of ["SIGKILL", "SIGTERM"] as const)
    it(`of ${signal}, no child is left that was not told to survive`, function* () {
      const controller = yield* start(process.execPath, [fixture]);
      let pids: { ours: Array<number>; survivors: Array<number> } | undefined;
      yield* controller.line((line) => {
        if (line.startsWith("{")) pids = JSON.parse(line);
        return pids !== undefined;
      });
      const { ours, survivors } = pids as NonNullable<typeof pids>;
      assert.equal(ours.length, 6);
      for (const pid of ours) assert.isFalse(hasEnded(pid));
      yield* controller.kill(signal);
      yield* controller.ended;
      yield* Effect.forEach(ours, untilEnded);
      for (const pid of survivors) {
        assert.isFalse(hasEnded(pid));
        process.kill(pid, "SIGKILL");
      }
    });
});

describe("a scope", () => {
  it("leaves a detached program running, and reaps it when it ends", function* () {
    const thread = yield* LocalThread;
    const child = yield* Effect.scoped(thread.spawn(sleep, { detached: true }));
    assert.isFalse(hasEnded(child.pid));
    yield* child.kill();
    assert.equal((yield* child.wait()).signal, SIG.TERM);
    assert.isUndefined(statusOf(child.pid));
  });

  for (const [name, parent] of [
    ["the local thread", LocalThread],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`kills the process group of a program of ${name} that leads a session`, function* () {
      const thread = yield* parent;
      const directory = yield* thread.mkdtemp();
      const pids = `${directory}/pids`;
      const script = `sleep 1000 & echo $! $(ps -o sid= -p $$) > ${pids}.new; mv ${pids}.new ${pids}; wait`;
      const started = Effect.gen(function* () {
        const child = yield* thread.spawn(sh(script), { session: true });
        yield* eventually(() => existsSync(pids));
        const [other = 0, session = 0] = readFileSync(pids, "utf8").trim().split(/\s+/).map(Number);
        assert.equal(session, child.pid);
        assert.isFalse(hasEnded(other));
        return other;
      });
      yield* untilEnded(yield* Effect.scoped(started));
      // One that has ended by itself leaves what it has left.
      const left = Effect.gen(function* () {
        const child = yield* thread.spawn(sh(`sleep 1000 & echo $! > ${pids}`), { session: true });
        yield* child.check();
        return Number(readFileSync(pids, "utf8"));
      });
      const pid = yield* Effect.scoped(left);
      assert.isFalse(hasEnded(pid));
      process.kill(pid, "SIGKILL");
    });

  for (const [name, parent] of [
    ["the local thread", LocalThread],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`has nothing open for detached programs of ${name} that have ended`, function* () {
      const thread = yield* parent;
      const open = () =>
        [process.pid, thread.task.pid].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
      const program = Effect.scoped(thread.spawn(sh("exit 3"), { detached: true }));
      yield* (yield* program).wait();
      const before = open();
      for (let i = 0; i < 20; i++) {
        const child = yield* program;
        assert.equal((yield* child.wait()).exitStatus, 3);
        const error = (yield* Effect.flip(child.kill())) as SyscallError;
        assert.equal(error.errno, "ESRCH");
      }
      yield* eventually(() => open().every((count, i) => count <= (before[i] as number)));
    });

  it("kills a child that is inside a call that blocks", function* () {
    const thread = yield* LocalThread;
    const scope = yield* Scope.make();
    const child = yield* Scope.provide(thread.fork(), scope);
    const [reader] = yield* Scope.provide(child.pipe(), scope);
    const reading = yield* Effect.forkChild(Effect.exit(reader.readBytes(1)));
    yield* Effect.yieldNow;
    yield* Scope.close(scope, Exit.void);
    assert.isTrue(Exit.isFailure(yield* Fiber.join(reading)));
    assert.isUndefined(statusOf(child.process.pid));
  });

  it("that ends after the epoller still reaps what it kills", function* () {
    const program = Effect.gen(function* () {
      const thread = yield* LocalThread;
      yield* Effect.forkChild(thread.run(sleep), { startImmediately: true });
    });
    // The fiber is interrupted with its parent, and by then there is no layer any more. In one of some tens the child
    // is still being made then, or has not ended yet when it was killed.
    for (let i = 0; i < 50; i++)
      yield* program
        .pipe(Effect.provide(Layer.fresh(LocalThread.layer)), Effect.forkChild)
        .pipe(Effect.flatMap(Fiber.join));
  });

  it("kills what it runs when it is interrupted", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const running = yield* Effect.forkChild(
      thread.run(sh("echo $$; exec sleep 1000"), { stdout: writer }),
    );
    const afd = yield* thread.makeAfd(reader);
    const pid = Number(new TextDecoder().decode(yield* afd.readBytes()));
    assert.isDefined(statusOf(pid));
    yield* Fiber.interrupt(running);
    assert.isUndefined(statusOf(pid));
  });
});

describe("waiting", () => {
  it("tells every exit status", function* () {
    const thread = yield* LocalThread;
    const all = Array.from({ length: 256 }, (_, status) => status);
    const states = yield* Effect.forEach(all, (status) => thread.run(sh(`exit ${status}`)), {
      concurrency: 16,
    });
    assert.deepEqual(
      states.map(({ exitStatus }) => exitStatus),
      all,
    );
    assert.isTrue(states.every(({ clean, died }, i) => died && clean === (i === 0)));
  });

  it("tells every signal that can end a child", function* () {
    const thread = yield* LocalThread;
    const spared: ReadonlyArray<number> = [
      ...[SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH],
      ...[SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU],
    ];
    const signals = Array.from({ length: SIG.RTMAX }, (_, i) => i + 1).filter(
      (signal) => !spared.includes(signal),
    );
    const states = yield* Effect.forEach(signals, (signal) =>
      Effect.scoped(
        Effect.gen(function* () {
          const child = yield* thread.fork();
          // Without a core file for each of them.
          yield* syscall(child.task.sysif, "prctl", 4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
          yield* child.process.kill(signal);
          return yield* child.process.wait();
        }),
      ),
    );
    assert.deepEqual(
      states.map((state: ChildState) => state.signal),
      signals,
    );
    assert.isTrue(states.every(({ died, exitStatus }) => died && exitStatus === undefined));
  });

  it("by several at once tells each of them, and any may be interrupted", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.spawn(sleep);
    const fibers = yield* Effect.replicateEffect(Effect.forkChild(child.wait()), 5);
    yield* Effect.yieldNow;
    yield* Fiber.interrupt(fibers[0] as (typeof fibers)[0]);
    yield* child.kill(SIG.KILL);
    for (const fiber of fibers.slice(1)) assert.equal((yield* Fiber.join(fiber)).signal, SIG.KILL);
    assert.equal((yield* child.wait()).signal, SIG.KILL, "also afterwards");
  });

  it("for one child does not swallow the end of another", function* () {
    const thread = yield* LocalThread;
    const first = yield* thread.spawn(sh("exit 1"));
    const second = yield* thread.spawn(sh("exit 2"));
    assert.equal((yield* second.wait()).exitStatus, 2);
    assert.equal((yield* first.wait()).exitStatus, 1);
  });

  it("coexists with child_process", function* () {
    const thread = yield* LocalThread;
    yield* Effect.all(
      Array.from({ length: 30 }, (_, i) =>
        i % 2
          ? Effect.map(execute("/bin/sh", ["-c", `exit ${i}`]), ({ status }) =>
              assert.equal(status, i),
            )
          : Effect.map(thread.run(sh(`exit ${i}`)), ({ exitStatus }) =>
              assert.equal(exitStatus, i),
            ),
      ),
      { concurrency: 8 },
    );
    assert.equal(execFileSync("/bin/echo", ["sync"]).toString(), "sync\n");
  });

  for (const [name, parent] of [
    ["the local thread", LocalThread],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as const)
    it(`tells when a child of ${name} is stopped and continued`, function* () {
      const child = yield* (yield* parent).spawn(sleep);
      const stopped = yield* Effect.forkChild(child.waitFor(W.STOPPED));
      yield* child.kill(SIG.STOP);
      const state = yield* Fiber.join(stopped);
      assert.deepEqual([state.signal, state.died], [SIG.STOP, false]);
      yield* child.kill(SIG.CONT);
      const continued = yield* child.waitFor(W.CONTINUED | W.STOPPED);
      assert.equal(String(continued), "was continued");
      const end = yield* Effect.forkChild(child.waitFor(W.EXITED | W.STOPPED));
      yield* child.kill(SIG.TERM);
      assert.equal((yield* Fiber.join(end)).signal, SIG.TERM);
      const error = (yield* Effect.flip(child.waitFor(W.STOPPED))) as SyscallError;
      assert.equal(error.errno, "ECHILD");
    });

  it("for a stop can be interrupted, and loses none", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.spawn(sleep);
    const waiting = yield* Effect.forkChild(child.waitFor(W.STOPPED));
    yield* Effect.yieldNow;
    yield* Fiber.interrupt(waiting);
    yield* child.kill(SIG.STOP);
    assert.equal((yield* child.waitFor(W.STOPPED)).signal, SIG.STOP);
  });

  it("that checks fails with the command and how it ended", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.spawn(sh("exit 3"));
    const error = (yield* Effect.flip(child.check())) as ChildProcessError;
    assert.instanceOf(error, ChildProcessError);
    assert.equal(error.state.exitStatus, 3);
    assert.match(error.message, /^\/bin\/sh -c 'exit 3' \(pid \d+\) exited with status 3$/);
    const killed = yield* thread.spawn(sleep);
    yield* killed.kill();
    const second = yield* Effect.flip(killed.check());
    assert.match(second.message, /^\/bin\/sleep 1000 \(pid \d+\) was killed by SIGTERM$/);
    yield* (yield* thread.spawn(sh("true"))).check();
  });

  it("for a child of another process is ECHILD", function* () {
    const thread = yield* LocalThread;
    const { call } = yield* launchStub;
    const pidfd = yield* Pidfd.make(call.thread.task, thread.task.pid);
    const error = (yield* Effect.flip(pidfd.waitid(W.EXITED | W.NOHANG))) as SyscallError;
    assert.equal(error.errno, "ECHILD");
  });
});

describe("signals to a child", () => {
  it("are ESRCH when it was waited for, whichever process has its number now", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.spawn(sh("true"));
    yield* child.wait();
    for (const use of [child.kill(), child.killpg(), child.pgid(), child.setpgid()]) {
      const error = (yield* Effect.flip(
        use as Effect.Effect<unknown, HandleFailure>,
      )) as SyscallError;
      assert.equal(error.errno, "ESRCH");
    }
  });

  it("reach its whole process group", function* () {
    const thread = yield* LocalThread;
    const leader = yield* thread.fork();
    const member = yield* thread.fork();
    yield* leader.process.setpgid();
    yield* member.process.setpgid(leader.process);
    assert.equal(yield* member.process.pgid(), leader.process.pid);
    yield* leader.process.killpg(SIG.KILL);
    for (const { process } of [leader, member])
      assert.equal((yield* process.wait()).signal, SIG.KILL);
  });

  it("come although the parent is inside a call that blocks", function* () {
    const { call } = yield* launchStub;
    const child = yield* call.thread.fork();
    const [reader, writer] = yield* call.thread.pipe();
    const writerHere = (yield* call.thread.connection.passFrom([writer]))[0];
    const reading = yield* Effect.forkChild(reader.readBytes(1), { startImmediately: true });
    yield* child.process.kill(SIG.KILL);
    yield* untilEnded(child.process.pid);
    yield* (writerHere as typeof writer).writeAllText("x");
    yield* Fiber.join(reading);
    assert.equal((yield* child.process.wait()).signal, SIG.KILL);
  });
});

describe("a program", () => {
  it("gets the descriptors that it is given, in any order", function* () {
    const thread = yield* LocalThread;
    const [first, firstWriter] = yield* thread.pipe();
    const [second, secondWriter] = yield* thread.pipe();
    const [input, inputWriter] = yield* thread.pipe();
    yield* inputWriter.writeAllText("in ");
    yield* inputWriter.close();
    const child = yield* thread.fork();
    const places = [
      [input, child.stdin],
      [firstWriter, child.stdout],
      [secondWriter, child.stderr],
    ] as const;
    for (const [fd, place] of places) yield* (yield* fd.inherit(child.task)).dup3(place);
    // stdout and stderr change places, and 5 is a copy of stdin.
    const state = yield* child.run(sh("cat <&5; echo out; echo err >&2"), {
      stdout: child.stderr,
      stderr: child.stdout,
      fds: new Map([[5, child.stdin]]),
    });
    assert.isTrue(state.clean);
    yield* child.exit(0);
    yield* firstWriter.close();
    yield* secondWriter.close();
    assert.equal(yield* thread.readTextToEof(first), "err\n");
    assert.equal(yield* thread.readTextToEof(second), "in out\n");
  });

  it("has no other descriptors, and a clean mask", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    yield* thread.makeAfd(reader);
    const state = yield* thread.run(
      // Not in the shell itself, which blocks signals while it forks.
      sh("ls /proc/$$/fd; exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status >&2"),
      { stdout: writer, stderr: writer },
    );
    assert.isTrue(state.clean);
    yield* writer.close();
    const text = yield* thread.readTextToEof(reader);
    assert.match(text, /^0\n1\n2\n(SigBlk:\t0+\nSigIgn:\t0+\nSigCgt:\t\w+\n)$/);
  });

  it("runs in the directory that it is given", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    yield* thread.run(Command.make("/bin/pwd"), { stdout: writer, cwd: "/usr/share" });
    yield* writer.close();
    assert.equal(yield* thread.readTextToEof(reader), "/usr/share\n");
    const error = (yield* Effect.flip(
      thread.run(Command.make("/bin/pwd"), { cwd: "/no/such" }),
    )) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "chdir", errno: "ENOENT", subject: "/no/such" });
  });

  for (const [name, parent] of [
    ["the local thread", LocalThread],
    ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as ReadonlyArray<[string, Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]>)
    it(`of ${name} is talked to through pipes, and ends with its input`, function* () {
      const thread = yield* parent;
      const [input, toInput] = yield* thread.pipe();
      const [fromOutput, output] = yield* thread.pipe();
      const cat = yield* thread.spawn(Command.make("/bin/cat"), { stdin: input, stdout: output });
      yield* input.close();
      yield* output.close();
      const reader = yield* thread.makeAfd(fromOutput);
      const writer = yield* thread.makeAfd(toInput);
      for (const text of ["first", "second", "x".repeat(100_000)]) {
        const writing = yield* Effect.forkChild(
          writer.writeAllBytes(new TextEncoder().encode(text)),
          { startImmediately: true },
        );
        let seen = "";
        while (seen.length < text.length)
          seen += new TextDecoder().decode(yield* reader.readBytes());
        assert.equal(seen, text);
        yield* Fiber.join(writing);
      }
      assert.isUndefined(cat.state);
      yield* toInput.close();
      assert.equal((yield* reader.readBytes()).length, 0);
      assert.isTrue((yield* cat.wait()).clean);
    });
});
