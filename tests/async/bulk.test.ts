import { readFileSync } from "node:fs";
import { F } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import { begin, inStub, inStubOverSockets, it } from "@rsyscall/harness";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber, type Scope, Sink, Stream } from "effect";
import { assert, describe } from "vitest";

const MIB = 1024 * 1024;

/** Bytes of the pattern: a prime, so that no two parts of a stream are alike. */
const PERIOD = 65_521;

/** Bytes of one write. */
const PART = 256 * 1024;

/** The pattern that is sent again and again, repeated so that any part of it is in one piece. */
const pattern = Buffer.from(
  Uint8Array.from({ length: PERIOD + PART }, (_, i) => {
    const at = i % PERIOD;
    return (at * 31 + (at >> 8)) & 255;
  }),
);

/** Resident memory in KiB: proc_pid_status(5). */
const resident = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1]);
  return { own: number("RssAnon"), shared: number("RssShmem") };
};

const sending = (size: number): Stream.Stream<Uint8Array> =>
  Stream.unfold(0, (at) => {
    if (at >= size) return Effect.undefined;
    const start = at % PERIOD;
    const length = Math.min(PART, size - at);
    return Effect.succeed([pattern.subarray(start, start + length), at + length] as const);
  });

/** Checks parts against the pattern, samples memory now and then, and gives the number of bytes. */
const checking = (look: () => void) =>
  Sink.reduce(
    () => 0,
    (at, part: Uint8Array) => {
      const start = at % PERIOD;
      if (pattern.compare(part, 0, part.length, start, start + part.length) !== 0)
        assert.fail(`what came at ${at} is not what was sent`);
      const end = at + part.length;
      if (Math.floor(at / (8 * MIB)) !== Math.floor(end / (8 * MIB))) look();
      return end;
    },
  );

type Ends = readonly [from: AsyncFileDescriptor, to: AsyncFileDescriptor];

/**
 * Sends this many bytes, a tenth of them as a warm-up, and compares the memory of both processes with that
 * after the warm-up.
 */
const flat = (
  thread: Thread,
  size: number,
  ends: Effect.Effect<Ends, HandleFailure, Scope.Scope>,
) =>
  Effect.gen(function* () {
    const { pid } = thread.task;
    const transfer = (bytes: number) =>
      Effect.scoped(
        Effect.gen(function* () {
          const [from, to] = yield* ends;
          const most = { own: 0, shared: 0, here: 0 };
          const writing = yield* begin(
            Effect.andThen(Stream.run(sending(bytes), to.sink), to.close()),
          );
          const got = yield* Stream.run(
            from.stream(),
            checking(() => {
              const { own, shared } = resident(pid);
              most.own = Math.max(most.own, own);
              most.shared = Math.max(most.shared, shared);
              most.here = Math.max(most.here, resident(process.pid).own);
            }),
          );
          yield* Fiber.join(writing);
          assert.equal(got, bytes);
          return most;
        }),
      );
    const before = yield* transfer(size / 8);
    const { mapped } = thread.task.allocator;
    const after = yield* transfer(size);
    // A hundredth of a GiB would be ten times as much. This process has garbage, too.
    assert.isAtMost(after.own, before.own + 1024, "KiB of the process");
    assert.isAtMost(after.shared, before.shared + 1024, "KiB of both");
    assert.isAtMost(after.here, before.here + 96 * 1024, "KiB of this process");
    assert.equal(thread.task.allocator.mapped, mapped);
  });

const pipeEnds = (thread: Thread) =>
  Effect.gen(function* () {
    const [reader, writer] = yield* thread.pipe();
    // A part that fits in is one write.
    yield* writer.fcntl(F.SETPIPE_SZ, MIB);
    return [yield* thread.makeAfd(reader), yield* thread.makeAfd(writer)] as const;
  });

const socketEnds = (thread: Thread) =>
  Effect.gen(function* () {
    const [a, b] = yield* Socket.pair(thread.task);
    return [yield* thread.makeAfd(a), yield* thread.makeAfd(b)] as const;
  });

describe("a stream takes no more memory, however much goes through it", () => {
  it("1 GiB through a pipe of a stub", function* () {
    const thread = yield* inStub[1];
    yield* flat(thread, 1024 * MIB, pipeEnds(thread));
  });

  it("256 MiB through a socket of a stub", function* () {
    const thread = yield* inStub[1];
    yield* flat(thread, 256 * MIB, socketEnds(thread));
  });

  it("128 MiB through a pipe of a stub that shares no memory", function* () {
    const thread = yield* inStubOverSockets[1];
    yield* flat(thread, 128 * MIB, pipeEnds(thread));
  });
});
