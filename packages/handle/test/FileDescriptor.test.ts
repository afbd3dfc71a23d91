import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { AF, Bytes, EPOLL, EPOLL_CTL, F, FD, O, SOCK } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import { ConnectionEnd, catchErrno, type Fd, SyscallError, SyscallSendError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import {
  Directory,
  Epoll,
  Eventfd,
  type FdKind,
  FileDescriptor,
  Memfd,
  open,
  Pidfd,
  PipeReader,
  pipe,
  pollNow,
  Socket,
  UseAfterFreeError,
  WrongKindError,
} from "../src/index.ts";

/** Looked at without opening anything, which would take the very number. */
const isOpen = (fd: Fd): boolean =>
  lstatSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false }) !== undefined;

describe("FileDescriptor", () => {
  it("is closed by its scope, and by nobody twice", function* () {
    const { task } = yield* LocalThread;
    const scope = yield* Scope.make();
    const [reader, writer] = yield* Scope.provide(pipe(task), scope);
    yield* reader.close();
    assert.isFalse(isOpen(reader.near));
    // The number belongs to somebody else now.
    const other = yield* Memfd.make(task, "other");
    assert.equal(other.near, reader.near);
    assert.instanceOf(yield* Effect.flip(reader.readBytes(1)), UseAfterFreeError);
    assert.instanceOf(yield* Effect.flip(reader.close()), UseAfterFreeError);
    yield* Scope.close(scope, Exit.void);
    assert.isFalse(isOpen(writer.near));
    assert.isTrue(isOpen(other.near));
  });

  it("fails with the end of a connection if that has closed its scope, and not its user", function* () {
    const { task } = yield* LocalThread;
    const scope = yield* Scope.make();
    const inside = Scope.provide(scope);
    const [reader, writer] = yield* inside(pipe(task));
    const [socket, other] = yield* inside(Socket.pair(task));
    const memfd = yield* inside(Memfd.make(task, "memfd"));
    const duplicate = yield* inside(memfd.dup());
    const another = yield* inside(memfd.forTask(task));
    yield* socket.sendFds(new Uint8Array(1), [memfd]);
    const [received] = (yield* inside(other.receiveFds(1, 1))).fds;
    yield* reader.close();
    const end = new ConnectionEnd((syscall) => new SyscallSendError({ syscall }));
    yield* Scope.close(scope, Exit.fail(end));
    for (const handle of [writer, socket, other, memfd, duplicate, another, received]) {
      assert.isFalse(handle?.isValid);
      assert.instanceOf(yield* Effect.flip((handle as FileDescriptor).fstat()), SyscallSendError);
    }
    assert.instanceOf(yield* Effect.flip(reader.fstat()), UseAfterFreeError);
    // One that is made when the scope has closed already.
    const late = yield* inside(Memfd.make(task, "late"));
    assert.isFalse(isOpen(late.near));
    assert.instanceOf(yield* Effect.flip(late.fstat()), SyscallSendError);
  });

  it("makes only descriptors that an exec closes", function* () {
    const { task } = yield* LocalThread;
    const [socket, second] = yield* Socket.pair(task);
    const made = [
      ...(yield* pipe(task)),
      socket,
      second,
      yield* Socket.make(task, AF.UNIX, SOCK.STREAM),
      yield* Epoll.make(task),
      yield* Memfd.make(task, "name"),
      yield* open(task, "/dev/null", O.RDONLY),
      yield* socket.dup(),
    ];
    for (const fd of made) assert.equal(yield* fd.fcntl(F.GETFD), FD.CLOEXEC, String(fd));
    yield* socket.sendFds(Uint8Array.of(1), [second]);
    const { fds } = yield* second.receiveFds(1, 1);
    assert.equal(yield* (fds[0] as FileDescriptor).fcntl(F.GETFD), FD.CLOEXEC);
    yield* socket.setCloexec(false);
    assert.equal(yield* socket.fcntl(F.GETFD), 0);
  });

  it("lives as long as one of its handles", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "shared");
    const scope = yield* Scope.make();
    const second = yield* Scope.provide(memfd.forTask(task), scope);
    assert.instanceOf(second, Memfd);
    yield* Scope.close(scope, Exit.void);
    assert.isTrue(isOpen(memfd.near));
    const moved = yield* memfd.move(task);
    assert.instanceOf(yield* Effect.flip(memfd.fstat()), UseAfterFreeError);
    yield* moved.writeAllText("still there");
    yield* moved.close();
    assert.isFalse(isOpen(moved.near));
  });

  it("is refused by tasks with another table", function* () {
    const { task } = yield* LocalThread;
    const { call } = yield* launchStub;
    const memfd = yield* Memfd.make(task, "ours");
    assert.instanceOf(yield* Effect.flip(memfd.forTask(call.thread.task)), NamespaceMismatchError);
  });

  it("is confirmed to be of its kind, and of no other", function* () {
    const { task } = yield* LocalThread;
    const [socket] = yield* Socket.pair(task);
    const [reader] = yield* pipe(task);
    const epoll = yield* Epoll.make(task);
    const kinds: ReadonlyArray<FdKind<FileDescriptor>> = [
      Epoll,
      Pidfd,
      Socket,
      PipeReader,
      Directory,
    ];
    const fds: ReadonlyArray<readonly [FileDescriptor, FdKind<FileDescriptor> | undefined]> = [
      [epoll, Epoll],
      [yield* Pidfd.make(task, process.pid), Pidfd],
      // Which pidfd_send_signal(2) takes for one.
      [yield* Directory.make(task, "/proc/self"), Directory],
      [yield* Directory.make(task, "/", O.PATH), Directory],
      [socket, Socket],
      [yield* Socket.make(task, AF.INET, SOCK.DGRAM), Socket],
      [reader, PipeReader],
      [yield* Eventfd.make(task), undefined],
      [yield* Memfd.make(task, "memory"), undefined],
      [yield* open(task, "/dev/null", O.RDONLY), undefined],
      [yield* open(task, "/proc/self/exe", O.RDONLY), undefined],
      [yield* open(task, "/proc/self/exe", O.PATH), undefined],
    ];
    const before = readdirSync("/proc/self/fd").length;
    for (const [fd, right] of fds)
      for (const kind of kinds)
        assert.equal(yield* kind.confirm(task, fd.near), kind === right, `${fd}: ${kind.kind}`);
    // At most: a close that could wait is made by another thread, perhaps still one of a test before.
    assert.isAtMost(readdirSync("/proc/self/fd").length, before);
    // What is in the instance already does not matter, and is still there.
    yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.HUP, data: 1 });
    assert.instanceOf(yield* (yield* epoll.dup()).narrow(Epoll), Epoll);
    yield* epoll.delete(reader);
  });

  it("is narrowed to what the kernel says it is", function* () {
    const { task } = yield* LocalThread;
    const [first] = yield* Socket.pair(task);
    const unknown = yield* (yield* first.dup()).reclassify(FileDescriptor);
    assert.instanceOf(yield* Socket.from(unknown), Socket);
    const [reader] = yield* pipe(task);
    const error = yield* Effect.flip(Socket.from(reader));
    assert.instanceOf(error, WrongKindError);
    assert.equal(error.message, `fd ${reader.near} is a pipe, not a socket`);
    const misuse = (end: PipeReader) => {
      // @ts-expect-error a pipe has no address
      end.bind(new Uint8Array(2));
      // @ts-expect-error the other end is of another kind
      const writer: import("../src/index.ts").PipeWriter = end;
      return writer;
    };
    assert.isFunction(misuse);
  });

  it("sets O_NONBLOCK and leaves the other flags", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/file`;
    const file = yield* open(task, path, O.WRONLY | O.CREAT | O.APPEND, 0o600);
    yield* file.setNonblock();
    const flags = yield* file.statusFlags();
    assert.equal(flags & (O.NONBLOCK | O.APPEND | O.WRONLY), O.NONBLOCK | O.APPEND | O.WRONLY);
  });

  it("reads, writes, and knows what the kernel knows of the file", function* () {
    const { task } = yield* LocalThread;
    const path = `${yield* tempDirectory}/file`;
    writeFileSync(path, "0123456789", { mode: 0o640 });
    const file = yield* open(task, path, O.RDWR);
    const [used, rest] = yield* file.read(yield* task.malloc(Bytes, 16));
    assert.equal(used.size, 10);
    assert.equal(rest.size, 6);
    assert.equal(new TextDecoder().decode(yield* used.read()), "0123456789");
    assert.equal((yield* file.readBytes()).length, 0);
    const [, unwritten] = yield* file.write(yield* task.ptr(Uint8Array.of(97, 98)));
    assert.equal(unwritten.size, 0);
    assert.equal(readFileSync(path, "utf8"), "0123456789ab");
    const status = yield* file.fstat();
    assert.equal(status.size, 12);
    assert.equal(status.mode & 0o7777, 0o640);
    yield* file.chmod(0o600);
    assert.equal((yield* file.fstat()).mode & 0o7777, 0o600);
  });

  it("writes all of it, however little the kernel takes at a time", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const [reader, writer] = yield* pipe(task);
    const bytes = new Uint8Array(1_000_000).map((_, i) => i % 251);
    const end = openSync(
      `/proc/${call.pid}/fd/${reader.near}`,
      constants.O_RDONLY | constants.O_NONBLOCK,
    );
    const writing = yield* Effect.forkChild(writer.writeAllBytes(bytes), {
      startImmediately: true,
    });
    const got = Buffer.alloc(bytes.length);
    yield* Effect.promise(async () => {
      for (let at = 0; at < got.length; ) {
        await new Promise((resolve) => setImmediate(resolve));
        try {
          at += readSync(end, got, at, Math.min(4000, got.length - at), null);
        } catch (error) {
          // Nothing there yet; the bytes come through this very event loop.
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        }
      }
    });
    yield* Fiber.join(writing);
    closeSync(end);
    assert.equal(Buffer.compare(got, bytes), 0);
  });

  it("tells what is there to read without waiting", function* () {
    const { task } = yield* LocalThread;
    const [reader, writer] = yield* pipe(task);
    assert.equal(yield* pollNow(reader, 1), 0);
    yield* writer.writeAllText("x");
    assert.equal(yield* pollNow(reader, 1), 1);
    yield* writer.close();
    assert.equal(yield* pollNow(reader, 1), 1 | 16);
  });

  it("reports errors with the call, the errno and the descriptor", function* () {
    const { task } = yield* LocalThread;
    const [, writer] = yield* pipe(task);
    const error = (yield* Effect.flip(writer.readBytes(1))) as SyscallError;
    assert.instanceOf(error, SyscallError);
    assert.deepInclude(
      { ...error },
      { syscall: "read", errno: "EBADF", number: 9, subject: `fd ${writer.near}` },
    );
    const recovered = yield* writer
      .readBytes(1)
      .pipe(catchErrno(["EBADF", "EINVAL"], ({ errno }) => Effect.succeed(errno)));
    assert.equal(recovered, "EBADF");
    const missing = yield* Effect.flip(open(task, "/a\0b", O.RDONLY));
    assert.equal(missing._tag, "InvalidArgumentError");
  });

  it("has a memfd whose name /proc shows", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "named");
    assert.include(readlinkSync(`/proc/self/fd/${memfd.near}`), "memfd:named");
    yield* memfd.truncate(10_000);
    assert.equal((yield* memfd.fstat()).size, 10_000);
    assert.equal(yield* memfd.lseek(-100, 2), 9_900);
  });
});
