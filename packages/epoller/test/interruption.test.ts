import { Bytes, SIG } from "@rsyscall/abi";
import { Memfd, SignalBlock, Signalfd, Socket } from "@rsyscall/handle";
import { it, launchStub, launchStubWith } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Fiber, type Scope } from "effect";
import { assert, describe } from "vitest";
import { AsyncReadBuffer, AsyncSignalfd } from "../src/index.ts";

const places: ReadonlyArray<
  readonly [string, Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["here", LocalThread],
  ["in a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  [
    "in a stub, over sockets",
    Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  ],
];

/**
 * Begins something many times, and interrupts it at once or a little later: while it waits, or while its call
 * is on its way. Gives what came of those that were faster.
 */
const interruptOften = <A, E, R>(operation: Effect.Effect<A, E, R>, times = 300) =>
  Effect.gen(function* () {
    const results: Array<A> = [];
    for (let i = 0; i < times; i++) {
      const fiber = yield* Effect.forkChild(operation, { startImmediately: true });
      for (let turns = i % 4; turns > 0; turns--) yield* Effect.yieldNow;
      yield* Fiber.interrupt(fiber);
      const exit = fiber.pollUnsafe();
      if (exit?._tag === "Success") results.push(exit.value);
    }
    return results;
  });

for (const [where, threadOf] of places)
  describe(`an interruption ${where}`, () => {
    /** Numbered bytes, as many as a pipe holds. */
    const sent = Uint8Array.from({ length: 20_000 }, (_, i) => i % 251);

    const filledPipe = Effect.gen(function* () {
      const thread = yield* threadOf;
      const [reader, writer] = yield* thread.pipe();
      const writing = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let i = 0; i < sent.length; i += 200)
            yield* writer.writeAllBytes(sent.subarray(i, i + 200));
          yield* writer.close();
        }),
      );
      return { thread, writing, afd: yield* thread.makeAfd(reader) };
    });

    it("loses no byte of what is collected", function* () {
      const { afd, writing } = yield* filledPipe;
      const buffer = new AsyncReadBuffer(afd);
      yield* interruptOften(buffer.readLength(sent.length + 1));
      assert.deepEqual(yield* buffer.readLength(sent.length), sent);
      yield* Fiber.join(writing);
    });

    it("loses no byte of what is read", function* () {
      const { thread, afd, writing } = yield* filledPipe;
      const parts: Array<Uint8Array> = [];
      const readIntoBuffer = Effect.gen(function* () {
        const buffer = yield* thread.task.malloc(Bytes, 97);
        const [used] = yield* afd.read(buffer);
        return yield* used.read();
      }).pipe(Effect.scoped);
      for (let length = 0; length < sent.length; ) {
        const early = yield* interruptOften(afd.readBytes(83), 2);
        for (const part of [...early, yield* readIntoBuffer]) {
          parts.push(part);
          length += part.length;
        }
      }
      assert.deepEqual(new Uint8Array(Buffer.concat(parts)), sent);
      yield* Fiber.join(writing);
    });

    it("loses no descriptor that was sent", function* () {
      const thread = yield* threadOf;
      const [near, far] = yield* Socket.pair(thread.task);
      const afd = yield* thread.makeAfd(near);
      for (let i = 0; i < 20; i++) {
        const file = yield* Memfd.make(thread.task, "sent");
        yield* far.sendFds(Uint8Array.of(i), [file]);
      }
      const early = yield* interruptOften(afd.receiveFds(1, 1), 30);
      const rest = yield* Effect.replicateEffect(afd.receiveFds(1, 1), 20 - early.length);
      const all = [...early, ...rest];
      assert.deepEqual(
        all.map(({ bytes }) => bytes[0]).sort((a = 0, b = 0) => a - b),
        Array.from({ length: 20 }, (_, i) => i),
      );
      for (const { fds } of all) assert.equal((yield* (fds[0] as Memfd).fstat()).size, 0);
    });
  });

describe("an interruption", () => {
  it("loses no signal", function* () {
    const child = yield* (yield* LocalThread).fork();
    const signals = new Set([SIG.USR1]);
    yield* SignalBlock.make(child.task, signals);
    const afd = yield* AsyncSignalfd.make(
      yield* child.epoller(),
      yield* Signalfd.make(child.task, signals),
    );
    for (let i = 0; i < 50; i++) {
      yield* child.process.kill(SIG.USR1);
      const early = yield* interruptOften(afd.wait(), 4);
      if (early.length === 0) assert.equal((yield* afd.wait())[0].signo, SIG.USR1);
    }
  });
});
