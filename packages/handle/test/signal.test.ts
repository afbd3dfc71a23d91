import { MAP, PROT, SA, SIG, SIG_DFL, SIG_IGN, SigHow } from "@rsyscall/abi";
import { it, launchStub, start } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";
import {
  kill,
  killpg,
  resetSignal,
  SignalBlock,
  setsid,
  sigaction,
  sigpending,
  sigprocmask,
  type Task,
  tgkill,
} from "../src/index.ts";
import { bitsOf } from "./procStatus.ts";

/** A set of signals, as the kernel shows it of a process: SigBlk, SigCgt and the like. */
const shown = (pid: number, name: string): Array<number> => bitsOf(pid, name, 1);

const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b);

/** The task's mask, now and when the scope closes. */
const restored = (task: Task) =>
  Effect.acquireRelease(sigprocmask(task, SigHow.BLOCK, new Set()), (mask) =>
    Effect.orDie(sigprocmask(task, SigHow.SETMASK, mask)),
  );

/** Of the kernel, or of a check before it. */
const INVALID = /: EINVAL: |, and must be /;

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

  it("refuses what is no signal, and changes nothing", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    for (const signal of [0, 65, -1, 1.5, Number.NaN]) {
      const set = new Set([SIG.USR1, signal]);
      const error = yield* Effect.flip(sigprocmask(task, SigHow.BLOCK, set));
      assert.include(error.message, "is not a signal");
    }
    assert.notInclude(shown(call.pid, "SigBlk"), SIG.USR1);
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

describe("sigaction", () => {
  it("ignores signals and restores what was before", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const original = yield* sigaction(task, SIG.TERM);
    assert.equal(original.handler, SIG_DFL);
    const action = {
      handler: SIG_IGN,
      flags: (SA.RESTART | SA.RESETHAND) >>> 0,
      mask: new Set([SIG.USR2, SIG.RTMAX]),
    };
    assert.deepEqual(yield* sigaction(task, SIG.TERM, action), original);
    assert.include(shown(call.pid, "SigIgn"), SIG.TERM);
    yield* kill(task, call.pid, SIG.TERM);
    const ignoring = yield* sigaction(task, SIG.TERM);
    assert.deepInclude(ignoring, action);
    assert.deepEqual(yield* sigaction(task, SIG.TERM, original), ignoring);
    assert.notInclude(shown(call.pid, "SigIgn"), SIG.TERM);
    assert.deepEqual(yield* sigaction(task, SIG.TERM), original);
  });

  it("reads, and does not change, the signals that have no handler", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    for (const signal of [SIG.KILL, SIG.STOP]) {
      assert.equal((yield* sigaction(task, signal)).handler, SIG_DFL);
      const error = yield* Effect.flip(sigaction(task, signal, { handler: SIG_IGN }));
      assert.include(error.message, `rt_sigaction(signal ${signal}): EINVAL`);
    }
    for (const signal of [0, 65, 2 ** 32 + SIG.TERM, Number.NaN])
      assert.match((yield* Effect.flip(sigaction(task, signal))).message, INVALID);
    for (const wrong of [{ handler: 0.5 }, { handler: SIG_IGN, mask: new Set([65]) }])
      assert.equal(
        (yield* Effect.flip(sigaction(task, SIG.TERM, wrong)))._tag,
        "InvalidArgumentError",
      );
    assert.notInclude(shown(call.pid, "SigIgn"), SIG.TERM);
  });

  const otherMachine = process.arch === "x64" ? undefined : "the code is for x86_64";
  it.skipIf(otherMachine)("has code run, with its own signals blocked", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const page = yield* near.mmap(
      task.sysif,
      near.NULL,
      task.pageSize,
      PROT.READ | PROT.WRITE | PROT.EXEC,
      MAP.PRIVATE | MAP.ANONYMOUS,
      -1,
      0,
    );
    const [counter, restorer] = [page + 64, page + 32];
    const code = new Uint8Array(128);
    // mov $counter, %rax; incl (%rax); ret
    code.set([0x48, 0xb8], 0);
    new DataView(code.buffer).setBigUint64(2, BigInt(counter), true);
    code.set([0xff, 0x00, 0xc3], 10);
    // mov $SYS_rt_sigreturn, %eax; syscall
    code.set([0xb8, 15, 0, 0, 0, 0x0f, 0x05], restorer - page);
    yield* task.sysif.write(page, code);
    const flags = SA.RESTORER | SA.RESTART;
    yield* sigaction(task, SIG.USR1, { handler: page, flags, restorer });
    assert.include(shown(call.pid, "SigCgt"), SIG.USR1);
    for (let sent = 1; sent <= 3; sent++) {
      yield* tgkill(task, call.pid, call.pid, SIG.USR1);
      const [count] = yield* task.sysif.read(near.Address(counter), 4);
      assert.equal(count, sent);
    }
  });
});

describe("sigpending", () => {
  it("has what was sent and is blocked", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    yield* SignalBlock.make(task, new Set([SIG.USR1, SIG.RTMAX, SIG.TERM]));
    assert.deepEqual(sorted(yield* sigpending(task)), []);
    yield* kill(task, call.pid, SIG.RTMAX);
    yield* tgkill(task, call.pid, call.pid, SIG.USR1);
    assert.deepEqual(sorted(yield* sigpending(task)), [SIG.USR1, SIG.RTMAX]);
    assert.deepEqual(shown(call.pid, "ShdPnd"), [SIG.RTMAX]);
    assert.deepEqual(shown(call.pid, "SigPnd"), [SIG.USR1]);
    for (const signal of [SIG.USR1, SIG.RTMAX]) {
      yield* sigaction(task, signal, { handler: SIG_IGN });
    }
    assert.deepEqual(sorted(yield* sigpending(task)), []);
  });
});

describe("SignalBlock", () => {
  /** A block, and what ends it. */
  const block = (task: Task, ...signals: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Scope.Scope);
      const block = yield* Scope.provide(SignalBlock.make(task, new Set(signals)), scope);
      return { block, end: Scope.close(scope, Exit.void) };
    });

  it("ends with its scope, and what was blocked before stays so", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = shown(call.pid, "SigBlk");
    yield* sigprocmask(task, SigHow.BLOCK, new Set([SIG.USR1]));
    const { block: made, end } = yield* block(task, SIG.USR1, SIG.USR2, SIG.KILL);
    assert.deepEqual(sorted(made.signals), [SIG.KILL, SIG.USR1, SIG.USR2]);
    assert.deepEqual(shown(call.pid, "SigBlk"), sorted(new Set([...before, SIG.USR1, SIG.USR2])));
    yield* end;
    assert.deepEqual(shown(call.pid, "SigBlk"), sorted(new Set([...before, SIG.USR1])));
    assert.deepEqual(sorted(task.sigmask), shown(call.pid, "SigBlk"));
  });

  it("leaves what others block, in whatever order they end", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = shown(call.pid, "SigBlk");
    const now = () => shown(call.pid, "SigBlk").filter((signal) => !before.includes(signal));
    for (const order of [
      [2, 1, 0],
      [0, 1, 2],
      [1, 0, 2],
    ]) {
      const blocks = [
        yield* block(task, SIG.USR1, SIG.ALRM),
        yield* block(task, SIG.USR1, SIG.USR2),
        yield* block(task, SIG.USR1, SIG.USR2, SIG.TERM),
      ];
      const held = new Set([0, 1, 2]);
      for (const i of order) {
        yield* (blocks[i] as (typeof blocks)[0]).end;
        held.delete(i);
        const signals = [...held].flatMap((j) => [
          ...(blocks[j] as (typeof blocks)[0]).block.signals,
        ]);
        assert.deepEqual(now(), sorted(new Set(signals)), `after ${i} of ${order}`);
      }
      assert.deepEqual(now(), []);
    }
  });

  it("may be ended before, and is not ended twice", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const first = yield* block(task, SIG.USR1);
    const second = yield* block(task, SIG.USR1);
    yield* second.block.unblock();
    yield* second.block.unblock();
    yield* second.end;
    assert.include(shown(call.pid, "SigBlk"), SIG.USR1);
    yield* first.block.unblock();
    assert.notInclude(shown(call.pid, "SigBlk"), SIG.USR1);
    // Blocked by others since.
    yield* sigprocmask(task, SigHow.BLOCK, new Set([SIG.USR1]));
    yield* first.end;
    assert.include(shown(call.pid, "SigBlk"), SIG.USR1);
  });

  it("holds among fibers that come and go", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const before = shown(call.pid, "SigBlk");
    const use = Effect.scoped(
      Effect.gen(function* () {
        yield* SignalBlock.make(task, new Set([SIG.USR1, SIG.USR2]));
        for (let i = 0; i < 3; i++) {
          assert.includeMembers(shown(call.pid, "SigBlk"), [SIG.USR1, SIG.USR2]);
          yield* near.getpid(task.sysif);
        }
      }),
    );
    yield* Effect.all(
      Array.from({ length: 40 }, (_, i) =>
        Effect.andThen(Effect.yieldNow, use).pipe(Effect.andThen(i % 2 ? use : Effect.void)),
      ),
      { concurrency: "unbounded" },
    );
    assert.deepEqual(shown(call.pid, "SigBlk"), before);
  });

  it("that begins while another ends holds", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    let { end } = yield* block(task, SIG.USR1);
    for (const isFirst of [true, false, true]) {
      const next = block(task, SIG.USR1);
      const both = isFirst ? ([next, end] as const) : ([end, next] as const);
      const made = yield* Effect.all(both, { concurrency: "unbounded" });
      assert.include(shown(call.pid, "SigBlk"), SIG.USR1);
      end = (made[0] ?? made[1] ?? { end }).end;
    }
    yield* end;
    assert.notInclude(shown(call.pid, "SigBlk"), SIG.USR1);
  });

  it("of one task is nothing to another", function* () {
    const { task: ours } = yield* LocalThread;
    const { call } = yield* launchStub;
    const mask = shown(process.pid, "SigBlk");
    yield* block(call.thread.task, SIG.USR1);
    assert.deepEqual(shown(process.pid, "SigBlk"), mask);
    const { end } = yield* block(ours, SIG.USR1);
    yield* end;
    assert.deepEqual(shown(process.pid, "SigBlk"), mask);
    assert.include(shown(call.pid, "SigBlk"), SIG.USR1);
  });

  it("is refused for what is no signal, and blocks nothing then", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const error = yield* Effect.flip(SignalBlock.make(task, new Set([SIG.USR1, 65])));
    assert.equal(error._tag, "InvalidArgumentError");
    const { end } = yield* block(task, SIG.USR1);
    yield* end;
    assert.notInclude(shown(call.pid, "SigBlk"), SIG.USR1);
  });
});

describe("kill", () => {
  it("sends a signal to a process", function* () {
    const { task } = yield* LocalThread;
    const sleeper = yield* start("sleep", ["100"]);
    yield* kill(task, sleeper.pid, 0);
    yield* kill(task, sleeper.pid, SIG.USR2);
    assert.equal((yield* sleeper.ended).signal, "SIGUSR2");
    assert.include((yield* Effect.flip(kill(task, sleeper.pid, 0))).message, "ESRCH");
  });

  it("is seen as a hang-up by who kills itself", function* () {
    const { call, caller } = yield* launchStub;
    const end = yield* Effect.flip(kill(call.thread.task, call.pid, SIG.KILL));
    assert.instanceOf(end, near.SyscallHangup);
    assert.equal((yield* caller.ended).signal, "SIGKILL");
  });

  it("of a group sends it to all in it, and to nobody else", function* () {
    const { task } = yield* LocalThread;
    const { call, caller } = yield* launchStub;
    const other = yield* launchStub;
    yield* setsid(call.thread.task);
    yield* killpg(task, call.pid, SIG.KILL);
    assert.equal((yield* caller.ended).signal, "SIGKILL");
    yield* near.getpid(other.call.thread.task.sysif);
  });

  it("of its own group by 0", function* () {
    const { call, caller } = yield* launchStub;
    yield* setsid(call.thread.task);
    yield* Effect.flip(killpg(call.thread.task, 0, SIG.TERM));
    assert.equal((yield* caller.ended).signal, "SIGTERM");
  });

  it("of one thread wants its process too", function* () {
    const { task } = yield* LocalThread;
    const { call, caller } = yield* launchStub;
    const wrong = yield* Effect.flip(tgkill(task, process.pid, call.pid, SIG.TERM));
    assert.include(wrong.message, `tgkill(thread ${call.pid} of pid ${process.pid}): ESRCH`);
    yield* tgkill(task, call.pid, call.pid, SIG.TERM);
    assert.equal((yield* caller.ended).signal, "SIGTERM");
  });

  it("never hits everybody by accident", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    // Signal 0 asks, and does no harm should one of these get through.
    for (const wrong of [
      kill(task, 2 ** 32 - 1, 0),
      kill(task, Number.NaN, 0),
      kill(task, call.pid, 2 ** 32),
      kill(task, call.pid, Number.NaN),
      killpg(task, 1, 0),
      killpg(task, -1, 0),
      killpg(task, Number.NaN, 0),
      tgkill(task, call.pid, 2 ** 32 + call.pid, 0),
      kill(task, call.pid, 65),
    ])
      assert.match((yield* Effect.flip(wrong)).message, INVALID);
  });
});
