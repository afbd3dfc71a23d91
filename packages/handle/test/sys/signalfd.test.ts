import { EPOLL, EPOLL_CTL, F, FD, POLL, SFD, SI, SIG } from "@rsyscall/abi";
import { it, launchStub } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import {
  Epoll,
  FileDescriptor,
  getuid,
  kill,
  Pidfd,
  pollNow,
  SignalBlock,
  Signalfd,
  sigpending,
  tgkill,
} from "../../src/index.ts";

const both = new Set([SIG.USR1, SIG.RTMAX]);

/** A process with signals blocked, and a descriptor to read them from, which does not wait. */
const listening = (mask: ReadonlySet<number> = both) =>
  Effect.gen(function* () {
    const { call, caller } = yield* launchStub;
    const { task } = call.thread;
    yield* SignalBlock.make(task, mask);
    return { task, call, caller, signals: yield* Signalfd.make(task, mask, SFD.NONBLOCK) };
  });

describe("Signalfd", () => {
  it("reads the signals that are pending, with who sent them and how", function* () {
    const { task: ours } = yield* LocalThread;
    const { task, call, signals } = yield* listening();
    assert.instanceOf(signals, FileDescriptor);
    const none = (yield* Effect.flip(signals.readSignals())) as SyscallError;
    assert.deepInclude({ ...none }, { errno: "EAGAIN", subject: `fd ${signals.near}` });
    yield* kill(ours, call.pid, SIG.RTMAX);
    yield* kill(task, call.pid, SIG.RTMAX);
    yield* tgkill(ours, call.pid, call.pid, SIG.USR1);
    const uid = yield* getuid(ours);
    const from = (signo: number, code: number, pid: number) => ({ signo, code, pid, uid });
    const read = yield* signals.readSignals();
    assert.deepEqual(
      read.map(({ signo, code, pid, uid }) => ({ signo, code, pid, uid })),
      [
        from(SIG.USR1, SI.TKILL, process.pid),
        from(SIG.RTMAX, SI.USER, process.pid),
        from(SIG.RTMAX, SI.USER, call.pid),
      ],
    );
    assert.deepEqual(yield* sigpending(task), new Set());
    assert.equal(((yield* Effect.flip(signals.readSignals())) as SyscallError).errno, "EAGAIN");
  });

  it("reads no more than it is asked for", function* () {
    const { task, call, signals } = yield* listening();
    for (let i = 0; i < 5; i++) yield* kill(task, call.pid, SIG.RTMAX);
    assert.equal((yield* signals.readSignals(2)).length, 2);
    assert.equal((yield* signals.readSignals()).length, 3);
    // Too short for one.
    assert.include((yield* Effect.flip(signals.readSignals(0))).message, "EINVAL");
  });

  it("has other signals when it is told so", function* () {
    const { task, call, signals } = yield* listening();
    yield* signals.setMask(new Set([SIG.RTMAX]));
    yield* kill(task, call.pid, SIG.USR1);
    assert.include((yield* Effect.flip(signals.readSignals())).message, "EAGAIN");
    yield* signals.setMask(new Set([SIG.USR1]));
    assert.deepEqual(
      (yield* signals.readSignals()).map(({ signo }) => signo),
      [SIG.USR1],
    );
    for (const signal of [0, 65]) {
      const refused = yield* Effect.flip(signals.setMask(new Set([signal])));
      assert.match(refused.message, /^signalfd4: mask is .* is not a signal\)$/);
    }
    const error = yield* Effect.flip(Signalfd.make(task, new Set([65])));
    assert.equal(error._tag, "InvalidArgumentError");
  });

  it("is closed by an exec, and waits unless told not to", function* () {
    const { task } = yield* listening();
    const signals = yield* Signalfd.make(task, both);
    assert.equal(yield* signals.fcntl(F.GETFD), FD.CLOEXEC);
    assert.equal((yield* signals.statusFlags()) & SFD.NONBLOCK, 0);
    yield* kill(task, task.pid, SIG.USR1);
    assert.equal((yield* signals.readSignals())[0]?.signo, SIG.USR1);
  });

  it("is about the signals of the process that polls, not of the one that made it", function* () {
    const { task: ours } = yield* LocalThread;
    const { task, call, signals } = yield* listening();
    const pidfd = yield* Pidfd.make(ours, call.pid);
    const here = yield* pidfd.getfd(signals.near);
    yield* kill(task, call.pid, SIG.USR1);
    assert.equal(yield* pollNow(signals, POLL.IN), POLL.IN);
    assert.equal(yield* pollNow(here, POLL.IN), 0);
    assert.include((yield* Effect.flip(here.readBytes())).message, "EAGAIN");
    // An epoll instance does not change that.
    const epoll = yield* Epoll.make(task);
    const event = { events: EPOLL.IN, data: 7 };
    yield* epoll.set(EPOLL_CTL.ADD, signals, event);
    const epollHere = yield* (yield* pidfd.getfd(epoll.near)).reclassify(Epoll);
    assert.deepEqual(yield* epoll.wait(1, 0), [event]);
    assert.deepEqual(yield* epollHere.wait(1, 0), []);
    yield* SignalBlock.make(ours, both);
    yield* signals.readSignals();
    // For this thread: others of this process do not block it, and it would end it.
    yield* tgkill(ours, process.pid, process.pid, SIG.RTMAX);
    assert.equal(yield* pollNow(signals, POLL.IN), 0);
    assert.equal(yield* pollNow(here, POLL.IN), POLL.IN);
    assert.equal((yield* here.readBytes()).length, 128);
  });
});
