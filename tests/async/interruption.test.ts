import { readFileSync, writeFileSync } from "node:fs";
import { AF, Bytes, MSG, O, SHUT, SIG, SOCK, type Sockaddr } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncSignalfd } from "@rsyscall/epoller";
import {
  type FileDescriptor,
  type HandleFailure,
  Memfd,
  SignalBlock,
  Signalfd,
  Socket,
} from "@rsyscall/handle";
import {
  begin,
  execute,
  it,
  launchStub,
  mock,
  Random,
  seen,
  shell,
  statusOf,
  type ThreadKind,
  tempDirectory,
  threadKinds,
  turn,
} from "@rsyscall/harness";
import { catchErrno } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Option, type Scope } from "effect";
import { assert, describe } from "vitest";
import { type Family, families, listen, unconnected } from "./socketFamilies.ts";

const [unix, inet] = families as unknown as [Family, Family];

/** Lets a fiber run for a while, and then interrupts it. */
const interruptSometime = <A, E>(fiber: Fiber.Fiber<A, E>, random: Random) =>
  Effect.gen(function* () {
    for (let i = random.below(4); i > 0; i--) yield* random.below(2) === 0 ? turn : Effect.yieldNow;
    yield* Fiber.interrupt(fiber);
    return yield* Fiber.await(fiber);
  });

type Ends = readonly [from: AsyncFileDescriptor, to: AsyncFileDescriptor];

const pipeEnds = (thread: Thread) =>
  Effect.gen(function* () {
    const [reader, writer] = yield* thread.pipe();
    return [yield* thread.makeAfd(reader), yield* thread.makeAfd(writer)] as const;
  });

const socketEnds = (thread: Thread) =>
  Effect.gen(function* () {
    const [a, b] = yield* Socket.pair(thread.task);
    return [yield* thread.makeAfd(a), yield* thread.makeAfd(b)] as const;
  });

/** Ways of bytes from one end to the other. */
const ways = [
  {
    what: "a pipe",
    ends: pipeEnds,
    read: ([from]: Ends, size: number) => from.readBytes(size),
    write: ([, to]: Ends, bytes: Uint8Array) => to.writeAllBytes(bytes),
  },
  {
    what: "a socket",
    ends: socketEnds,
    read: ([from]: Ends, size: number) => (from as AsyncFileDescriptor<Socket>).recvBytes(size),
    write: ([, to]: Ends, bytes: Uint8Array) =>
      (to as AsyncFileDescriptor<Socket>).sendAllBytes(bytes),
  },
];

describe.each(threadKinds)("a thousand interruptions %s", (_name, place) => {
  for (const { what, ends, read, write } of ways) {
    it(`of readers of ${what} lose no byte`, function* () {
      const pair = yield* ends(yield* place);
      const random = new Random(1);
      /** Byte i of the stream. */
      const byteAt = (i: number) => (i ^ (i >> 8) ^ (i >> 16)) & 255;
      let sent = 0;
      let interrupted = 0;
      const writing = yield* begin(
        Effect.gen(function* () {
          while (interrupted < 1000) {
            const start = sent;
            const bytes = Uint8Array.from({ length: 1 + random.below(300) }, (_, i) =>
              byteAt(start + i),
            );
            yield* write(pair, bytes);
            sent += bytes.length;
            for (let i = random.below(5); i > 0; i--) yield* turn;
          }
          yield* pair[1].close();
        }),
      );
      let got = 0;
      for (;;) {
        const reading = yield* begin(read(pair, 1 + random.below(500)));
        const exit = yield* interrupted < 1000
          ? interruptSometime(reading, random)
          : Fiber.await(reading);
        if (Exit.isFailure(exit)) {
          assert.isTrue(Exit.hasInterrupts(exit));
          interrupted++;
          continue;
        }
        if (exit.value.length === 0) break;
        for (const byte of exit.value) {
          if (byte !== byteAt(got)) assert.fail(`byte ${got}, after ${interrupted} interruptions`);
          got++;
        }
      }
      yield* Fiber.join(writing);
      assert.equal(got, sent);
      assert.equal(interrupted, 1000);
    });

    it(`of writers to ${what} leave a beginning of each part, in order`, function* () {
      const pair = yield* ends(yield* place);
      const random = new Random(2);
      /** Part number n repeats the number n: now and then more than there is room for. */
      const parts: Array<{ readonly length: number; readonly whole: boolean }> = [];
      const part = (n: number, length: number) =>
        new Uint8Array(new Uint32Array(length).fill(n).buffer);
      const reading = yield* begin(
        Effect.gen(function* () {
          const got: Array<Uint8Array> = [];
          for (;;) {
            const bytes = yield* read(pair, 40_000);
            if (bytes.length === 0) return new Uint8Array(Buffer.concat(got));
            got.push(bytes);
            for (let i = random.below(6); i > 0; i--) yield* turn;
          }
        }),
      );
      for (let interrupted = 0; interrupted < 1000; ) {
        // An interrupted part ends anywhere. The next part is recognisable only if it ends at a whole number.
        const length = 1024 * (1 + random.below(40));
        const writing = yield* begin(write(pair, part(parts.length, length)));
        const exit = yield* interruptSometime(writing, random);
        if (Exit.isFailure(exit)) interrupted++;
        parts.push({ length, whole: Exit.isSuccess(exit) });
      }
      yield* pair[1].close();
      const all = yield* Fiber.join(reading);
      assert.equal(all.length % 4, 0);
      const numbers = new Uint32Array(all.buffer);
      let at = 0;
      for (const [n, { length, whole }] of parts.entries()) {
        let count = 0;
        while (numbers[at] === n) {
          count++;
          at++;
        }
        assert.isAtMost(count, length, `numbers of part ${n}`);
        if (whole) assert.equal(count, length, `numbers of part ${n}, which was not interrupted`);
      }
      assert.equal(at, numbers.length, "what belongs to no part, or to one that had its turn");
    });
  }

  it("of accept lose no connection", function* () {
    const thread = yield* place;
    const local = yield* LocalThread;
    const { listener, address } = yield* listen(thread, unix, 4096);
    const random = new Random(3);
    const clients = yield* begin(
      Effect.gen(function* () {
        const all: Array<AsyncFileDescriptor<Socket>> = [];
        for (let i = 0; i < 300; i++) {
          const client = yield* unconnected(local, unix);
          yield* client.connect(address);
          yield* client.sendAllBytes(Uint8Array.of(i >> 8, i & 255));
          all.push(client);
          for (let i = random.below(4); i > 0; i--) yield* turn;
        }
        return all;
      }),
    );
    const heard = new Set<number>();
    const serve = (socket: AsyncFileDescriptor<Socket>) =>
      Effect.gen(function* () {
        const [high, low] = yield* socket.readBytes(2);
        heard.add(((high as number) << 8) | (low as number));
      });
    let interrupted = 0;
    while (interrupted < 1000) {
      // The scope stays open: an interruption does not close accepted connections.
      const accepting = yield* begin(listener.accept());
      const exit = yield* interruptSometime(accepting, random);
      if (Exit.isSuccess(exit)) yield* serve(exit.value);
      else interrupted++;
    }
    yield* Fiber.join(clients);
    // The rest has arrived already.
    while (heard.size < 300) {
      const last = yield* listener.accept().pipe(Effect.timeoutOption("5 seconds"));
      if (last._tag === "None") break;
      yield* serve(last.value);
    }
    assert.equal(heard.size, 300);
  });

  it("of a wait for a hang-up leave it to be seen", function* () {
    const [from, to] = yield* socketEnds(yield* place);
    const random = new Random(4);
    for (let i = 0; i < 1000; i++) {
      const exit = yield* interruptSometime(yield* begin(from.waitForRdhup()), random);
      assert.isTrue(Exit.hasInterrupts(exit));
    }
    yield* to.handle.shutdown(SHUT.WR);
    yield* from.waitForRdhup();
  });
});

/** Runs an effect while the process is stopped. */
const whileStopped = <A, E, R>(thread: Thread, effect: Effect.Effect<A, E, R>) => {
  const { pid } = thread.task;
  return Effect.acquireUseRelease(
    Effect.sync(() => process.kill(pid, "SIGSTOP")),
    () =>
      Effect.gen(function* () {
        while (statusOf(pid) !== "T") yield* turn;
        return yield* effect;
      }),
    () => Effect.sync(() => process.kill(pid, "SIGCONT")),
  );
};

describe("what comes for a fiber that was interrupted meanwhile", () => {
  /** Two fibers wait; both are woken, and the first is interrupted with its call on its way. */
  const interruptFirst = <A>(
    thread: Thread,
    wait: Effect.Effect<A, HandleFailure, Scope.Scope>,
    wake: Effect.Effect<void>,
  ) =>
    Effect.gen(function* () {
      const first = yield* begin(wait);
      const second = yield* begin(wait);
      yield* thread.task.sysif.barrier();
      yield* turn;
      yield* whileStopped(
        thread,
        Effect.gen(function* () {
          yield* wake;
          for (let i = 0; i < 5; i++) yield* turn;
          first.interruptUnsafe();
        }),
      );
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(first)));
      return yield* Fiber.join(second).pipe(Effect.timeoutOption("3 seconds"));
    });

  it("is given to the next waiter: bytes", function* () {
    const { thread } = (yield* launchStub).call;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    const got = yield* interruptFirst(
      thread,
      afd.readBytes(),
      Effect.sync(() => writeFileSync(`/proc/${thread.task.pid}/fd/${writer.near}`, "bytes")),
    );
    assert.deepEqual(got, Option.some(new TextEncoder().encode("bytes")));
  });

  it("is given to the next waiter: a connection", function* () {
    const { thread } = (yield* launchStub).call;
    const { listener, address } = yield* listen(thread, unix, 8);
    const client = yield* unconnected(yield* LocalThread, unix);
    const got = yield* interruptFirst(
      thread,
      listener.accept(),
      Effect.orDie(client.connect(address)),
    );
    assert.isTrue(Option.isSome(got));
  });

  it("is given to the next waiter: a signal", function* () {
    const { thread } = (yield* launchStub).call;
    const usr1 = new Set([SIG.USR1]);
    yield* SignalBlock.make(thread.task, usr1);
    const signalfd = yield* Signalfd.make(thread.task, usr1);
    const signals = yield* AsyncSignalfd.make(yield* thread.epoller(), signalfd);
    const [first, second] = yield* whileStopped(
      thread,
      Effect.gen(function* () {
        process.kill(thread.task.pid, "SIGUSR1");
        const first = yield* begin(signals.wait());
        const second = yield* begin(signals.wait());
        first.interruptUnsafe();
        return [first, second] as const;
      }),
    );
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(first)));
    assert.equal((yield* Fiber.join(second))[0].signo, SIG.USR1);
  });

  /** Interrupts a fiber whose call is on its way. */
  const interruptOnItsWay = <A, E, R>(thread: Thread, call: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const calling = yield* whileStopped(
        thread,
        Effect.tap(begin(call), (fiber) => Effect.sync(() => fiber.interruptUnsafe())),
      );
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(calling)));
    });

  /** Ways to read four bytes. */
  const reads: ReadonlyArray<
    readonly [
      how: string,
      read: (
        thread: Thread,
        from: AsyncFileDescriptor<Socket>,
      ) => Effect.Effect<Uint8Array, unknown, Scope.Scope>,
    ]
  > = [
    ["is read", (_thread, from) => from.readBytes(4)],
    ["is received", (_thread, from) => from.recvBytes(4)],
    [
      "is read into memory",
      (thread, from) =>
        Effect.gen(function* () {
          const [used] = yield* from.read(yield* thread.task.malloc(Bytes, 4));
          return yield* used.read();
        }),
    ],
    [
      "is received with descriptors",
      (_thread, from) => Effect.map(from.receiveFds(4, 1), ({ bytes }) => bytes),
    ],
    ["is collected", (_thread, from) => from.takeBytes(4, (bytes) => bytes)],
  ];
  for (const [how, read] of reads)
    it(`comes before what ${how} behind it`, function* () {
      const { thread } = (yield* launchStub).call;
      for (const [, interrupted] of reads.slice(0, 4)) {
        const [from, to] = yield* socketEnds(thread);
        yield* to.handle.writeAllText("first then rest");
        const [first, second] = yield* whileStopped(
          thread,
          Effect.gen(function* () {
            const first = yield* begin(interrupted(thread, from));
            const second = yield* begin(read(thread, from));
            first.interruptUnsafe();
            return [first, second] as const;
          }),
        );
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(first)));
        let got = text(yield* Fiber.join(second));
        assert.equal(text(yield* from.recvBytes(100, MSG.PEEK)).slice(0, 2), "t ");
        while (got.length < 15) got += text(yield* read(thread, from));
        assert.equal(got, "first then rest");
      }
    });

  it("goes with its descriptors to a fiber that asks for those", function* () {
    const { thread } = (yield* launchStub).call;
    const [from, to] = yield* socketEnds(thread);
    const file = yield* Memfd.make(thread.task, "sent");
    yield* file.writeAllText("content");
    yield* to.handle.sendFds(new TextEncoder().encode("with "), [file, file]);
    yield* interruptOnItsWay(thread, from.receiveFds(100, 2));
    const { bytes, fds } = yield* from.receiveFds(3, 1);
    assert.equal(text(bytes), "wit");
    assert.equal(fds.length, 1);
    assert.equal((yield* (fds[0] as FileDescriptor).fstat()).size, 7);
    assert.deepInclude(yield* from.receiveFds(100, 1), {
      bytes: new TextEncoder().encode("h "),
      fds: [],
    });
  });

  it("is a whole datagram, with its address, to a fiber that has less room", function* () {
    const { thread } = (yield* launchStub).call;
    const socket = yield* thread.socket(AF.INET, SOCK.DGRAM);
    const own = yield* socket.bindFree({ family: "inet", address: "127.0.0.1", port: 0 } as const);
    const afd = yield* thread.makeAfd(socket);
    for (const sent of ["datagram", "second"])
      yield* socket.sendTo(new TextEncoder().encode(sent), own);
    yield* interruptOnItsWay(thread, afd.receiveFrom());
    const { bytes, address, flags } = yield* afd.receiveFrom(4);
    assert.deepEqual([text(bytes), address, flags], ["data", own, MSG.TRUNC]);
    assert.equal(text((yield* afd.receiveFrom()).bytes), "second");
    // An empty one is a datagram as well.
    yield* socket.sendTo(new Uint8Array(0), own);
    yield* interruptOnItsWay(thread, afd.receiveMessages([{}, {}]));
    const [empty] = yield* afd.receiveMessages([{}, {}]);
    assert.deepEqual([empty?.bytes.length, empty?.address], [0, own]);
  });

  it("goes before what is spliced", function* () {
    const { thread } = (yield* launchStub).call;
    const [from, into] = yield* pipeEnds(thread);
    const [result, to] = yield* pipeEnds(thread);
    yield* into.writeAllBytes(new TextEncoder().encode("first "));
    yield* interruptOnItsWay(thread, from.readBytes(3));
    // There is no room at first.
    const filled = 65_536;
    yield* to.writeAllBytes(new Uint8Array(filled));
    const splicing = yield* begin(from.spliceTo(to));
    yield* into.writeAllBytes(new TextEncoder().encode("second"));
    yield* into.close();
    yield* thread.task.sysif.barrier();
    yield* turn;
    assert.isUndefined(splicing.pollUnsafe());
    let left = filled;
    while (left > 0) left -= (yield* result.readBytes(left)).length;
    assert.equal(yield* Fiber.join(splicing), 12);
    yield* to.close();
    assert.equal(text(yield* thread.readToEof(result.handle)), "first second");
  });

  it("is closed with the descriptor if no fiber asks", function* () {
    const { thread } = (yield* launchStub).call;
    const { listener, address } = yield* listen(thread, unix, 8);
    const client = yield* unconnected(yield* LocalThread, unix);
    yield* client.connect(address);
    yield* interruptOnItsWay(thread, listener.accept());
    const ended = yield* begin(client.waitForRdhup());
    yield* turn;
    assert.isUndefined(ended.pollUnsafe());
    yield* listener.close();
    yield* Fiber.join(ended);
  });
});

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Every operation that can wait, in a state in which it must wait. */
const waits = (
  thread: Thread,
): Effect.Effect<
  ReadonlyArray<
    readonly [
      name: string,
      afd: AsyncFileDescriptor,
      wait: Effect.Effect<unknown, HandleFailure, Scope.Scope>,
    ]
  >,
  HandleFailure,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const pipes = [
      yield* pipeEnds(thread),
      yield* pipeEnds(thread),
      yield* pipeEnds(thread),
    ] as const;
    const sockets = [
      yield* socketEnds(thread),
      yield* socketEnds(thread),
      yield* socketEnds(thread),
      yield* socketEnds(thread),
    ] as const;
    const { listener } = yield* listen(thread, unix, 1);
    const full = yield* fullListener(thread);
    const client = yield* unconnected(thread, inet);
    for (let i = 0; i < 5; i++) yield* turn;
    const large = new Uint8Array(2_000_000);
    return [
      ["a read", pipes[0][0], pipes[0][0].readBytes()],
      ["a write", pipes[1][1], pipes[1][1].writeAllBytes(large)],
      ["a receive", sockets[0][0], sockets[0][0].recvBytes()],
      ["a send", sockets[1][1], sockets[1][1].sendAllBytes(large)],
      ["a receive of descriptors", sockets[2][0], sockets[2][0].receiveFds(10, 2)],
      ["a hang-up", sockets[3][0], sockets[3][0].waitForRdhup()],
      ["a splice", pipes[2][0], pipes[2][0].spliceTo(sockets[2][1])],
      ["an accept", listener, listener.accept()],
      ["a connect", client, client.connect(full.address)],
    ] as const;
  });

/** A listener whose queue is full: the kernel answers no connection, and clients wait. */
const fullListener = (thread: Thread) =>
  Effect.gen(function* () {
    const { listener, address } = yield* listen(thread, inet, 0);
    yield* (yield* unconnected(thread, inet)).connect(address);
    return { listener, address };
  });

/** Begins all these operations, and lets them wait. */
const beginWaits = (thread: Thread) =>
  Effect.gen(function* () {
    const begun = [];
    for (const [name, afd, wait] of yield* waits(thread))
      begun.push({ name, afd, fiber: yield* begin(wait) });
    for (let i = 0; i < 20; i++) {
      yield* thread.task.sysif.barrier();
      yield* turn;
    }
    for (const { name, fiber } of begun) assert.isUndefined(fiber.pollUnsafe(), `${name} waits`);
    return begun;
  });

describe("a wait", () => {
  it("is interrupted at once, whatever the process does meanwhile", function* () {
    const { call } = yield* launchStub;
    const begun = yield* beginWaits(call.thread);
    yield* Effect.acquireUseRelease(
      Effect.sync(() => process.kill(call.pid, "SIGSTOP")),
      () =>
        Effect.gen(function* () {
          while (statusOf(call.pid) !== "T") yield* turn;
          // Memory and descriptors in the process can only be given back when it goes on.
          for (const { name, fiber } of begun)
            yield* Effect.andThen(
              Effect.sync(() => fiber.interruptUnsafe()),
              turn,
            ).pipe(Effect.andThen(Effect.sync(() => assert.isDefined(fiber.pollUnsafe(), name))));
        }),
      () => Effect.sync(() => process.kill(call.pid, "SIGCONT")),
    );
    for (const { name, fiber } of begun)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)), name);
  });

  for (const [where, place] of threadKinds)
    it(`is told with a typed error that the descriptor was closed ${where}`, function* () {
      const thread = yield* place;
      const told: Record<string, string> = {};
      const begun = yield* beginWaits(thread);
      for (const { name, afd, fiber } of begun) {
        yield* afd.close();
        const exit = yield* Effect.exit(Fiber.join(fiber as Fiber.Fiber<unknown, HandleFailure>));
        told[name] = Exit.isSuccess(exit)
          ? "success"
          : ((yield* Effect.flip(exit as Exit.Failure<unknown, HandleFailure>)) as HandleFailure)
              ._tag;
      }
      assert.deepEqual(
        told,
        Object.fromEntries(begun.map(({ name }) => [name, "UseAfterFreeError"])),
      );
    });

  it("is told of a close that was interrupted itself", function* () {
    const { call } = yield* launchStub;
    const [from] = yield* pipeEnds(call.thread);
    const reading = yield* begin(from.readBytes());
    yield* call.thread.task.sysif.barrier();
    yield* turn;
    assert.isUndefined(reading.pollUnsafe());
    process.kill(call.pid, "SIGSTOP");
    while (statusOf(call.pid) !== "T") yield* turn;
    const closing = yield* begin(from.close());
    closing.interruptUnsafe();
    yield* turn;
    process.kill(call.pid, "SIGCONT");
    yield* Fiber.await(closing);
    const told = yield* Fiber.await(reading).pipe(Effect.timeoutOption("3 seconds"));
    assert.equal(told._tag, "Some", "the reader has ended");
  });
});

describe("connect", () => {
  it("goes on where an interruption has left it", function* () {
    const connect = ([where, place]: ThreadKind) =>
      Effect.gen(function* () {
        const thread = yield* place;
        const { listener, address } = yield* fullListener(yield* LocalThread);
        const client = yield* unconnected(thread, inet);
        for (let i = 0; i < 10; i++) {
          const connecting = yield* begin(client.connect(address));
          for (let j = 0; j < i; j++) yield* turn;
          yield* Fiber.interrupt(connecting);
          const exit = yield* Fiber.await(connecting);
          assert.isTrue(Exit.hasInterrupts(exit), `${where}, attempt ${i}`);
        }
        const connecting = yield* begin(client.connect(address));
        // There is room again: the kernel's next retry, after a second or so, succeeds.
        yield* listener.accept();
        yield* Fiber.join(connecting);
        yield* client.sendAllBytes(Uint8Array.of(42));
        const accepted = yield* listener.accept();
        assert.deepEqual(yield* accepted.readBytes(), Uint8Array.of(42), where);
      });
    yield* Effect.forEach(threadKinds, connect, { concurrency: "unbounded" });
  });

  it("succeeds if the kernel has connected meanwhile, and otherwise gives its error", function* () {
    const thread = yield* LocalThread;
    const { listener, address } = yield* listen(thread, inet, 8);
    const interrupted = (to: Sockaddr) =>
      Effect.gen(function* () {
        const client = yield* unconnected(thread, inet);
        const connecting = yield* begin(client.connect(to));
        yield* Fiber.interrupt(connecting);
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(connecting)));
        for (let i = 0; i < 5; i++) yield* turn;
        return client;
      });
    const client = yield* interrupted(address);
    yield* listener.accept();
    yield* client.connect(address);
    // The connection is reported once. From then on the socket is connected as any other.
    assert.include((yield* Effect.flip(client.connect(address))).message, "EISCONN");
    const refused = yield* thread.socket(AF.INET, SOCK.STREAM);
    yield* refused.bind({ family: "inet", address: "127.0.0.1", port: 0 });
    const unheard = (yield* refused.address()) as Sockaddr;
    const error = yield* Effect.flip((yield* interrupted(unheard)).connect(unheard));
    assert.include(error.message, "ECONNREFUSED");
  });

  it("does not take an event from before for a connection", function* () {
    const { call } = yield* launchStub;
    const local = yield* LocalThread;
    const { listener, address } = yield* fullListener(local);
    const socket = yield* call.thread.socket(AF.INET, SOCK.STREAM);
    const client = yield* call.thread.makeAfd(socket);
    const [ours] = (yield* call.thread.connection.passFrom([socket])) as [FileDescriptor];
    const sameSocket = yield* ours.reclassify(Socket);
    const other = yield* listen(local, inet, 8);
    // The events of the registration have come.
    for (let i = 0; i < 5; i++) yield* turn;
    // An event comes after the request to connect was sent, and before it is performed.
    process.kill(call.pid, "SIGSTOP");
    while (statusOf(call.pid) !== "T") yield* turn;
    const connecting = yield* begin(client.connect(address));
    yield* sameSocket.connect(other.address).pipe(catchErrno("EINPROGRESS", () => Effect.void));
    for (let i = 0; i < 5; i++) yield* turn;
    yield* sameSocket.connect(new Uint8Array(16)); // AF_UNSPEC: not connected any more
    for (let i = 0; i < 5; i++) yield* turn;
    process.kill(call.pid, "SIGCONT");
    yield* call.thread.task.sysif.barrier();
    for (let i = 0; i < 5; i++) yield* turn;
    assert.isUndefined(connecting.pollUnsafe(), "not accepted yet");
    yield* listener.accept();
    yield* Fiber.join(connecting);
    assert.deepEqual(yield* socket.peerAddress(), address);
  });

  for (const [where, place] of threadKinds)
    it(`leaves no hang-up behind from before there was a connection ${where}`, function* () {
      const thread = yield* place;
      for (const family of families) {
        const { listener, address } = yield* listen(thread, family, 8);
        const client = yield* unconnected(thread, family);
        // A socket that is not connected is a socket that hangs up: poll(2).
        for (let i = 0; i < 5; i++) yield* turn;
        yield* client.connect(address);
        const ended = yield* begin(client.waitForRdhup());
        for (let i = 0; i < 5; i++) yield* turn;
        assert.isUndefined(ended.pollUnsafe(), family[0]);
        const server = yield* listener.accept();
        yield* server.close();
        yield* Fiber.join(ended);
      }
    });
});

/** The path of a named pipe. */
const fifo = Effect.gen(function* () {
  const path = `${yield* tempDirectory}/fifo`;
  assert.equal((yield* execute("mkfifo", [path])).status, 0);
  return path;
});

/** The status flags of a descriptor as the kernel shows them: proc_pid_fdinfo(5). */
const flagsOf = (pid: number, fd: number): number =>
  Number.parseInt(
    /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1] as string,
    8,
  );

describe("O_NONBLOCK", () => {
  for (const [where, place] of threadKinds)
    it(`comes to the other flags, and takes none away ${where}`, function* () {
      const thread = yield* place;
      const path = yield* fifo;
      for (const more of [0, O.APPEND, O.NOATIME, O.APPEND | O.NOATIME, O.APPEND | O.NONBLOCK]) {
        const fd = yield* thread.open(path, O.RDWR | more);
        const { pid } = thread.task;
        const before = flagsOf(pid, fd.near);
        assert.equal(before & more, more);
        const afd = yield* thread.makeAfd(fd);
        assert.equal(flagsOf(pid, fd.near), before | O.NONBLOCK);
        yield* afd.writeAllBytes(Uint8Array.of(1));
        assert.deepEqual(yield* afd.readBytes(), Uint8Array.of(1));
      }
    });

  it("is not left on a file that cannot be waited for", function* () {
    const thread = yield* LocalThread;
    const file = yield* thread.open(`${yield* tempDirectory}/file`, O.RDWR | O.CREAT, 0o600);
    const before = flagsOf(process.pid, file.near);
    const error = yield* Effect.flip(thread.makeAfd(file));
    assert.include(error.message, "EPERM");
    assert.equal(flagsOf(process.pid, file.near), before);
  });

  it("is not set on stdio that a stub shares with its caller, whichever fiber waits for it", function* () {
    const flags: Array<ReadonlyArray<number>> = [];
    const { path } = yield* mock(({ thread, pid }) =>
      Effect.gen(function* () {
        const look = () => flags.push([0, 1, 2].map((fd) => flagsOf(pid, fd)));
        look();
        const reading = yield* begin(thread.readToEof(thread.stdin));
        yield* thread.task.sysif.barrier();
        yield* turn;
        assert.isUndefined(reading.pollUnsafe());
        look();
        yield* thread.writeAll(thread.stdout, new TextEncoder().encode("go\n"));
        const text = yield* Fiber.join(reading);
        look();
        // More than there is room for: it waits for the reader.
        yield* thread.writeAll(thread.stdout, new Uint8Array(300_000).fill(text[0] as number));
        look();
        return 3;
      }),
    );
    const ended = yield* shell(
      // The stub gets its input once it has been seen to wait for it.
      `{ read go <"$2"; echo x; } | "$1" | { read go; echo $go >"$2"; wc -c; }`,
      [path, yield* fifo],
    );
    assert.deepEqual(seen(ended), { status: 0, stdout: "300000\n", stderr: "" });
    assert.equal(flags.length, 4);
    for (const each of flags) assert.deepEqual(each, flags[0]);
    for (const flag of flags[0] as ReadonlyArray<number>) assert.equal(flag & O.NONBLOCK, 0);
  });
});
