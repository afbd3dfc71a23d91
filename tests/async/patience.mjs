/* A program whose own calls would all wait: each has a timeout. Prints as JSON what became of each, and how
 * long the event loop stood still at most, in milliseconds. */
import { AF, CLOCK, EPOLL, EPOLL_CTL, F, LOCK, MSG, O, SIG, SOCK, W } from "@rsyscall/abi";
import {
  bindUnix,
  Epoll,
  Eventfd,
  FileLock,
  Inotify,
  RecordLock,
  Signalfd,
  Socket,
  spawn,
  Timerfd,
} from "@rsyscall/handle";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { watchLoop } from "../fixtures/watchdog.mjs";

const [directory] = process.argv.slice(2);

const loop = watchLoop();

/** The write end of a full pipe. */
const full = (thread) =>
  Effect.gen(function* () {
    const [, writer] = yield* thread.pipe(O.NONBLOCK);
    yield* Effect.ignore(Effect.forever(writer.writeBytes(new Uint8Array(65536))));
    yield* writer.fcntl(4, 0);
    return writer;
  });

const fullSocket = (thread) =>
  Effect.gen(function* () {
    const [socket] = yield* Socket.pair(thread.task, AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
    yield* Effect.ignore(Effect.forever(socket.writeBytes(new Uint8Array(65536))));
    yield* socket.fcntl(4, 0);
    return socket;
  });

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const { task } = thread;
  const bytes = (size) => thread.ptr(new Uint8Array(size));
  const [reader] = yield* thread.pipe();
  const [socket] = yield* Socket.pair(task);
  const listening = yield* thread.socket(AF.UNIX, SOCK.STREAM);
  yield* bindUnix(listening, `${directory}/socket`);
  yield* listening.listen(1);
  const epoll = yield* Epoll.make(task);
  yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.IN, data: 1 });
  const child = yield* thread.spawn(Command.make("/bin/sleep", "1000"));
  const other = yield* thread.open(`${directory}/lock`, O.RDWR | O.CREAT);
  const file = yield* thread.open(`${directory}/lock`, O.RDWR);
  yield* FileLock.make(other);
  yield* RecordLock.make(other);
  const [fillable] = yield* Socket.pair(task, AF.UNIX, SOCK.DGRAM);
  // A part of the bytes is there.
  const half = Effect.map(
    Effect.tap(Socket.pair(task), ([one]) => one.sendAllBytes(new Uint8Array(4))),
    ([, two]) => two,
  );
  const refused = (effect) =>
    Effect.map(Effect.flip(effect), (error) => error.message.includes("would stop JavaScript"));
  const [pipe, stream] = [yield* full(thread), yield* fullSocket(thread)];
  const waits = {
    read: Effect.flatMap(bytes(8), (buffer) => reader.read(buffer)),
    readBytes: reader.readBytes(),
    recv: Effect.flatMap(bytes(8), (buffer) => socket.recv(buffer)),
    receiveFds: socket.receiveFds(1, 1),
    recvBytes: socket.recvBytes(),
    "recv, MSG_WAITALL": Effect.flatMap(bytes(8), (buffer) =>
      Effect.flatMap(half, (socket) => socket.recv(buffer, MSG.WAITALL)),
    ),
    "recvBytes, MSG_WAITALL": Effect.flatMap(half, (socket) => socket.recvBytes(8, MSG.WAITALL)),
    receiveFrom: socket.receiveFrom(),
    receiveMessage: socket.receiveMessage(),
    receiveMessages: socket.receiveMessages([{}, {}]),
    accept: listening.accept(),
    acceptFrom: listening.acceptFrom(),
    readCount: (yield* Eventfd.make(task)).readCount(),
    readExpirations: (yield* Timerfd.make(task, CLOCK.MONOTONIC)).readExpirations(),
    readSignals: (yield* Signalfd.make(task, new Set([SIG.USR1]))).readSignals(),
    readEvents: (yield* Inotify.make(task)).readEvents(),
    "epoll.wait for ever": epoll.wait(1, -1),
    waitid: child.pidfd.waitid(W.EXITED),
    write: Effect.flatMap(bytes(8), (buffer) => pipe.write(buffer)),
    writeBytes: pipe.writeBytes(new Uint8Array(8)),
    writeAllBytes: pipe.writeAllBytes(new Uint8Array(8)),
    send: Effect.flatMap(bytes(8), (buffer) => stream.send(buffer)),
    sendFds: stream.sendFds(new Uint8Array(1), [reader]),
    flock: file.flock(LOCK.EX),
    F_OFD_SETLKW: file.setRecordLock(F.WRLCK, {}, { wait: true }),
    "FileLock.make": FileLock.make(file),
    "RecordLock.make": RecordLock.make(file),
    sendBytes: stream.sendBytes(new Uint8Array(1)),
    sendAllBytes: stream.sendAllBytes(new Uint8Array(1)),
    // There is room for the first ones, and not for all.
    "sendMessages, until it is full": Effect.forever(
      fillable.sendMessages(Array(64).fill({ bytes: new Uint8Array(16384) })),
    ),
  };
  const outcomes = {};
  for (const [name, wait] of Object.entries(waits)) {
    const outcome = yield* Effect.exit(Effect.timeoutOption(Effect.scoped(wait), "15 millis"));
    outcomes[name] =
      outcome._tag === "Failure"
        ? String(outcome.cause)
        : outcome.value._tag === "None"
          ? "waits"
          : "is there";
  }
  // A timeout of its own.
  outcomes["epoll.wait 15 ms"] = (yield* epoll.wait(1, 15)).length === 0 ? "waits" : "is there";

  // Input that comes during the wait is complete and in order, though both ends are in this program.
  const [from, to] = yield* thread.pipe();
  const sent = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
  const writing = yield* Effect.forkChild(Effect.andThen(to.writeAllBytes(sent), to.close()));
  const parts = [];
  for (;;) {
    const part = yield* from.readBytes();
    if (part.length === 0) break;
    parts.push(part);
  }
  yield* Fiber.join(writing);
  outcomes["what was written"] =
    Buffer.compare(Buffer.concat(parts), sent) === 0 ? "is there" : "differs";
  // A child that no ChildProcess reaps.
  const { pidfd } = yield* spawn(thread.task, {
    path: "/bin/sleep",
    argv: ["sleep", "1000"],
    envp: [],
    fds: new Map(),
    deathSignal: SIG.KILL,
  });
  yield* pidfd.sendSignal(SIG.KILL);
  const ended = yield* pidfd.waitid(W.EXITED);
  outcomes["the end of a child"] = ended.signal === SIG.KILL;

  // All bytes in their parts, those before the end, and one datagram alone.
  const [one, two] = yield* Socket.pair(task);
  const sending = yield* Effect.forkChild(
    Effect.forEach([0, 1, 2, 3], (i) =>
      Effect.andThen(Effect.sleep("2 millis"), one.sendBytes(Uint8Array.of(i, i))),
    ),
  );
  const all = yield* two.recvBytes(6, MSG.WAITALL);
  yield* Fiber.join(sending);
  yield* one.close();
  const [end] = yield* two.recv(yield* bytes(8), MSG.WAITALL);
  const [source, target] = yield* Socket.pair(task, AF.UNIX, SOCK.DGRAM);
  yield* source.sendBytes(new Uint8Array(3));
  const datagram = yield* target.recvBytes(8, MSG.WAITALL);
  outcomes["MSG_WAITALL"] = [...all, ...(yield* end.read()), datagram.length];
  outcomes["MSG_WAITALL of messages"] = [
    yield* refused(target.receiveMessage({}, MSG.WAITALL)),
    yield* refused(target.receiveFds(1, 1, MSG.WAITALL)),
    yield* refused(target.receiveFrom(1, MSG.WAITALL)),
    yield* refused(target.recvBytes(1, MSG.WAITALL | MSG.PEEK)),
  ];

  // Calls that fail at once still do.
  const nonblocking = yield* thread.pipe(O.NONBLOCK);
  const errno = (effect) => Effect.map(Effect.flip(effect), (error) => error.errno);
  outcomes["non-blocking"] = yield* errno(nonblocking[0].readBytes());
  outcomes["the wrong direction"] = yield* errno(nonblocking[1].readBytes());
  outcomes["a directory"] = yield* errno((yield* thread.open("/")).readBytes());
  return outcomes;
});

const outcomes = await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)),
);
const longest = loop.take();
loop.stop();
console.log(JSON.stringify({ outcomes, longest: Math.round(longest) }));
