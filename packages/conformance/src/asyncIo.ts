import { AF, CLOCK, MSG, SHUT, SOCK } from "@rsyscall/abi";
import { AsyncTimerfd } from "@rsyscall/epoller";
import { bindUnix, Socket, Timerfd } from "@rsyscall/handle";
import { getpid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, failing, ok, refused } from "./internal/expect.ts";
import { beside, newThread, waiting } from "./internal/subject.ts";

const MiB = 1024 * 1024;

/** A socket at a path of its own that listens. */
const listening = Effect.fnUntraced(function* (thread: Thread, backlog: number) {
  const path = `${yield* thread.mkdtemp()}/socket`;
  const socket = yield* thread.socket(AF.UNIX, SOCK.STREAM);
  yield* bindUnix(socket, path);
  yield* socket.listen(backlog);
  return { path, afd: yield* thread.makeAfd(socket) };
});

/** Everything that can be read, in pieces of any size. */
const readAll = <E>(read: Effect.Effect<Uint8Array, E>): Effect.Effect<Uint8Array, E> =>
  Effect.gen(function* () {
    const parts: Array<Uint8Array> = [];
    while (true) {
      const bytes = yield* read;
      if (bytes.length === 0) return Buffer.concat(parts);
      parts.push(bytes);
    }
  });

export const asyncIo: ReadonlyArray<Behaviour> = topic("asynchronous I/O", [
  behaviour("makes other calls while a fiber waits for bytes, which wake it", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    for (const text of ["first", "second", "third"]) {
      const reading = yield* beside(afd.readBytes());
      equal(
        yield* waiting(
          "the result of a call while a fiber waits for bytes",
          getpid(thread.task.sysif),
        ),
        thread.task.pid,
        "what getpid gives meanwhile",
      );
      ok(reading.pollUnsafe() === undefined, "a read must wait until there is something");
      yield* writer.writeAllText(text);
      const bytes = yield* waiting(`the wake-up of a reader by "${text}"`, Fiber.join(reading));
      equal(utf8(bytes), text, "what the fiber has read");
    }
  }),

  behaviour("wakes a reader at the end, when the last writer closes", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    const reading = yield* beside(afd.readBytes());
    yield* getpid(thread.task.sysif);
    yield* writer.close();
    const bytes = yield* waiting("the end of a pipe without a writer", Fiber.join(reading));
    equal(bytes.length, 0, "the bytes at the end");
  }),

  behaviour("carries more than a pipe holds, the writer waiting for the reader", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const from = yield* thread.makeAfd(reader);
    const to = yield* thread.makeAfd(writer);
    const sent = pattern(2 * MiB + 1, 11);
    const writing = yield* beside(Effect.andThen(to.writeAllBytes(sent), to.close()));
    const got = yield* waiting("the end of what goes through a pipe", readAll(from.readBytes()));
    yield* Fiber.join(writing);
    equalBytes(got, sent, "what came through the pipe");
  }),

  behaviour("carries both directions of a socket at the same time", [], function* () {
    const thread = yield* newThread;
    const ends = yield* Socket.pair(thread.task);
    const [a, b] = [yield* thread.makeAfd(ends[0]), yield* thread.makeAfd(ends[1])];
    const [fromA, fromB] = [pattern(MiB, 21), pattern(MiB, 22)];
    const end = (socket: Socket) => socket.shutdown(SHUT.WR);
    const [, , atA, atB] = yield* waiting(
      "the end of both directions",
      Effect.all(
        [
          Effect.andThen(a.sendAllBytes(fromA), end(ends[0])),
          Effect.andThen(b.sendAllBytes(fromB), end(ends[1])),
          readAll(a.readBytes()),
          readAll(b.recvBytes(10_000)),
        ],
        { concurrency: "unbounded" },
      ),
    );
    equalBytes(atB, fromA, "what came one way");
    equalBytes(atA, fromB, "what came the other way");
  }),

  behaviour("accepts connections, also of those that have not come yet", [], function* () {
    const thread = yield* newThread;
    const { path, afd } = yield* listening(thread, 64);
    const accepting = yield* beside(Effect.forEach(Array.from({ length: 16 }), () => afd.accept()));
    yield* getpid(thread.task.sysif);
    const clients = yield* Effect.forEach(
      Array.from({ length: 16 }, (_, i) => i),
      (i) =>
        Effect.gen(function* () {
          const client = yield* thread.makeAfd(yield* thread.socket(AF.UNIX, SOCK.STREAM));
          yield* client.connect({ family: "unix", path });
          yield* client.sendAllBytes(new TextEncoder().encode(`client ${i}`));
          return client;
        }),
    );
    const servers = yield* waiting("all of the connections", Fiber.join(accepting));
    for (const [i, server] of servers.entries()) {
      equal(utf8(yield* server.readBytes()), `client ${i}`, `the bytes of connection ${i}`);
      yield* server.sendAllBytes(new TextEncoder().encode(`server ${i}`));
    }
    for (const [i, client] of clients.entries())
      equal(utf8(yield* client.readBytes()), `server ${i}`, `the answer to client ${i}`);
  }),

  behaviour("says why there is no connection", [], function* () {
    const thread = yield* newThread;
    const directory = yield* thread.mkdtemp();
    const client = yield* thread.makeAfd(yield* thread.socket(AF.UNIX, SOCK.STREAM));
    const path = `${directory}/nobody`;
    yield* refused(client.connect({ family: "unix", path }), "ENOENT", "connect to no socket");
    const silent = yield* thread.socket(AF.UNIX, SOCK.STREAM);
    yield* bindUnix(silent, path);
    yield* refused(
      client.connect({ family: "unix", path }),
      "ECONNREFUSED",
      "connect to a socket that does not listen",
    );
  }),

  behaviour(
    "wakes fibers that wait for a descriptor, with an error, when it is closed",
    [],
    function* () {
      const thread = yield* newThread;
      const [reader] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const reading = yield* beside(afd.readBytes());
      const { afd: listener } = yield* listening(thread, 1);
      const accepting = yield* beside(listener.accept());
      yield* getpid(thread.task.sysif);
      yield* afd.close();
      yield* listener.close();
      for (const [what, fiber] of [
        ["a read", reading],
        ["an accept", accepting],
      ] as const)
        yield* waiting(
          `the end of ${what} whose descriptor was closed`,
          failing(
            Fiber.join(fiber as Fiber.Fiber<unknown, unknown>),
            ["UseAfterFreeError"],
            `${what} whose descriptor was closed`,
          ),
        );
    },
  ),

  behaviour(
    "loses no byte when readers that wait are interrupted again and again",
    [],
    function* () {
      const thread = yield* newThread;
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const sent = pattern(10_000, 31);
      const parts: Array<Uint8Array> = [];
      for (let at = 0; at < sent.length; at += 200) {
        for (let i = 0; i < 3; i++) {
          const reading = yield* beside(afd.readBytes());
          // After this, no call of the read is in flight: it waits.
          yield* thread.task.sysif.barrier();
          yield* waiting("the end of a fiber that was interrupted", Fiber.interrupt(reading));
        }
        yield* writer.writeAllBytes(sent.subarray(at, at + 200));
        // Half of the bytes: the rest stays, and there is no new event for it.
        for (let i = 0; i < 2; i++)
          parts.push(yield* waiting("bytes after interrupted reads", afd.readBytes(100)));
      }
      equalBytes(Buffer.concat(parts), sent, "all that was read");
    },
  ),

  behaviour("wakes each of many fibers by its own descriptor", [], function* () {
    const thread = yield* newThread;
    const pipes = yield* Effect.forEach(Array.from({ length: 64 }), () =>
      Effect.gen(function* () {
        const [reader, writer] = yield* thread.pipe();
        return { afd: yield* thread.makeAfd(reader), writer };
      }),
    );
    const reading = yield* Effect.forEach(pipes, ({ afd }) => beside(afd.readBytes()));
    for (let i = pipes.length - 1; i >= 0; i--) {
      yield* (pipes[i] as (typeof pipes)[number]).writer.writeAllText(`pipe ${i}`);
      const bytes = yield* waiting(
        `the wake-up of fiber ${i}`,
        Fiber.join(reading[i] as (typeof reading)[number]),
      );
      equal(utf8(bytes), `pipe ${i}`, `what fiber ${i} has read`);
      for (const other of reading.slice(0, i))
        ok(other.pollUnsafe() === undefined, "the others must wait for bytes of their own");
    }
  }),

  behaviour("tells of the end of the other side of a socket", [], function* () {
    const thread = yield* newThread;
    const [ours, theirs] = yield* Socket.pair(thread.task);
    const afd = yield* thread.makeAfd(ours);
    const gone = yield* beside(afd.waitForRdhup());
    yield* getpid(thread.task.sysif);
    ok(gone.pollUnsafe() === undefined, "the other side must not be gone before it is");
    yield* theirs.close();
    yield* waiting("the hang-up of the other end of a socket", Fiber.join(gone));
    const error = yield* Effect.exit(afd.sendAllBytes(new Uint8Array(1)));
    ok(
      Exit.isFailure(error),
      "nothing can be sent to an end that is closed (EPIPE, and no signal)",
    );
  }),

  behaviour("waits for timers", [], function* () {
    const thread = yield* newThread;
    const timerfd = yield* Timerfd.make(thread.task, CLOCK.MONOTONIC);
    const timer = yield* AsyncTimerfd.make(yield* thread.epoller(), timerfd);
    yield* timerfd.settime({ value: { seconds: 0, nanoseconds: 1_000_000 } });
    equal(
      yield* waiting("the expiry of a timer of a millisecond", timer.expirations()),
      1n,
      "how often the timer has expired",
    );
  }),

  behaviour("keeps the packets of a socket apart", [], function* () {
    const thread = yield* newThread;
    const [a, b] = yield* Socket.pair(thread.task, AF.UNIX, SOCK.SEQPACKET);
    const [from, to] = [yield* thread.makeAfd(a), yield* thread.makeAfd(b)];
    for (const text of ["one", "two", "three"])
      yield* to.sendAllBytes(new TextEncoder().encode(text));
    equal(utf8(yield* from.recvBytes(100, MSG.PEEK)), "one", "the first packet, looked at");
    for (const text of ["one", "two", "three"])
      equal(utf8(yield* from.recvBytes()), text, "a packet");
  }),
]);
