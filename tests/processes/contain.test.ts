import { readFileSync } from "node:fs";
import { CLONE, SIG } from "@rsyscall/abi";
import { getpid, getppid, prctl, setresgid, setresuid } from "@rsyscall/handle";
import {
  childrenOf,
  hasEnded,
  it,
  launchStub,
  noNamespaces,
  notRoot,
  statusOf,
  worksAsync,
} from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";

const sh = (script: string) => Command.make("/bin/sh", "-c", script);
const sleep = Command.make("/bin/sleep", "1000");

/** Starts two daemons: one in the background, and one that has lost its parent and its session. */
const DAEMONS = "sleep 1000 & (setsid sleep 1000 &) ; echo ready";

/** All descendants of a process. */
const descendants = (pid: number): ReadonlyArray<number> =>
  childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);

/** Runs a script that says when it is ready, and gives what has come of it. */
const started = (thread: Thread, script: string) =>
  Effect.gen(function* () {
    const before = descendants(process.pid);
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.spawn(sh(script), { contain: true, stdout: writer });
    yield* writer.close();
    const ready = new TextDecoder().decode(yield* (yield* thread.makeAfd(reader)).readBytes());
    assert.match(ready, /^ready/);
    const all = descendants(process.pid).filter((pid) => !before.includes(pid));
    return { child, all };
  });

const asNobody = Effect.gen(function* () {
  const { call } = yield* launchStub;
  const { task } = call.thread;
  const ids = { real: 65534, effective: 65534, saved: 65534 };
  if (notRoot === undefined) {
    yield* setresgid(task, ids);
    yield* setresuid(task, ids);
    // After a change of ids the files in /proc/self are root's.
    yield* prctl.setDumpable(task, 1);
  }
  return call.thread;
});

const places = [
  ["this process", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a child that shares files", Effect.flatMap(LocalThread, (thread) => thread.clone(CLONE.FILES))],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ["a stub of a user without rights", asNobody],
] as ReadonlyArray<[string, Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]>;

for (const [name, place] of places)
  describe(`what ${name} contains`, () => {
    it.skipIf(noNamespaces)("ends with the scope, daemons and all", function* () {
      const thread = yield* place;
      const scope = yield* Scope.make();
      const { child, all } = yield* Scope.provide(started(thread, `${DAEMONS}; exit 7`), scope);
      assert.equal((yield* child.wait()).exitStatus, 7);
      // The program has ended; its daemons have not.
      assert.isAtLeast(all.filter((pid) => !hasEnded(pid)).length, 4);
      yield* Scope.close(scope, Exit.void);
      for (const pid of all) assert.isUndefined(statusOf(pid));
    });

    it.skipIf(noNamespaces)("ends with a run, also with one that is interrupted", function* () {
      const thread = yield* place;
      const left = () => descendants(process.pid).length;
      const before = left();
      const state = yield* thread.run(sh("setsid sleep 1000 & exit 3"), { contain: true });
      assert.equal(state.exitStatus, 3);
      assert.equal(left(), before);
      const running = yield* Effect.forkChild(
        thread.run(sh("setsid sleep 1000 & sleep 1000"), { contain: true }),
        { startImmediately: true },
      );
      yield* Effect.sleep(50);
      yield* Fiber.interrupt(running);
      assert.equal(left(), before);
    });

    it.skipIf(noNamespaces)("is a child as any other", function* () {
      const thread = yield* place;
      const child = yield* thread.spawn(sleep, { contain: true });
      assert.match(readFileSync(`/proc/${child.pid}/cmdline`, "latin1"), /^\/bin\/sleep\0/);
      assert.equal(yield* child.pidIn(thread.task), child.pid);
      yield* child.kill(SIG.TERM);
      const state = yield* child.wait();
      assert.equal(state.signal, SIG.TERM);
      const error = (yield* Effect.flip(
        thread.spawn(Command.make("/no/such"), { contain: true }),
      )) as SyscallError;
      assert.deepInclude({ ...error }, { syscall: "execve", errno: "ENOENT" });
    });

    it.skipIf(noNamespaces)("leaves no zombies of orphans", function* () {
      const thread = yield* place;
      const script =
        'for i in 1 2 3 4 5 6 7 8; do (sh -c "exit 1" &); done; sleep 0.1; echo ready; sleep 1000';
      const { all } = yield* started(thread, script);
      for (const pid of all) assert.notEqual(statusOf(pid), "Z");
    });

    it.skipIf(noNamespaces)("may be a Thread, which has a pid of its own inside", function* () {
      const thread = yield* place;
      const scope = yield* Scope.make();
      const child = yield* Scope.provide(thread.clone(0, { contain: true }), scope);
      assert.equal(yield* getpid(child.task), child.task.pid);
      assert.isBelow(child.task.pid, 10);
      assert.notEqual(child.process.pid, child.task.pid);
      assert.equal(yield* getppid(child.task), 2);
      assert.isFalse(hasEnded(child.process.pid));
      yield* worksAsync(child);
      // Its pid is that outside.
      assert.equal(yield* child.process.pidIn(thread.task), child.process.pid);
      const error = yield* Effect.flip(child.process.pidIn(child.task));
      assert.equal(error._tag, "NamespaceMismatchError");
      yield* child.run(sh("setsid sleep 1000 &"));
      const all = descendants(child.process.pid);
      yield* child.exec(sh("setsid sleep 1000 & exec sleep 1000"));
      yield* Scope.close(scope, Exit.void);
      for (const pid of [...all, child.process.pid]) assert.isUndefined(statusOf(pid));
      yield* worksAsync(thread);
    });
  });

it("contain and detached exclude each other", function* () {
  const thread = yield* LocalThread;
  for (const use of [
    thread.spawn(sleep, { contain: true, detached: true }),
    thread.fork({ contain: true, detached: true }),
  ] as Array<Effect.Effect<unknown, { readonly message: string }, Scope.Scope>>)
    assert.match(
      (yield* Effect.flip(use)).message,
      /: detached is true, and must be false with `contain`/,
    );
});
