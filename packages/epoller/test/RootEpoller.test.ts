import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { AF, CLOCK, EPOLL, SOCK, type Sockaddr } from "@rsyscall/abi";
import { Epoll, type FileDescriptor, Socket, Timerfd, UseAfterFreeError } from "@rsyscall/handle";
import {
  begin,
  execute,
  it,
  launchStub,
  launchStubWith,
  statusOf,
  tempDirectory,
  turn,
  worksAsync,
} from "@rsyscall/harness";
import { getpid, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncTimerfd, Epoller } from "../src/index.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (string: string) => new TextEncoder().encode(string);
const range = (length: number) => Array.from({ length }, (_, i) => i);
/** A thread of a stub that is reached over sockets alone, whose epoll instance stays with it. */
const rooted = Effect.gen(function* () {
  const { call, caller } = yield* launchStubWith({ sharedMemory: false });
  const local = yield* (yield* LocalThread).epoller();
  const { pid } = call;
  let holds = 0;
  const loop = {
    hold: () => {
      holds++;
      local.hold();
    },
    letGo: () => {
      holds--;
      local.letGo();
    },
  };
  const scope = yield* Scope.make();
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void));
  const epoll = yield* Scope.provide(Epoll.make(call.thread.task), scope);
  epoll.closeOnFork = true;
  const epoller = yield* Scope.provide(Epoller.makeRoot(epoll, loop), scope);
  const thread = call.thread.with({ epoller: () => Effect.succeed(epoller) });
  /** What somebody else does who has the descriptor: no request of ours. */
  const write = (fd: FileDescriptor, content: string) =>
    writeFileSync(`/proc/${pid}/fd/${fd.near}`, content);
  return { thread, epoll, epoller, scope, caller, pid, write, holds: () => holds };
});

/** Waits until a stub sleeps for its epoll instance and for requests: in ppoll(2) of two descriptors. */
const untilWaiting = (pid: number) =>
  Effect.gen(function* () {
    const { task } = yield* LocalThread;
    const ppoll = task.abi.syscallNumber("ppoll");
    const inside = () => {
      const [number, , count] = readFileSync(`/proc/${pid}/syscall`, "latin1").split(" ");
      return Number(number) === ppoll && count === "0x2";
    };
    while (!inside()) yield* turn;
  });

/** Waits until a stub sleeps, for whatever it may be. */
const untilStopped = (pid: number) =>
  Effect.gen(function* () {
    while (statusOf(pid) !== "T") yield* turn;
  });

const epolls = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === "anon_inode:[eventpoll]";
    } catch {
      return false;
    }
  });

describe("a root epoller", () => {
  it("waits for pipes: reading, writing, streams, splices, the end", function* () {
    const { thread } = yield* rooted;
    yield* worksAsync(thread);
    const [reader, writer] = yield* thread.pipe();
    const from = yield* thread.makeAfd(reader);
    const to = yield* thread.makeAfd(writer);
    assert.include((yield* Effect.flip(to.readBytes())).message, "EBADF");
    const sent = Uint8Array.from({ length: 500_000 }, (_, i) => (i * 11) % 253);
    const [result, outOf] = yield* thread.pipe();
    const into = yield* thread.makeAfd(outOf);
    yield* begin(Effect.andThen(from.spliceTo(into), into.close()));
    yield* begin(Effect.andThen(Stream.run(Stream.fromArray([sent]), to.sink), to.close()));
    const parts = yield* Stream.runCollect((yield* thread.makeAfd(result)).stream());
    assert.equal(Buffer.compare(Buffer.concat([...parts]), sent), 0);
  });

  it("waits for descriptors that must stay blocking", function* () {
    const { thread, pid, write } = yield* rooted;
    const [reader, writer] = yield* thread.pipe();
    const reading = yield* begin(thread.readToEof(reader));
    yield* untilWaiting(pid);
    write(writer, "from outside");
    yield* writer.close();
    assert.equal(text(yield* Fiber.join(reading)), "from outside");
  });

  it("waits for sockets: connect, accept, both directions, descriptors, hang-ups", function* () {
    const { thread } = yield* rooted;
    const { task } = thread;
    const listening = yield* Socket.make(task, AF.INET, SOCK.STREAM);
    yield* listening.bind({ family: "inet", address: "127.0.0.1", port: 0 });
    yield* listening.listen(8);
    const address = (yield* listening.address()) as Sockaddr;
    const listener = yield* thread.makeAfd(listening);
    const accepting = yield* begin(listener.acceptFrom());
    const client = yield* thread.makeAfd(yield* Socket.make(task, AF.INET, SOCK.STREAM));
    yield* client.connect(address);
    const [server, peer] = yield* Fiber.join(accepting);
    assert.deepEqual(peer, yield* client.handle.address());
    const ending = yield* begin(server.waitForRdhup());
    const heard = yield* begin(server.recvBytes());
    yield* client.sendAllBytes(bytes("over the network"));
    assert.equal(text(yield* Fiber.join(heard)), "over the network");
    assert.isUndefined(ending.pollUnsafe());
    yield* client.handle.shutdown(1);
    yield* Fiber.join(ending);
    assert.equal((yield* server.readBytes()).length, 0);

    const refused = yield* thread.makeAfd(yield* Socket.make(task, AF.INET, SOCK.STREAM));
    yield* listener.close();
    const error = yield* Effect.flip(refused.connect(address));
    assert.deepInclude({ ...error }, { syscall: "connect", errno: "ECONNREFUSED" });

    const [a, b] = yield* Socket.pair(task);
    const [reader, writer] = yield* thread.pipe();
    const receiver = yield* thread.makeAfd(a);
    const receiving = yield* begin(receiver.receiveFds(10, 2));
    yield* b.sendFds(bytes("take"), [writer]);
    const { fds } = yield* Fiber.join(receiving);
    yield* (fds[0] as FileDescriptor).writeAllText("passed");
    assert.equal(text(yield* (yield* thread.makeAfd(reader)).readBytes()), "passed");
  });

  it("waits for what is no stream, and for the same descriptor both ways at once", function* () {
    const { thread, epoller } = yield* rooted;
    const timerfd = yield* Timerfd.make(thread.task, CLOCK.MONOTONIC);
    const timer = yield* AsyncTimerfd.make(epoller, timerfd);
    yield* timerfd.settime({ value: { seconds: 0, nanoseconds: 2_000_000 } });
    assert.equal(yield* timer.expirations(), 1n);
    const [a, b] = yield* Socket.pair(thread.task);
    const [left, right] = [yield* thread.makeAfd(a), yield* thread.makeAfd(b)];
    const sent = new Uint8Array(600_000).fill(7);
    const echoing = yield* begin(Stream.run(left.stream(), left.sendSink()));
    const sending = yield* begin(
      Effect.andThen(right.sendAllBytes(sent), right.handle.shutdown(1)),
    );
    let size = 0;
    while (size < sent.length) size += (yield* right.readBytes()).length;
    yield* Fiber.join(sending);
    yield* Fiber.join(echoing);
    assert.equal(size, sent.length);
  });

  it("works in children of the task", function* () {
    const { thread } = yield* rooted;
    const child = yield* thread.fork();
    const epoll = yield* Epoll.make(child.task);
    const epoller = yield* Epoller.makeRoot(epoll, yield* (yield* LocalThread).epoller());
    yield* worksAsync(child.with({ epoller: () => Effect.succeed(epoller) }));
  });

  it("is refused where it would hold calls back, and twice for one task", function* () {
    const { thread, scope } = yield* rooted;
    const local = yield* LocalThread;
    const loop = yield* local.epoller();
    const refusal = (task: Thread["task"]) =>
      Effect.scoped(
        Effect.flatMap(Epoll.make(task), (epoll) => Effect.flip(Epoller.makeRoot(epoll, loop))),
      );
    const { call } = yield* launchStub;
    for (const { task } of [local, call.thread])
      assert.match(
        (yield* refusal(task)).message,
        /would hold back its other calls: use `Epoller.nested`/,
      );
    assert.match((yield* refusal(thread.task)).message, /waits for events already: use the/);
    yield* Scope.close(scope, Exit.void);
    const epoll = yield* Epoll.make(thread.task);
    const epoller = yield* Epoller.makeRoot(epoll, loop);
    yield* worksAsync(thread.with({ epoller: () => Effect.succeed(epoller) }));
  });
});

describe("while a root epoller waits", () => {
  it("calls are answered at once, alone, by the thousand, and from others", function* () {
    const { thread, pid, write } = yield* rooted;
    const { sysif } = thread.task;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    const reading = yield* begin(afd.readBytes());
    for (let i = 0; i < 20; i++) {
      yield* untilWaiting(pid);
      assert.equal(yield* getpid(sysif), pid);
    }
    for (let i = 0; i < 1000; i++) assert.equal(yield* getpid(sysif), pid);
    yield* untilWaiting(pid);
    const pids = yield* Effect.all(
      range(3000).map(() => getpid(sysif)),
      { concurrency: "unbounded" },
    );
    assert.deepEqual(pids, Array(3000).fill(pid));
    yield* untilWaiting(pid);
    const large = yield* thread.ptr(new Uint8Array(300_000).fill(9));
    assert.deepEqual(yield* large.read(), new Uint8Array(300_000).fill(9));
    yield* untilWaiting(pid);
    assert.isUndefined(reading.pollUnsafe());
    write(writer, "at last");
    assert.equal(text(yield* Fiber.join(reading)), "at last");
  });

  for (const [before, after] of [
    [0, 1],
    [1, 1],
    [0, 63],
    [62, 1],
    // The server reads 64 requests at a time.
    [63, 1],
    [63, 64],
    [127, 70],
  ] as const)
    it(`calls go on that were made in the same turn, ${before} before and ${after} behind`, function* () {
      const { epoller, thread, pid } = yield* rooted;
      const { sysif } = thread.task;
      yield* getpid(sysif);
      // All of it leaves in one write: the server has read the calls behind the wait when it comes to it.
      const first = yield* begin(
        Effect.all(
          range(before).map(() => getpid(sysif)),
          all,
        ),
      );
      epoller.hold();
      const behind = yield* begin(
        Effect.all(
          range(after).map(() => getpid(sysif)),
          all,
        ),
      );
      assert.deepEqual(yield* Fiber.join(first), Array(before).fill(pid));
      assert.deepEqual(yield* Fiber.join(behind), Array(after).fill(pid));
      yield* untilWaiting(pid);
      epoller.letGo();
    });

  it("each of a hundred descriptors is told of its own, all at once and one by one", function* () {
    const { thread, pid, write } = yield* rooted;
    const pipes = yield* Effect.forEach(range(100), () => thread.pipe());
    const afds = yield* Effect.forEach(pipes, ([reader]) => thread.makeAfd(reader));
    const readAll = Effect.forEach(afds, (afd) => begin(afd.readBytes()));
    const all = yield* readAll;
    yield* untilWaiting(pid);
    // More than one wait gives: they are there before the stub goes on.
    process.kill(pid, "SIGSTOP");
    yield* untilStopped(pid);
    pipes.forEach(([, writer], i) => {
      write(writer, `text ${i}`);
    });
    process.kill(pid, "SIGCONT");
    for (const [i, fiber] of all.entries())
      assert.equal(text(yield* Fiber.join(fiber)), `text ${i}`);
    const again = yield* readAll;
    for (const i of [99, 0, 50, 64, 63]) {
      yield* untilWaiting(pid);
      write((pipes[i] as (typeof pipes)[0])[1], `again ${i}`);
      const fiber = again[i] as (typeof again)[0];
      assert.equal(text(yield* Fiber.join(fiber)), `again ${i}`);
    }
    assert.equal(again.filter((fiber) => fiber.pollUnsafe() === undefined).length, 95);
    for (const fiber of again) yield* Fiber.interrupt(fiber);
  });

  it("a thousand bytes go to and fro, one by one", function* () {
    const { thread } = yield* rooted;
    const [a, b] = yield* Socket.pair(thread.task);
    const [left, right] = [yield* thread.makeAfd(a), yield* thread.makeAfd(b)];
    const echo = Effect.flatMap(left.readBytes(), (part) => left.sendAllBytes(part));
    const echoing = yield* begin(Effect.replicateEffect(echo, 500, { discard: true }));
    for (let i = 0; i < 500; i++) {
      yield* right.sendAllBytes(Uint8Array.of(i & 255));
      assert.deepEqual(yield* right.readBytes(), Uint8Array.of(i & 255));
    }
    yield* Fiber.join(echoing);
  });

  it("an interruption takes effect at once and loses nothing", function* () {
    const { thread, pid, write, holds } = yield* rooted;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    for (let i = 0; i < 20; i++) {
      const reading = yield* begin(afd.readBytes());
      yield* untilWaiting(pid);
      // The stub cannot answer anything.
      process.kill(pid, "SIGSTOP");
      yield* untilStopped(pid);
      yield* Fiber.interrupt(reading);
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(reading)));
      assert.equal(holds(), 0);
      write(writer, `${i} `);
      process.kill(pid, "SIGCONT");
      assert.equal(text(yield* afd.readBytes()), `${i} `);
    }
  });

  it("a deletion is safe: an event that was on its way finds nobody", function* () {
    const { thread, epoller, pid, write } = yield* rooted;
    const [reader, writer] = yield* thread.pipe();
    const [otherReader, otherWriter] = yield* thread.pipe();
    const [empty] = yield* thread.pipe();
    const other = yield* begin((yield* thread.makeAfd(otherReader)).readBytes());
    const told: Array<boolean> = [];
    const scope = yield* Scope.make();
    yield* Scope.provide(
      epoller.watch(reader, (hasEnded) => told.push(hasEnded)),
      scope,
    );
    yield* thread.task.sysif.barrier();
    yield* untilWaiting(pid);
    process.kill(pid, "SIGSTOP");
    yield* untilStopped(pid);
    // When the stub goes on there is an event, and behind it the request to delete the registration.
    write(writer, "too late");
    const deleting = yield* begin(Scope.close(scope, Exit.void));
    assert.deepEqual(told, [true]);
    // The next registration is not told what was meant for this one.
    const toldNext: Array<boolean> = [];
    const next = yield* begin(epoller.watch(empty, (hasEnded) => toldNext.push(hasEnded)));
    process.kill(pid, "SIGCONT");
    yield* Fiber.join(deleting);
    yield* thread.task.sysif.barrier();
    assert.deepEqual([told, toldNext], [[true], []]);
    assert.equal(text(yield* reader.readBytes()), "too late");
    yield* untilWaiting(pid);
    write(otherWriter, "other");
    assert.equal(text(yield* Fiber.join(other)), "other");
    yield* Fiber.join(next);
  });

  it("closing a descriptor that is waited for ends the wait for it", function* () {
    const { thread, pid } = yield* rooted;
    const [reader] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    const reading = yield* begin(afd.readBytes());
    yield* untilWaiting(pid);
    yield* afd.close();
    assert.instanceOf(yield* Effect.flip(Fiber.join(reading)), UseAfterFreeError);
  });

  it("neither side uses the CPU for it", function* () {
    const { thread, pid, write } = yield* rooted;
    const [reader, writer] = yield* thread.pipe();
    const reading = yield* begin((yield* thread.makeAfd(reader)).readBytes());
    const schedstat = () => {
      const [ran, , times] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
      return `${ran} ${times}`;
    };
    yield* untilWaiting(pid);
    while (statusOf(pid) !== "S") yield* turn;
    const before = schedstat();
    // Others run meanwhile, for some time. The stub is not even asked anything.
    for (let i = 0; i < 5; i++) assert.equal((yield* execute("/bin/true")).status, 0);
    assert.equal(schedstat(), before);
    write(writer, "x");
    yield* Fiber.join(reading);
  });
});

describe("who waits for a root epoller", () => {
  it("keeps the event loop going, and nobody else does", function* () {
    const { thread, epoller, holds, pid, write } = yield* rooted;
    const [reader, writer] = yield* thread.pipe();
    const afd = yield* thread.makeAfd(reader);
    assert.equal(holds(), 0);
    const reading = yield* begin(afd.readBytes());
    yield* untilWaiting(pid);
    assert.equal(holds(), 1);
    write(writer, "x");
    yield* Fiber.join(reading);
    assert.equal(holds(), 0);
    const [watched, end] = yield* thread.pipe();
    let told = 0;
    yield* epoller.watch(watched, () => told++);
    yield* untilWaiting(pid);
    assert.equal(holds(), 0);
    write(end, "x");
    // Told although nobody waits, as long as the loop goes on.
    while (told === 0) yield* turn;
    assert.equal(holds(), 0);
  });

  it("does not keep a program from ending once it has finished", function* () {
    const directory = yield* tempDirectory;
    const program = `
      import { spawn } from "node:child_process";
      import { Epoller, AsyncFileDescriptor } from "@rsyscall/epoller";
      import { Epoll } from "@rsyscall/handle";
      import { StubServer } from "@rsyscall/stub-server";
      import { LocalThread } from "@rsyscall/thread";
      import { Effect, Exit, Layer, Scope } from "effect";
      const program = Effect.gen(function* () {
        const local = yield* LocalThread;
        const serving = Scope.makeUnsafe();
        const options = { sharedMemory: false };
        const server = yield* Scope.provide(
          StubServer.make(local, "${directory}", "stub", options),
          serving,
        );
        spawn("${directory}/stub", { stdio: "ignore" }).unref();
        const { thread } = yield* server.accept();
        // A server waits for calls.
        yield* Scope.close(serving, Exit.void);
        const epoller = yield* Epoller.makeRoot(yield* Epoll.make(thread.task), yield* local.epoller());
        const [reader] = yield* thread.pipe();
        const afd = yield* AsyncFileDescriptor.make(epoller, reader);
        const [watched] = yield* thread.pipe();
        yield* epoller.watch(watched, () => {});
        yield* Effect.timeoutOption(afd.readBytes(), "20 millis");
        console.log("finished");
      });
      // All of it stays open, and the wait in flight.
      const scope = Scope.makeUnsafe();
      const context = await Effect.runPromise(Layer.buildWithScope(LocalThread.layer, scope));
      await Effect.runPromise(program.pipe(Scope.provide(scope), Effect.provide(context)));
    `;
    const { status, stdout, stderr } = yield* execute(process.execPath, ["--input-type=module"], {
      input: program,
    });
    assert.deepEqual([status, stdout.toString()], [0, "finished\n"], stderr.toString());
  });
});

describe("the end of a root epoller", () => {
  for (const [how, end] of [
    ["the stub is killed", (pid: number) => Effect.sync(() => process.kill(pid, "SIGKILL"))],
    [
      "the connection is closed",
      (_pid: number, thread: Thread) => Effect.asVoid(thread.task.sysif.close()),
    ],
    [
      "the stub exits",
      (_pid: number, thread: Thread) => Effect.asVoid(Effect.orDie(thread.exit(3))),
    ],
  ] as const)
    it(`fails all who wait, and those who come later, when ${how}`, function* () {
      const { thread, epoller, pid, holds } = yield* rooted;
      const [reader, writer] = yield* thread.pipe();
      const [watched] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const to = yield* thread.makeAfd(writer);
      const reading = yield* begin(afd.readBytes());
      const ending = yield* begin(to.waitForRdhup());
      const told: Array<boolean> = [];
      yield* epoller.watch(watched, (hasEnded) => told.push(hasEnded));
      yield* untilWaiting(pid);
      yield* end(pid, thread);
      for (const waiting of [reading, ending]) {
        const error = yield* Effect.flip(Fiber.join<unknown, unknown>(waiting));
        assert.isTrue(
          error instanceof SyscallSendError || error instanceof SyscallHangup,
          `${error}`,
        );
      }
      yield* turn;
      assert.deepEqual(told, [true]);
      assert.equal(holds(), 0);
      assert.instanceOf(yield* Effect.flip(afd.readBytes()), SyscallSendError);
      assert.instanceOf(yield* Effect.flip(thread.makeAfd(reader)), SyscallSendError);
    });

  it("leaves nothing in the task when its scope closes during a wait", function* () {
    const { thread, epoller, scope, pid, holds } = yield* rooted;
    assert.equal(epolls(pid).length, 1);
    const [reader] = yield* thread.pipe();
    const told: Array<boolean> = [];
    yield* epoller.watch(reader, (hasEnded) => told.push(hasEnded), EPOLL.IN);
    epoller.hold();
    yield* untilWaiting(pid);
    yield* Scope.close(scope, Exit.void);
    assert.deepEqual(told, [true]);
    epoller.letGo();
    assert.equal(holds(), 0);
    yield* thread.task.sysif.barrier();
    assert.deepEqual(epolls(pid), []);
    // It serves on, and waits for requests alone.
    const inside = () => readFileSync(`/proc/${pid}/syscall`, "latin1").split(" ")[2];
    while (inside() !== "0x1") yield* turn;
    assert.equal(yield* getpid(thread.task.sysif), pid);
  });

  it("comes when the epoll instance is closed under it, and holds nobody", function* () {
    const { thread, epoll, epoller, pid } = yield* rooted;
    const [reader] = yield* thread.pipe();
    const told: Array<boolean> = [];
    yield* epoller.watch(reader, (hasEnded) => told.push(hasEnded));
    yield* untilWaiting(pid);
    yield* epoll.close();
    while (told.length === 0) yield* turn;
    assert.deepEqual(told, [true]);
    assert.instanceOf(yield* Effect.flip(thread.makeAfd(reader)), UseAfterFreeError);
  });
});

const all = { concurrency: "unbounded" } as const;
