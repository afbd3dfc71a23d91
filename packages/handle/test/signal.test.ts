import { readFileSync } from "node:fs";
import { SIG, SigHow } from "@rsyscall/abi";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it, launchStub } from "../../../tests/harness/index.ts";
import { resetSignal, sigprocmask, type Task } from "../src/index.ts";

/** A set of signals, as the kernel shows it of a process: SigBlk, SigCgt and the like. */
const shown = (pid: number, name: string): Array<number> => {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const bits = BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, "m").exec(status)?.[1]}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => (bits >> BigInt(n - 1)) & 1n);
};

const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b);

/** The task's mask, now and when the scope closes. */
const restored = (task: Task) =>
  Effect.acquireRelease(sigprocmask(task, SigHow.BLOCK, new Set()), (mask) =>
    Effect.orDie(sigprocmask(task, SigHow.SETMASK, mask)),
  );

describe("sigprocmask", () => {
  it("changes the mask, gives the one before, and the task follows", function* () {
    const { task } = yield* LocalThread;
    const first = yield* restored(task);
    assert.deepEqual(sorted(first), shown(process.pid, "SigBlk"));
    const steps: Array<[how: 0 | 1 | 2, signals: Array<number>, blocked: Array<number>]> = [
      [SigHow.SETMASK, [SIG.USR2, SIG.RTMAX], [SIG.USR2, SIG.RTMAX]],
      [SigHow.BLOCK, [SIG.USR2, SIG.WINCH], [SIG.USR2, SIG.WINCH, SIG.RTMAX]],
      [SigHow.UNBLOCK, [SIG.USR2, SIG.URG], [SIG.WINCH, SIG.RTMAX]],
      [SigHow.UNBLOCK, [], [SIG.WINCH, SIG.RTMAX]],
      [SigHow.SETMASK, [], []],
    ];
    let before = sorted(first);
    for (const [how, signals, blocked] of steps) {
      assert.deepEqual(sorted(yield* sigprocmask(task, how, new Set(signals))), before);
      assert.deepEqual(shown(process.pid, "SigBlk"), blocked);
      assert.deepEqual(sorted(task.sigmask), blocked);
      before = blocked;
    }
    yield* sigprocmask(task, SigHow.SETMASK, first);
    assert.deepEqual(shown(process.pid, "SigBlk"), sorted(first));
  });

  it("does not believe that a signal is blocked which cannot be", function* () {
    const { task } = yield* LocalThread;
    yield* restored(task);
    for (const how of [SigHow.SETMASK, SigHow.BLOCK]) {
      yield* sigprocmask(task, how, new Set([SIG.KILL, SIG.STOP, SIG.WINCH]));
      assert.deepEqual(shown(process.pid, "SigBlk"), [SIG.WINCH]);
      assert.deepEqual(sorted(task.sigmask), [SIG.WINCH]);
    }
  });

  it("changes the mask of the task that it is given, and no other", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const ours = shown(process.pid, "SigBlk");
    yield* sigprocmask(call.thread.task, SigHow.BLOCK, new Set([SIG.USR1]));
    assert.include(shown(call.pid, "SigBlk"), SIG.USR1);
    assert.deepEqual(sorted(call.thread.task.sigmask), shown(call.pid, "SigBlk"));
    assert.deepEqual(shown(process.pid, "SigBlk"), ours);
    assert.deepEqual(sorted(task.sigmask), ours);
  });
});

describe("resetSignal", () => {
  it("takes the handler away, and leaves those of other signals", function* () {
    const { task } = yield* LocalThread;
    const handler = () => {};
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGUSR2", handler).on("SIGWINCH", handler)),
      () => Effect.sync(() => process.off("SIGUSR2", handler).off("SIGWINCH", handler)),
    );
    assert.includeMembers(shown(process.pid, "SigCgt"), [SIG.USR2, SIG.WINCH]);
    yield* resetSignal(task, SIG.USR2);
    assert.notInclude(shown(process.pid, "SigCgt"), SIG.USR2);
    assert.include(shown(process.pid, "SigCgt"), SIG.WINCH);
  });

  it("is refused for signals that have no handler", function* () {
    const { task } = yield* LocalThread;
    const error = yield* Effect.flip(resetSignal(task, SIG.KILL));
    assert.include(error.message, "rt_sigaction(signal 9): EINVAL");
  });
});
