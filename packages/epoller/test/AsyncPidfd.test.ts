import { O, SIG } from "@rsyscall/abi";
import { Pidfd, spawn } from "@rsyscall/handle";
import { it, launchStub, start, statusOf, wires } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";
import { AsyncPidfd } from "../src/index.ts";

const places = [
  ["here", LocalThread],
  ...wires.map(
    ([how, launch]) => [`in a stub ${how}`, Effect.map(launch, ({ call }) => call.thread)] as const,
  ),
] as const;

/** A process that a thread waits for, and that ends with what it reads as its status. */
const watch = (thread: Thread, pid: number) =>
  Effect.flatMap(thread.epoller(), (epoller) =>
    Effect.flatMap(Pidfd.make(thread.task, pid), (pidfd) => AsyncPidfd.make(epoller, pidfd)),
  );

/** A program of Node's, which is nobody's child but this process's. */
const stranger = start("sh", ["-c", "read status; exit $status"]);

describe("AsyncPidfd", () => {
  for (const [where, thread] of places) {
    it(`${where}, waits for the end of any process`, function* () {
      const { pid, stdin } = yield* stranger;
      const process = yield* watch(yield* thread, pid);
      const waiting = [
        yield* Effect.forkChild(process.ended(), { startImmediately: true }),
        yield* Effect.forkChild(process.ended(), { startImmediately: true }),
      ];
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
      for (const fiber of waiting) assert.isUndefined(fiber.pollUnsafe());
      stdin?.write("3\n");
      yield* Fiber.joinAll(waiting);
      assert.notInclude(["R", "S"], statusOf(pid));
      yield* process.ended();
    });

    it(`${where}, tells how a child has ended, as often as it is asked`, function* () {
      const made = yield* thread;
      const { task, environ } = made;
      // A child for which nobody else waits.
      const child = yield* spawn(task, {
        path: environ.sh.executable,
        argv: ["sh", "-c", "kill -USR1 $$"],
        envp: [],
        sigmask: new Set(),
        fds: new Map(),
        deathSignal: SIG.KILL,
      });
      const process = yield* AsyncPidfd.make(yield* made.epoller(), child.pidfd);
      const states = yield* Effect.all([process.exit(), process.exit(), process.exit()], {
        concurrency: "unbounded",
      });
      for (const state of [...states, yield* process.exit()])
        assert.deepInclude({ ...state }, { pid: child.pid, status: SIG.USR1 });
      yield* process.ended();
      yield* child.freeStack();
    });
  }

  it("knows that a process which is no child has ended, and not how", function* () {
    const { call } = yield* launchStub;
    const { pid, stdin } = yield* stranger;
    const process = yield* watch(call.thread, pid);
    stdin?.write("0\n");
    yield* process.ended();
    assert.equal(((yield* Effect.flip(process.exit())) as SyscallError).errno, "ECHILD");
  });

  it("leaves the flags of the descriptor alone", function* () {
    const { pid } = yield* stranger;
    const process = yield* watch(yield* LocalThread, pid);
    assert.equal((yield* process.handle.statusFlags()) & O.NONBLOCK, 0);
  });

  it("is interrupted at once, and others go on", function* () {
    const { pid, kill } = yield* stranger;
    const process = yield* watch(yield* LocalThread, pid);
    const interrupted = yield* Effect.forkChild(process.ended(), { startImmediately: true });
    const patient = yield* Effect.forkChild(process.ended(), { startImmediately: true });
    assert.isTrue(
      Exit.hasInterrupts(
        yield* Effect.andThen(Fiber.interrupt(interrupted), Fiber.await(interrupted)),
      ),
    );
    yield* kill("SIGKILL");
    yield* Fiber.join(patient);
  });

  it("that is closed tells those who wait, and so does an epoller that ends", function* () {
    const { pid } = yield* stranger;
    const thread = yield* LocalThread;
    const process = yield* watch(thread, pid);
    const waiting = yield* Effect.forkChild(Effect.flip(process.ended()), {
      startImmediately: true,
    });
    yield* process.close();
    assert.equal((yield* Fiber.join(waiting))._tag, "UseAfterFreeError");
    const pidfd = yield* Pidfd.make(thread.task, pid);
    const left = yield* Effect.scoped(AsyncPidfd.make(yield* thread.epoller(), pidfd));
    assert.equal((yield* Effect.flip(left.ended()))._tag, "UseAfterFreeError");
  });
});
