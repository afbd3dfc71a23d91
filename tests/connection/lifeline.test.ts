import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { AF, O, SOCK } from "@rsyscall/abi";
import {
  bindUnix,
  connectUnix,
  Eventfd,
  type FileDescriptor,
  Memfd,
  Socket,
} from "@rsyscall/handle";
import { it, launchStub, start, tempDirectory, turn } from "@rsyscall/harness";
import { decorated, dup3, Fd, getpid, SyscallHangup, type SyscallInterface } from "@rsyscall/near";
import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Deferred, Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

const openFds = () => readdirSync("/proc/self/fd").length;

/** The file of a descriptor of a process. */
const inode = (pid: number, { near }: FileDescriptor) => statSync(`/proc/${pid}/fd/${near}`).ino;

/** Has a stub give us another descriptor than the end of the socket pair that it makes. */
const giving = (thread: Thread, other: FileDescriptor) =>
  thread.task.decorate({
    decorate: (inner) =>
      decorated(inner, () => ({ direct: undefined, ...replacing(inner, other) })),
    isInherited: false,
  });

const replacing = (inner: SyscallInterface, other: FileDescriptor): Partial<SyscallInterface> => ({
  syscall: (number, ...words) =>
    number !== inner.abi.syscallNumber("socketpair")
      ? inner.syscall(number, ...words)
      : Effect.tap(inner.syscall(number, ...words), () =>
          Effect.flatMap(inner.read(words[3] as never, 8), (bytes) => {
            const [, end = -1] = new Int32Array(bytes.slice().buffer);
            return Effect.orDie(dup3(inner, other.near, Fd(end), O.CLOEXEC));
          }).pipe(Effect.orDie),
        ),
});

/** A stream socket that a stub has connected to another process. */
const clientOf = (thread: Thread) =>
  Effect.gen(function* () {
    const path = `${yield* tempDirectory}/listening`;
    const server = yield* (yield* LocalThread).clone();
    const listening = yield* Socket.make(server, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(listening, path);
    yield* listening.listen(1);
    const socket = yield* Socket.make(thread, AF.UNIX, SOCK.STREAM);
    yield* connectUnix(socket, path);
    return socket;
  });

const lies: Readonly<
  Record<
    string,
    (thread: Thread) => Effect.Effect<FileDescriptor, unknown, Scope.Scope | LocalThread>
  >
> = {
  "a connection to another process": clientOf,
  "a datagram socket": (thread) =>
    Effect.map(Socket.pair(thread, AF.UNIX, SOCK.DGRAM), ([socket]) => socket),
  "a socket of TCP": (thread) => Socket.make(thread, AF.INET, SOCK.STREAM),
  "an eventfd": (thread) => Eventfd.make(thread),
  "a memfd": (thread) => Memfd.make(thread, "lie"),
};

describe("the lifeline of a stub", () => {
  it("is one of three descriptors, and carries those of the stub", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    const launched = Effect.gen(function* () {
      spawn(`${directory}/stub`, { stdio: "ignore" });
      const call = yield* server.accept();
      yield* call.thread.task.sysif.barrier();
      return call;
    });
    yield* launched;
    const before = openFds();
    const { pid, thread } = yield* launched;
    const idle = openFds();
    assert.equal(idle - before, 3);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const [passed] = yield* thread.connection.passFrom([thread.stdin]);
        assert.equal(inode(process.pid, passed as FileDescriptor), inode(pid, thread.stdin));
      }),
    );
    assert.equal(openFds(), idle);
  });

  it("leads to one more socket when the first descriptors go to the stub", function* () {
    const { call } = yield* launchStub;
    const { thread, pid } = call;
    const memfd = yield* Memfd.make(yield* LocalThread, "passed");
    yield* thread.task.sysif.barrier();
    const before = openFds();
    const fdsOfStub = () => readdirSync(`/proc/${pid}/fd`);
    const stubBefore = fdsOfStub();
    const passing = Effect.scoped(
      Effect.gen(function* () {
        const all = yield* Effect.all(
          Array.from({ length: 5 }, () => thread.connection.passTo([memfd])),
          { concurrency: "unbounded" },
        );
        for (const [fd] of all)
          assert.equal(inode(pid, fd as FileDescriptor), inode(process.pid, memfd));
      }),
    );
    yield* passing;
    yield* passing;
    yield* thread.task.sysif.barrier();
    assert.equal(openFds(), before + 1);
    // At the number that was reserved for it.
    assert.deepEqual(fdsOfStub(), stubBefore);
  });

  it("is tried again after the stub had no number for that socket", function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
    yield* start("sh", ["-c", `ulimit -n 120; exec "$0"`, `${directory}/stub`]);
    const { thread } = yield* server.accept();
    yield* thread.task.sysif.barrier();
    const memfd = yield* Memfd.make(yield* LocalThread, "passed");
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Effect.ignore(Effect.forever(thread.stdin.dup()));
        const error = yield* Effect.flip(thread.connection.passTo([memfd]));
        assert.include(error.message, "EMFILE");
      }),
    );
    assert.equal(openFds(), before);
    assert.equal((yield* thread.connection.passTo([memfd])).length, 1);
  });

  for (const [what, make] of Object.entries(lies))
    it(`does not take ${what} for that socket`, function* () {
      const { call } = yield* launchStub;
      const { thread } = call;
      const other = yield* make(thread);
      const memfd = yield* Memfd.make(yield* LocalThread, "passed");
      const before = openFds();
      yield* giving(thread, other);
      const error = yield* Effect.flip(thread.connection.passTo([memfd]));
      assert.instanceOf(error, SyscallHangup);
      assert.include(String((error as SyscallHangup).cause), "a socket that is not its own");
      yield* call.ended();
      assert.isAtMost(openFds(), before);
    });
});

/** The file of a descriptor of another process; empty if that has closed it since its descriptors were listed. */
const fileOf = (pid: number, fd: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
};

describe("the welcome of a stub", () => {
  /** Bytes that a process has got by read(2), as the bells of its ring: proc(5). */
  const bytesRead = (pid: number): number =>
    Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1]);

  /** The sockets that a process has. */
  const sockets = (pid: number): ReadonlySet<string> =>
    new Set(
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => fileOf(pid, fd))
        .filter((file) => file.startsWith("socket:")),
    );

  /** Serves one call by a handler, and gives what the handler gives. */
  const handled = <A>(handler: (call: StubCall) => Effect.Effect<A, unknown, Scope.Scope>) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory;
      const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
      const result = yield* Deferred.make<A, unknown>();
      yield* Effect.forkScoped(
        server.serve((call) =>
          Effect.flatMap(Effect.exit(handler(call)), (exit) =>
            Effect.asVoid(Deferred.done(result, exit)),
          ),
        ),
      );
      spawn(`${directory}/stub`, { stdio: "ignore" });
      return yield* Deferred.await(result);
    });

  it("comes when the first calls are in the ring, so no bell is needed for them", function* () {
    const [before, after] = yield* handled((call) =>
      Effect.gen(function* () {
        const before = bytesRead(call.pid);
        yield* getpid(call.thread.task.sysif);
        return [before, bytesRead(call.pid)] as const;
      }),
    );
    assert.equal(after, before);
  });

  it("comes at the end of the turn, if no call is made", function* () {
    const found = yield* handled((call) =>
      Effect.gen(function* () {
        const { pid, thread } = call;
        const before = sockets(pid).size;
        while (sockets(pid).size === before) yield* turn;
        return thread.task.pid === pid;
      }),
    );
    assert.isTrue(found);
  });
});
