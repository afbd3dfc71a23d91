import {
  chmodSync,
  chownSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { AF, CLONE, O, RLIMIT, SIG, SigHow, SOCK, type SyscallName } from "@rsyscall/abi";
import type { SyscallConnection } from "@rsyscall/connection";
import {
  connectUnix,
  PipeReader,
  PipeWriter,
  Socket,
  setresuid,
  setrlimit,
  sigprocmask,
} from "@rsyscall/handle";
import {
  eventually,
  execute,
  hasEnded,
  it,
  launchStub,
  missing,
  notRoot,
  start,
  statusOf,
  tempDirectory,
  untilEnded,
  worksAsync,
} from "@rsyscall/harness";
import { taskPath } from "@rsyscall/native";
import { call, localAbi, type Path, type SyscallError, SyscallHangup } from "@rsyscall/near";
import { StubServer } from "@rsyscall/stub-server";
import { Command, fieldsOf, LocalThread, type Thread } from "@rsyscall/thread";
import { LaunchError } from "@rsyscall/transport";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { PersistentTask, PersistentTaskError, type StartOptions } from "../src/index.ts";

const wires = [true, false] as const;
const wireName = (sharedMemory: boolean) =>
  sharedMemory ? "through shared memory" : "over sockets";

const socketPath = Effect.map(tempDirectory, (directory) => `${directory}/task.sock`);

/** Whatever becomes of the test, no process stays. */
const ending = (pid: number) =>
  Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has ended.
        }
      }),
      untilEnded(pid),
    ),
  );

/** A process that stays, of which its controller has taken its leave. */
const left = (parent: Thread, options: StartOptions = {}) =>
  Effect.gen(function* () {
    const path = yield* socketPath;
    const scope = yield* Scope.make();
    const task = yield* Scope.provide(PersistentTask.make(parent, path, options), scope);
    const { pid } = task.thread.task;
    const { process } = task;
    yield* Effect.addFinalizer(() => process?.killAndWait() ?? Effect.void);
    yield* task.keep();
    yield* Scope.close(scope, Exit.void);
    return { path, pid };
  });

const local = (options?: StartOptions) =>
  Effect.flatMap(LocalThread, (thread) => left(thread, options));

const connect = (path: string, options?: Parameters<typeof PersistentTask.connect>[2]) =>
  Effect.flatMap(LocalThread, (thread) => PersistentTask.connect(thread, path, options));

/** Arenas that a process has, by their inodes: guard pages cut one into pieces. */
const arenasOf = (pid: number) =>
  new Set(readFileSync(`/proc/${pid}/maps`, "latin1").match(/\d+ +(?=\/memfd:rsyscall)/g)).size;

/** Whether a process waits inside a system call. */
const isInCall = (pid: number, name: SyscallName) =>
  readFileSync(`/proc/${pid}/syscall`, "latin1").startsWith(`${localAbi()?.syscallNumber(name)} `);

const numbersOf = (pid: number) => readdirSync(`/proc/${pid}/fd`).map(Number);

/** How many descriptors a process has when it waits for somebody to connect. */
const descriptorsAtRest = (pid: number) =>
  // What the last controller had is given back by then: its memory goes last.
  Effect.map(
    eventually(() => arenasOf(pid) === 0),
    () => numbersOf(pid).length,
  );

const isGone = (path: string) => statSync(path, { throwIfNoEntry: false }) === undefined;

const reasonOf = (effect: Effect.Effect<unknown, unknown, Scope.Scope | LocalThread>) =>
  Effect.map(Effect.flip(Effect.scoped(Effect.asVoid(effect))), (error) => {
    assert.instanceOf(error, PersistentTaskError);
    return error.reason;
  });

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const visitor = fileURLToPath(new URL("./visitor.mjs", import.meta.url));
const fixture = fileURLToPath(new URL("./controller.mjs", import.meta.url));

/** What the controller of the fixture says that it has left. */
interface Left {
  readonly pid: number;
  readonly reader: number;
  readonly writer: number;
  readonly file: number;
  readonly program: number;
  readonly ended: number;
}

/** Another process as a controller, killed while it waits for a call. */
const killedController = (path: string, sharedMemory: boolean, kept: boolean) =>
  Effect.gen(function* () {
    const words = [path, sharedMemory ? "memory" : "sockets", kept ? "kept" : "not kept"];
    const controller = yield* start(process.execPath, [fixture, ...words]);
    let found: Left | undefined;
    yield* controller.line((line) => {
      if (line.startsWith("{")) found = JSON.parse(line);
      return found !== undefined;
    });
    const { pid } = found as Left;
    yield* ending(pid);
    // Until it is inside the call.
    yield* eventually(() => /^(0|\d+ 0x)/.test(readFileSync(`/proc/${pid}/syscall`, "latin1")));
    yield* controller.kill("SIGKILL");
    yield* controller.ended;
    if (kept) {
      process.kill((found as Left).ended, "SIGUSR1");
      yield* untilEnded((found as Left).ended);
    }
    return found as Left;
  });

const places: ReadonlyArray<
  [name: string, thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["the local thread", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a clone that shares files", Effect.flatMap(LocalThread, (t) => t.clone(CLONE.FILES))],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
];

describe("a persistent task", () => {
  for (const [name, place] of places)
    for (const sharedMemory of wires)
      it(`works from ${name}, ${wireName(sharedMemory)}, before and after a reconnect`, function* () {
        const parent = yield* place;
        const { path, pid } = yield* left(parent, { sharedMemory });
        assert.equal(statSync(path).mode & 0o777, 0o600);
        for (let i = 0; i < 5; i++)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { thread } = yield* PersistentTask.connect(parent, path, { sharedMemory });
              assert.equal(thread.task.pid, pid);
              assert.equal(fieldsOf(thread).memory !== undefined, sharedMemory);
              yield* worksAsync(thread);
              const state = yield* thread.run(Command.make("/bin/sh", "-c", "exit 7"));
              assert.equal(state.exitStatus, 7);
              yield* worksAsync(yield* thread.fork());
            }),
          );
        const last = yield* PersistentTask.connect(parent, path, { sharedMemory });
        yield* last.end();
        assert.isTrue(isGone(path));
        yield* untilEnded(pid);
      });

  it("begins a session, with nothing of its controller's", function* () {
    const { path, pid } = yield* local();
    const [, , , session] =
      /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1]?.split(" ") ?? [];
    assert.equal(Number(session), pid);
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), "/dev/null");
    const task = yield* connect(path);
    const found = yield* task.descriptors();
    assert.deepEqual(
      found.map(({ fd }): number => fd),
      [0, 1, 2],
    );
    assert.deepEqual(yield* task.children(), []);
  });

  it("has the stdout and stderr that it is given", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const path = yield* socketPath;
    const task = yield* PersistentTask.make(thread, path, { stdout: writer, stderr: writer });
    yield* writer.close();
    yield* task.thread.run(Command.make("/bin/sh", "-c", "echo out; echo error >&2"));
    yield* task.end();
    assert.equal(yield* thread.readTextToEof(reader), "out\nerror\n");
  });

  it("ignores SIGPIPE, which its children do not", function* () {
    const { path } = yield* local();
    const { thread } = yield* connect(path);
    const [reader, writer] = yield* thread.pipe();
    yield* reader.close();
    const error = yield* Effect.flip(writer.writeBytes(new Uint8Array(1)));
    assert.equal((error as SyscallError).errno, "EPIPE");
    const state = yield* thread.run(Command.make("/bin/sh", "-c", "kill -PIPE $$; exit 3"));
    assert.equal(state.signal, SIG.PIPE);
  });

  it("serves one after the other: others wait, and are told", function* () {
    const { path } = yield* local();
    const first = yield* connect(path);
    assert.equal(yield* reasonOf(connect(path, { timeout: "100 millis" })), "Busy");
    const second = yield* Effect.forkChild(connect(path), { startImmediately: true });
    yield* worksAsync(first.thread);
    yield* first.disconnect();
    yield* worksAsync((yield* Fiber.join(second)).thread);
  });

  it("leaves nothing behind, however many came and went", function* () {
    const { path, pid } = yield* local();
    const visit = (sharedMemory: boolean) =>
      Effect.scoped(Effect.flatMap(connect(path, { sharedMemory }), (it) => worksAsync(it.thread)));
    yield* visit(true);
    yield* (yield* connect(path)).disconnect();
    const before = yield* descriptorsAtRest(pid);
    for (let i = 0; i < 40; i++) yield* visit(i % 2 === 0);
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* connect(path);
        // Of the last one it has the memory, and of those before it none.
        assert.equal(arenasOf(pid), 1);
      }),
    );
    assert.equal(yield* descriptorsAtRest(pid), before);
  });
});

/** Operations of docs/protocol.md, with more bytes than a socket takes. */
const [SEND_ALL, RECV_ALL, SIZE] = [0x7fff0000, 0x7fff0001, 2 ** 22];

describe("a call in flight", () => {
  for (const sharedMemory of wires) {
    it(`is SyscallHangup when the process ends, ${wireName(sharedMemory)}`, function* () {
      const { path, pid } = yield* local({ sharedMemory });
      const task = yield* connect(path, { sharedMemory });
      const [reader] = yield* task.thread.pipe();
      const reading = yield* Effect.forkChild(Effect.flip(reader.readBytes(1)), {
        startImmediately: true,
      });
      yield* eventually(() => readFileSync(`/proc/${pid}/syscall`, "latin1").startsWith("0 "));
      process.kill(pid, "SIGKILL");
      assert.instanceOf(yield* Fiber.join(reading), SyscallHangup);
      yield* task.ended();
      assert.equal(yield* reasonOf(connect(path)), "NobodyListens");
    });

    it(`is SyscallHangup at a disconnect, and the next controller does not wait for it, ${wireName(sharedMemory)}`, function* () {
      const { path, pid } = yield* local({ sharedMemory });
      const numberOf = (name: SyscallName) => localAbi()?.syscallNumber(name) as number;
      const blocking: ReadonlyArray<
        readonly [
          number: number,
          block: (thread: Thread) => Effect.Effect<unknown, unknown, Scope.Scope>,
        ]
      > = [
        [
          numberOf("read"),
          (thread) => Effect.flatMap(thread.pipe(), ([reader]) => reader.readBytes(1)),
        ],
        [numberOf("ppoll"), ({ task }) => call(task.sysif, "ppoll", 0, 0, 0, 0, 0)],
        [
          numberOf("nanosleep"),
          ({ task }) =>
            task.withBytes(new Uint8Array(new BigInt64Array([1000n, 0n]).buffer), (time) =>
              call(task.sysif, "nanosleep", time, 0),
            ),
        ],
        [numberOf("wait4"), ({ task }) => call(task.sysif, "wait4", -1, 0, 0, 0)],
        ...[SEND_ALL, RECV_ALL].map(
          (operation) =>
            [
              operation,
              (thread: Thread) =>
                Effect.flatMap(Socket.pair(thread.task), ([end]) =>
                  thread.task.withMemory(SIZE, 8, (at) =>
                    thread.task.sysif.syscall(operation, end.near, at, SIZE),
                  ),
                ),
            ] as const,
        ),
      ];
      for (const [number, block] of blocking) {
        const task = yield* connect(path, { sharedMemory });
        yield* task.thread.spawn(Command.make("/bin/sleep", "1000"));
        const waiting = yield* Effect.forkChild(Effect.flip(Effect.scoped(block(task.thread))), {
          startImmediately: true,
        });
        const connection = task.thread.task.sysif as SyscallConnection;
        yield* eventually(() => connection.oldest?.number === number);
        yield* Effect.yieldNow;
        yield* task.disconnect();
        assert.instanceOf(yield* Fiber.join(waiting), SyscallHangup);
        const next = yield* connect(path, { sharedMemory });
        yield* worksAsync(next.thread);
        for (const { pid: child } of yield* next.children())
          yield* (yield* next.adoptChild(child)).killAndWait();
        yield* next.disconnect();
      }
      assert.equal(statusOf(pid) === undefined, false);
    });
  }

  it("holds up nobody, even if it is just being made", function* () {
    const { path } = yield* local();
    for (let i = 0; i < 100; i++) {
      const persistent = yield* connect(path, { sharedMemory: i % 3 > 0 });
      // Requests that were sent are performed after the hang-up too, if nothing stops them.
      const { sysif } = persistent.thread.task;
      const number = sysif.abi.syscallNumber("ppoll") as number;
      const waiting = yield* Effect.forkChild(Effect.exit(sysif.syscall(number, 0, 0, 0, 0)), {
        startImmediately: true,
      });
      if (i % 2 === 0) yield* Effect.yieldNow;
      yield* persistent.disconnect();
      yield* Fiber.join(waiting);
    }
    yield* worksAsync((yield* connect(path)).thread);
  });

  it("ends though no signal can be queued", function* () {
    const { path, pid } = yield* local();
    const first = yield* connect(path);
    const { task } = first.thread;
    yield* setrlimit(task, RLIMIT.SIGPENDING, { cur: 0n, max: 0n });
    const waiting = yield* Effect.forkChild(Effect.exit(call(task.sysif, "ppoll", 0, 0, 0, 0, 0)), {
      startImmediately: true,
    });
    yield* eventually(() => /^(271|73) /.test(readFileSync(`/proc/${pid}/syscall`, "latin1")));
    yield* first.disconnect();
    yield* Fiber.join(waiting);
    yield* worksAsync((yield* connect(path)).thread);
  });

  it("leaves the signal mask as it was, though it had another one", function* () {
    const { path } = yield* local();
    const first = yield* connect(path);
    const { task } = first.thread;
    yield* sigprocmask(task, SigHow.SETMASK, new Set([SIG.USR1]));
    const waiting = yield* Effect.forkChild(
      Effect.exit(
        task.withBytes(new Uint8Array(new BigUint64Array([1n << 11n]).buffer), (mask) =>
          call(task.sysif, "rt_sigsuspend", mask, 8),
        ),
      ),
      { startImmediately: true },
    );
    yield* eventually(() =>
      /^SigBlk:\t0*800$/m.test(readFileSync(`/proc/${task.pid}/status`, "latin1")),
    );
    yield* first.disconnect();
    yield* Fiber.join(waiting);
    const next = yield* connect(path);
    assert.deepEqual([...next.thread.task.sigmask], [SIG.USR1]);
  });
});

describe("a new controller", () => {
  for (const sharedMemory of wires)
    it(`finds what one that was killed has left, ${wireName(sharedMemory)}`, function* () {
      const path = yield* socketPath;
      const found = yield* killedController(path, sharedMemory, true);
      const task = yield* connect(path, { sharedMemory });
      assert.equal(task.thread.task.pid, found.pid);
      const targets = new Map<number, Path>(
        (yield* task.descriptors()).map(({ fd, target }) => [fd, target]),
      );
      assert.equal(targets.get(found.file)?.text, "/etc/passwd");
      assert.match(targets.get(found.reader)?.text ?? "", /^pipe:/);
      const reader = yield* task.adopt(found.reader, PipeReader);
      assert.equal(text(yield* reader.readBytes()), "left behind");
      const file = yield* task.adopt(found.file);
      assert.equal(text(yield* file.readBytes(5)), "root:");
      yield* file.close();
      const after = yield* task.descriptors();
      assert.notInclude(
        after.map(({ fd }): number => fd),
        found.file,
      );

      const children = new Map<number, [command: string, hasEnded: boolean]>(
        (yield* task.children()).map(({ pid, command, hasEnded }) => [pid, [command, hasEnded]]),
      );
      assert.deepEqual(children.get(found.program), ["/bin/sh -c read line; exit 7", false]);
      assert.deepEqual(children.get(found.ended), ["[sh]", true]);
      // That one has ended when there was nobody to wait for it.
      assert.equal((yield* (yield* task.adoptChild(found.ended)).wait()).signal, SIG.USR1);
      const program = yield* task.adoptChild(found.program);
      assert.isUndefined(program.state);
      yield* program.kill();
      assert.equal((yield* program.wait()).signal, SIG.TERM);
      assert.deepEqual(yield* task.children(), []);
      yield* task.end();
    });

  it("is served, whatever call the one before it was killed in", function* () {
    const { path, pid } = yield* local();
    const calls = { nanosleep: "nanosleep", SEND_ALL: "sendto", wait4: "wait4" } as const;
    // They begin together, and have their turns one after the other.
    const controllers = yield* Effect.forEach(Object.entries(calls), ([what, name], i) =>
      Effect.map(
        start(process.execPath, [visitor, path, i % 2 === 0 ? "memory" : "sockets", what]),
        (controller) => ({ controller, name }),
      ),
    );
    yield* Effect.forEach(
      controllers,
      ({ controller, name }) =>
        Effect.gen(function* () {
          yield* controller.line((line) => line === "connected");
          yield* eventually(() => isInCall(pid, name));
          yield* controller.kill("SIGKILL");
          yield* controller.ended;
        }),
      { concurrency: "unbounded" },
    );
    const task = yield* connect(path);
    yield* worksAsync(task.thread);
    for (const child of yield* task.children())
      yield* (yield* task.adoptChild(child.pid)).killAndWait();
  });

  it("does not find a process that was not to stay", function* () {
    const path = yield* socketPath;
    const { pid } = yield* killedController(path, true, false);
    yield* untilEnded(pid);
    assert.equal(yield* reasonOf(connect(path)), "NobodyListens");
  });

  it("keeps what it adopts open, unless it does otherwise", function* () {
    const { path } = yield* local();
    const first = yield* connect(path);
    const [reader, writer] = yield* first.thread.pipe();
    const [a, b] = [reader.near, writer.near];
    reader.disown();
    writer.disown();
    yield* Effect.scoped(first.adopt(a));
    const adopted = yield* first.adopt(b, PipeWriter);
    yield* Effect.scoped(adopted.reclassify(PipeWriter));
    const still = (yield* first.descriptors()).map(({ fd }): number => fd);
    assert.include(still, a);
    assert.notInclude(still, b);
    const error = yield* Effect.flip(first.adopt(b));
    assert.equal((error as SyscallError).errno, "EBADF");
  });

  it("adopts nobody else's children", function* () {
    const { path } = yield* local();
    const task = yield* connect(path);
    for (const [pid, errno] of [
      [process.pid, "ECHILD"],
      [task.thread.task.pid, "ECHILD"],
      [0, "EINVAL"],
      [-1, "EINVAL"],
    ] as const) {
      const error = yield* Effect.flip(Effect.scoped(task.adoptChild(pid)));
      assert.equal((error as SyscallError).errno, errno, `pid ${pid}`);
    }
  });

  it("gets its turn though no descriptor was left", function* () {
    const { path, pid } = yield* local();
    const first = yield* connect(path);
    const { thread } = first;
    yield* setrlimit(thread.task, RLIMIT.NOFILE, { cur: 200n, max: 200n });
    const opened: Array<number> = [];
    for (;;) {
      const fd = yield* Effect.option(thread.stdin.dup());
      if (fd._tag === "None") break;
      fd.value.disown();
      opened.push(fd.value.near);
    }
    assert.isAbove(opened.length, 150);
    yield* first.disconnect();
    for (const sharedMemory of wires)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const task = yield* connect(path, { sharedMemory });
          assert.equal(fieldsOf(task.thread).memory !== undefined, sharedMemory);
          yield* (yield* task.adopt(opened.pop() as number)).close();
          yield* task.adopt(opened[0] as number);
        }),
      );
    assert.isFalse(hasEnded(pid));
  });

  it("gets its turn though the numbers that were set aside are beyond the limit now", function* () {
    const { path } = yield* local();
    const first = yield* connect(path);
    yield* setrlimit(first.thread.task, RLIMIT.NOFILE, { cur: 50n, max: 50n });
    yield* first.disconnect();
    for (const sharedMemory of [...wires, ...wires])
      yield* Effect.scoped(
        Effect.flatMap(connect(path, { sharedMemory }), (it) => worksAsync(it.thread)),
      );
  });

  it("is served by a process whose descriptors were unshared", function* () {
    const { path, pid } = yield* local();
    yield* Effect.scoped(Effect.flatMap(connect(path), ({ thread }) => thread.unshareFiles()));
    const task = yield* connect(path);
    yield* worksAsync(task.thread);
    // Numbers that the process had set aside belong to whoever has them now.
    yield* task.thread.unshareFiles();
    const fds: Array<number> = [];
    for (let i = 0; i < 150; i++) {
      const fd = yield* task.thread.stdin.dup();
      fds.push(fd.near);
      fd.disown();
    }
    yield* task.disconnect();
    const next = yield* connect(path);
    const found = (yield* next.descriptors()).map(({ fd }): number => fd);
    assert.includeMembers(found, fds);
    assert.isFalse(hasEnded(pid));
  });

  it("shares no memory with what the last one has left running", function* () {
    const { path } = yield* local();
    const first = yield* connect(path);
    const [reader, writer] = yield* first.thread.pipe();
    const child = yield* first.thread.fork({ detached: true });
    const inChild = yield* reader.inherit(child.task);
    const { pid } = child.process;
    const reading = yield* Effect.forkChild(Effect.flip(inChild.readBytes(1)), {
      startImmediately: true,
    });
    yield* eventually(() => readFileSync(`/proc/${pid}/syscall`, "latin1").startsWith("0 "));
    const fd = writer.near;
    // As when the controller dies: a child has a connection of its own, and is in a call.
    yield* child.task.sysif.close();
    yield* first.disconnect();
    assert.instanceOf(yield* Fiber.join(reading), SyscallHangup);
    // Whose memory is this now?
    const next = yield* connect(path);
    yield* next.thread.ptr(new Uint8Array(8 * 1024 * 1024).fill(0xff));
    const orphan = yield* next.adoptChild(pid);
    assert.equal(arenasOf(next.thread.task.pid), 2);
    yield* (yield* next.adopt(fd, PipeWriter)).writeAllText("x");
    assert.equal((yield* orphan.wait()).exitStatus, 69, "as any that has lost its controller");
    yield* next.disconnect();
    const last = yield* connect(path);
    assert.equal(arenasOf(last.thread.task.pid), 1);
  });
});

describe("a process that is not kept", () => {
  it("ends with the scope, and its socket too", function* () {
    const thread = yield* LocalThread;
    const path = yield* socketPath;
    const pid = yield* Effect.scoped(
      Effect.map(PersistentTask.make(thread, path), (task) => task.thread.task.pid),
    );
    assert.isUndefined(statusOf(pid));
    assert.isTrue(isGone(path));
  });

  it("ends with its parent", function* () {
    const parent = yield* (yield* LocalThread).fork();
    const task = yield* PersistentTask.make(parent, yield* socketPath);
    const { pid } = task.thread.task;
    yield* parent.exit(0);
    yield* untilEnded(pid);
  });
});

describe("a process that is kept", () => {
  it("outlives its parent", function* () {
    const path = yield* socketPath;
    const pid = yield* Effect.scoped(
      Effect.gen(function* () {
        const parent = yield* (yield* LocalThread).fork();
        const task = yield* PersistentTask.make(parent, path);
        yield* task.keep();
        return task.thread.task.pid;
      }),
    );
    yield* ending(pid);
    const task = yield* connect(path);
    yield* worksAsync(task.thread);
    yield* task.end();
    yield* untilEnded(pid);
    assert.isTrue(isGone(path));
  });

  it("ends as its controller says", function* () {
    const thread = yield* LocalThread;
    const task = yield* PersistentTask.make(thread, yield* socketPath);
    yield* task.keep();
    yield* task.thread.exit(9);
    assert.equal((yield* task.process?.wait() ?? Effect.die("no process")).exitStatus, 9);
  });
});

/** A client that is connected, by our own means, so that it can send descriptors. */
const client = (path: string) =>
  Effect.gen(function* () {
    const { task } = yield* LocalThread;
    const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
    yield* connectUnix(socket, path);
    return socket;
  });

const welcome = (change: (view: DataView) => void = () => {}): Uint8Array => {
  const bytes = new Uint8Array(24);
  bytes.set(new TextEncoder().encode("rsyscall"));
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 1, true);
  change(view);
  return bytes;
};

describe("a client that is not right", () => {
  /** What one does, with some descriptors. */
  type Client = (socket: Socket, fds: ReadonlyArray<Socket>) => Effect.Effect<unknown, unknown>;
  const send =
    (bytes: Uint8Array, count: number): Client =>
    (socket, fds) =>
      socket.sendFds(bytes, fds.slice(0, count));
  const clients: ReadonlyArray<[what: string, client: Client]> = [
    ["hangs up at once", () => Effect.void],
    ["sends garbage", (socket) => socket.writeAllBytes(new Uint8Array(1000).fill(0x41))],
    ["floods", (socket) => socket.writeAllBytes(new Uint8Array(4_000_000))],
    ["sends a part of a welcome", (socket) => socket.writeAllBytes(welcome().subarray(0, 10))],
    ["sends no descriptors", send(welcome(), 0)],
    ["sends a part of a welcome, and descriptors", send(welcome().subarray(0, 10), 4)],
    ...[1, 2, 3, 5, 6].map((count): [string, Client] => [
      `sends ${count} descriptors`,
      send(welcome(), count),
    ]),
    [
      "sends 4 descriptors for a ring",
      send(
        welcome((view) => view.setUint32(20, 1, true)),
        4,
      ),
    ],
    [
      "speaks another version",
      send(
        welcome((view) => view.setUint32(8, 2, true)),
        4,
      ),
    ],
    [
      "refuses, with descriptors",
      send(
        welcome((view) => view.setUint32(12, 1, true)),
        4,
      ),
    ],
    [
      "refuses with a text that does not come",
      send(
        welcome((view) => {
          view.setUint32(12, 1, true);
          view.setUint32(16, 100, true);
        }),
        0,
      ),
    ],
    [
      "has hung up before it is served",
      (socket, fds) => Effect.andThen(send(welcome(), 4)(socket, fds), socket.shutdown(2)),
    ],
  ];
  const visit = (path: string, act: Client) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { task } = yield* LocalThread;
        const socket = yield* client(path);
        const pairs = yield* Effect.replicateEffect(Socket.pair(task), 6);
        // The other ends are this client's, and close with it.
        yield* Effect.ignore(
          act(
            socket,
            pairs.map(([end]) => end),
          ),
        );
      }),
    );

  for (const [what, act] of clients)
    it(`is nobody's problem: it ${what}`, function* () {
      const { path, pid } = yield* local();
      yield* Effect.scoped(connect(path));
      const before = yield* descriptorsAtRest(pid);
      for (let i = 0; i < 5; i++) yield* visit(path, act);
      yield* Effect.scoped(Effect.flatMap(connect(path), (it) => worksAsync(it.thread)));
      assert.equal(yield* descriptorsAtRest(pid), before);
    });

  it("is nobody's problem: there are a hundred of all kinds", function* () {
    const { path, pid } = yield* local();
    yield* Effect.scoped(connect(path));
    const before = yield* descriptorsAtRest(pid);
    for (let i = 0; i < 100; i++)
      yield* visit(path, (clients[i % clients.length] as (typeof clients)[0])[1]);
    yield* Effect.scoped(Effect.flatMap(connect(path), (it) => worksAsync(it.thread)));
    assert.equal(yield* descriptorsAtRest(pid), before);
  });

  it("says nothing, and holds up others no longer than it may", function* () {
    const { path, pid } = yield* local({ patience: "200 millis" });
    const silent = yield* client(path);
    const half = yield* client(path);
    yield* half.writeAllBytes(welcome().subarray(0, 10));
    const task = yield* connect(path);
    yield* worksAsync(task.thread);
    assert.isFalse(hasEnded(pid));
    yield* silent.close();
    yield* half.close();
  });
});

describe("whoever may not connect", () => {
  const as = (uid: number) =>
    Effect.gen(function* () {
      const child = yield* (yield* LocalThread).fork();
      yield* setresuid(child.task, { real: uid, effective: uid, saved: uid });
      return child;
    });
  const [NOBODY, OTHER] = [65534, 65533];
  /** A directory of everybody's, with an executable that everybody may run. */
  const open = Effect.map(tempDirectory, (directory) => {
    const executable = `${directory}/rsyscall-task`;
    copyFileSync(taskPath, executable);
    chmodSync(directory, 0o777);
    return { path: `${directory}/task.sock`, executable };
  });

  it.skipIf(notRoot)("is refused by the file, and else by the process", function* () {
    const { path, pid } = yield* local();
    chmodSync(dirname(path), 0o777);
    const nobody = yield* as(NOBODY);
    assert.equal(yield* reasonOf(PersistentTask.connect(nobody, path)), "NotAllowed");
    chmodSync(path, 0o666);
    for (let i = 0; i < 10; i++)
      assert.equal(yield* reasonOf(PersistentTask.connect(nobody, path)), "NotAllowed");
    yield* worksAsync((yield* connect(path)).thread);
    assert.isFalse(hasEnded(pid));
  });

  it.skipIf(notRoot)("is neither root nor its user", function* () {
    const { path, executable } = yield* open;
    const nobody = yield* as(NOBODY);
    const task = yield* PersistentTask.make(nobody, path, { executable });
    yield* task.disconnect();
    chmodSync(path, 0o666);
    assert.equal(yield* reasonOf(PersistentTask.connect(yield* as(OTHER), path)), "NotAllowed");
    yield* Effect.scoped(Effect.flatMap(connect(path), (it) => worksAsync(it.thread)));
    yield* worksAsync((yield* PersistentTask.connect(yield* as(NOBODY), path)).thread);
  });

  it.skipIf(notRoot)("does not become somebody else's controller", function* () {
    // What looks like a task is another user's.
    const { path, executable } = yield* open;
    yield* PersistentTask.make(yield* as(NOBODY), path, { executable });
    chownSync(path, OTHER, OTHER);
    assert.equal(yield* reasonOf(PersistentTask.connect(yield* as(OTHER), path)), "NotAllowed");
  });
});

describe("when there is no way to a task, it is said why", () => {
  it("nobody listens", function* () {
    const directory = yield* tempDirectory;
    assert.equal(yield* reasonOf(connect(`${directory}/missing`)), "NobodyListens");
    const { path, pid } = yield* local();
    process.kill(pid, "SIGKILL");
    yield* untilEnded(pid);
    assert.equal(yield* reasonOf(connect(path)), "NobodyListens");
  });

  it("it ends before it answers", function* () {
    const { path, pid } = yield* local();
    yield* connect(path);
    const waiting = yield* Effect.forkChild(reasonOf(connect(path)), { startImmediately: true });
    yield* Effect.yieldNow;
    process.kill(pid, "SIGKILL");
    assert.equal(yield* Fiber.join(waiting), "NobodyListens");
  });

  it("the path was removed", function* () {
    const { path, pid } = yield* local();
    const task = yield* connect(path);
    unlinkSync(path);
    yield* worksAsync(task.thread);
    assert.equal(yield* reasonOf(connect(path)), "NobodyListens");
    yield* task.end();
    yield* untilEnded(pid);
  });

  it("the path is taken", function* () {
    const { path } = yield* local();
    const thread = yield* LocalThread;
    assert.equal(yield* reasonOf(PersistentTask.make(thread, path)), "PathTaken");
    assert.isFalse(isGone(path));
    yield* worksAsync((yield* connect(path)).thread);
  });

  it("what listens is something else", function* () {
    const directory = yield* tempDirectory;
    const thread = yield* LocalThread;
    yield* StubServer.listenOn(thread, `${directory}/stubs`);
    const stubs = connect(`${directory}/stubs`, { timeout: "100 millis" });
    assert.equal(yield* reasonOf(stubs), "Busy");
    const answers: ReadonlyArray<[bytes: Uint8Array, reason: string]> = [
      [new TextEncoder().encode("220 mail.example.com ESMTP\r\n"), "NotPersistent"],
      [welcome((view) => view.setUint32(8, 2, true)), "WrongVersion"],
      [new Uint8Array(0), "NotAllowed"],
    ];
    for (const [i, [bytes, reason]] of answers.entries()) {
      const path = `${directory}/${i}`;
      const server = createServer((socket) =>
        socket
          .on("error", () => {})
          .resume()
          .end(bytes),
      ).listen(path);
      yield* Effect.addFinalizer(() =>
        Effect.promise(() => new Promise<void>((done) => server.close(() => done()))),
      );
      yield* Effect.promise(() => new Promise((done) => server.on("listening", done)));
      assert.equal(yield* reasonOf(connect(path)), reason);
    }
  });

  it("the executable is missing, or another one", function* () {
    const thread = yield* LocalThread;
    const path = yield* socketPath;
    const start = (executable: string) =>
      Effect.flip(Effect.scoped(Effect.asVoid(PersistentTask.make(thread, path, { executable }))));
    const missing = yield* start("/no/such");
    assert.include(missing.message, "ENOENT");
    assert.instanceOf(yield* start("/bin/false"), LaunchError);
    assert.isTrue(isGone(path));
  });
});

describe("rsyscall-task persistent", () => {
  it("takes numbers in a row where there are some", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const executable = `${directory}/limited`;
    const script = `#!/bin/sh\nulimit -n 30\nexec 7</dev/null\nexec ${taskPath} "$@"\n`;
    yield* thread.spit(executable, script, 0o755);
    const path = `${directory}/task.sock`;
    const task = yield* PersistentTask.make(thread, path, { executable });
    yield* worksAsync(task.thread);
    assert.includeMembers(
      numbersOf(task.thread.task.pid),
      Array.from({ length: 10 }, (_, i) => 8 + i),
    );
    assert.deepEqual(
      (yield* task.descriptors()).map(({ fd }): number => fd),
      [0, 1, 2, 7],
    );
    yield* task.disconnect();
    yield* worksAsync((yield* connect(path)).thread);
  });

  it("says what is wrong with its stdin", function* () {
    for (const input of ["</dev/null", "<&-"]) {
      const { status, stderr } = yield* execute("/bin/sh", [
        "-c",
        `"$0" persistent ${input}`,
        taskPath,
      ]);
      assert.equal(status, 2);
      assert.equal(stderr.toString(), "rsyscall: stdin is not a listening Unix stream socket\n");
    }
    const thread = yield* LocalThread;
    const [, connected] = yield* Socket.pair(thread.task);
    const state = yield* thread.run(Command.make(taskPath, "persistent"), {
      stdin: connected,
      stderr: yield* thread.open("/dev/null", O.WRONLY),
    });
    assert.equal(state.exitStatus, 2);
  });

  it("ends when its socket is closed, which nobody could connect to", function* () {
    for (const reuse of [false, true]) {
      const { path, pid } = yield* local();
      const persistent = yield* connect(path);
      const { thread } = persistent;
      const { sysif } = thread.task;
      yield* worksAsync(thread);
      const listening = Math.min(...numbersOf(pid).filter((fd) => fd > 99));
      // Something else there is no better.
      const closing = reuse
        ? call(sysif, "dup3", 0, listening, 0)
        : call(sysif, "close_range", 3, 0xffffffff, 0);
      yield* Effect.ignore(closing);
      yield* persistent.disconnect();
      yield* untilEnded(pid);
    }
  });
});

const compiler = "aarch64-linux-gnu-gcc";
const emulator = "qemu-aarch64-static";
const stubC = fileURLToPath(new URL("../../../stub-c", import.meta.url));

describe("a persistent task on another machine", () => {
  it.skipIf(missing(compiler) ?? missing(emulator))("is driven by its own numbers", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const built = yield* execute("make", [
      ...["-C", stubC, "ARCH=aarch64", `CC=${compiler}`, `OUT=${directory}`],
    ]);
    assert.equal(built.status, 0, built.stderr.toString());
    const executable = `${directory}/emulated`;
    yield* thread.spit(
      executable,
      `#!/bin/sh\nexec ${emulator} ${directory}/rsyscall-task "$@"\n`,
      0o755,
    );
    const path = `${directory}/socket`;
    const first = yield* PersistentTask.make(thread, path, { executable });
    assert.equal(first.thread.task.abi.machine, "aarch64");
    yield* worksAsync(first.thread);
    yield* first.disconnect();
    for (const sharedMemory of wires)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const persistent = yield* connect(path, { sharedMemory });
          const { thread } = persistent;
          yield* worksAsync(thread);
          const [reader] = yield* thread.pipe();
          const reading = yield* Effect.forkChild(Effect.flip(reader.readBytes(1)), {
            startImmediately: true,
          });
          yield* Effect.yieldNow;
          yield* persistent.disconnect();
          assert.instanceOf(yield* Fiber.join(reading), SyscallHangup);
        }),
      );
    const last = yield* connect(path);
    yield* last.end();
  });
});
