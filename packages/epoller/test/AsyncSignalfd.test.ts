import { O, SI, SIG } from "@rsyscall/abi";
import { kill, SignalBlock, Signalfd, sigpending, tgkill } from "@rsyscall/handle";
import { begin, it, launchStubWith, wires } from "@rsyscall/harness";
import { getpid } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncSignalfd } from "../src/index.ts";

const both = new Set([SIG.USR1, SIG.RTMAX]);

const places = [
  ["here", LocalThread],
  ["in a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ...wires.map(
    ([how, launch]) => [`in a stub ${how}`, Effect.map(launch, ({ call }) => call.thread)] as const,
  ),
] as const;

/** The signals of a thread, which are blocked. */
const listen = (thread: Thread, mask: ReadonlySet<number> = both) =>
  Effect.gen(function* () {
    yield* SignalBlock.make(thread.task, mask);
    return yield* AsyncSignalfd.make(
      yield* thread.epoller(),
      yield* Signalfd.make(thread.task, mask),
    );
  });

/** Sends a signal to a thread, from here: to its first thread, because others may not block it. */
const send = (thread: Thread, signal: number) =>
  Effect.flatMap(LocalThread, ({ task }) => tgkill(task, thread.task.pid, thread.task.pid, signal));

describe("AsyncSignalfd", () => {
  for (const [where, place] of places) {
    it(`${where}, waits for signals, which others do not have to wait for`, function* () {
      const thread = yield* place;
      const signals = yield* listen(thread);
      const waiting = yield* begin(signals.wait());
      assert.equal(yield* getpid(thread.task.sysif), thread.task.pid);
      assert.isUndefined(waiting.pollUnsafe());
      yield* send(thread, SIG.USR1);
      const [signal, ...rest] = yield* Fiber.join(waiting);
      assert.deepEqual([signal.signo, signal.code, signal.pid], [SIG.USR1, SI.TKILL, process.pid]);
      assert.lengthOf(rest, 0);
      assert.deepEqual(yield* sigpending(thread.task), new Set());
    });

    it(`${where}, takes several at once, and streams them one by one`, function* () {
      const thread = yield* place;
      const signals = yield* listen(thread);
      const numbers = Effect.map(signals.wait(), (all) => all.map(({ signo }) => signo));
      for (const signal of [SIG.RTMAX, SIG.USR1, SIG.RTMAX, SIG.USR1]) yield* send(thread, signal);
      assert.deepEqual(yield* numbers, [SIG.USR1, SIG.RTMAX, SIG.RTMAX]);
      const streaming = yield* begin(Stream.runCollect(Stream.take(signals.stream, 40)));
      for (let i = 0; i < 41; i++) yield* send(thread, SIG.RTMAX);
      assert.lengthOf(yield* Fiber.join(streaming), 40);
    });

    it(`${where}, is interrupted at once, and takes nothing then`, function* () {
      const thread = yield* place;
      const signals = yield* listen(thread);
      const interrupted = yield* begin(signals.wait());
      const patient = yield* begin(signals.wait());
      yield* Fiber.interrupt(interrupted);
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(interrupted)));
      yield* send(thread, SIG.RTMAX);
      assert.equal((yield* Fiber.join(patient))[0].signo, SIG.RTMAX);
    });

    it(`${where}, that is closed tells those who wait`, function* () {
      const thread = yield* place;
      const signals = yield* listen(thread);
      assert.notEqual((yield* signals.handle.statusFlags()) & O.NONBLOCK, 0);
      const waiting = yield* begin(Effect.flip(signals.wait()));
      yield* signals.close();
      assert.equal((yield* Fiber.join(waiting))._tag, "UseAfterFreeError");
      assert.equal((yield* Effect.flip(signals.wait()))._tag, "UseAfterFreeError");
    });
  }

  it("of which the epoller has ended is of no use any more", function* () {
    const thread = yield* LocalThread;
    yield* SignalBlock.make(thread.task, both);
    const signalfd = yield* Signalfd.make(thread.task, both);
    const signals = yield* Effect.scoped(AsyncSignalfd.make(yield* thread.epoller(), signalfd));
    assert.equal((yield* Effect.flip(signals.wait()))._tag, "UseAfterFreeError");
  });

  it("has the signals for the process, where one thread is all of it", function* () {
    const { call } = yield* launchStubWith({});
    const signals = yield* listen(call.thread);
    const waiting = yield* begin(signals.wait());
    yield* kill((yield* LocalThread).task, call.pid, SIG.USR1);
    assert.equal((yield* Fiber.join(waiting))[0].code, SI.USER);
  });
});
