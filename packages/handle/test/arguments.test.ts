import { AF, Bytes, F, Int32, LOCK, RLIMIT, SIG, SO, SOCK, SOL } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { ftruncate } from "@rsyscall/near";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";
import {
  clone,
  copyFile,
  FileLock,
  fstatx,
  Memfd,
  MemoryMapping,
  mount,
  open,
  Pidfd,
  pipe,
  prlimit,
  RecordLock,
  Socket,
  type Task,
  umask,
  unshare,
} from "../src/index.ts";

/*
 * Numbers and text that the kernel would take for others, as users of handles come upon them; and what an
 * honest kernel can say that no JavaScript number holds.
 */

const errnoOf = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.map(Effect.flip(Effect.scoped(effect)), (error) => {
    const { errno, _tag } = error as { errno?: string; _tag?: string };
    return errno ?? _tag;
  });

/** Of words that a system call does not take, and of values that are none of their type. */
const REFUSED = ["InvalidArgumentError", "EINVAL"];

const withFile = <A, E>(task: Task, use: (file: Memfd) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(Memfd.make(task, "file"), use);

const withSocket = <A, E>(task: Task, use: (socket: Socket) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(Socket.make(task, AF.INET, SOCK.DGRAM), use);

const local = { family: "inet", address: "127.0.0.1", port: 9 } as const;

describe("what is no number of its kind", () => {
  const refused: ReadonlyArray<
    [what: string, (task: Task) => Effect.Effect<unknown, unknown, Scope.Scope>]
  > = [
    ["memory of -1 bytes", (task) => task.malloc(Bytes, -1)],
    ["memory of 1.5 bytes", (task) => task.malloc(Bytes, 1.5)],
    ["memory of NaN bytes", (task) => task.malloc(Bytes, Number.NaN)],
    ["memory of Infinity bytes", (task) => task.malloc(Bytes, Number.POSITIVE_INFINITY)],
    ["a pid of 33 bits", (task) => Pidfd.make(task, 2 ** 32 + 1)],
    ["umask(NaN)", (task) => umask(task, Number.NaN)],
    ["unshare(2^32)", (task) => unshare(task, 2 ** 32)],
    ["open flags that are text", (task) => open(task, "/", "r" as never)],
    ["pipe flags of 33 bits", (task) => pipe(task, 2 ** 32)],
    ["a socket type of NaN", (task) => Socket.make(task, 1, Number.NaN)],
    ["a value with a half of a character", (task) => task.ptr("\ud800")],
    ["text with a NUL", (task) => task.ptr("a\0b")],
    ["a number that its type does not have", (task) => task.ptr(2 ** 31, Int32)],
    ["mount options with a NUL", (task) => mount(task, "none", "/mnt", "tmpfs", 0, "size=1\0")],
    [
      "clone(NaN)",
      (task) =>
        clone(task, {
          flags: Number.NaN,
          kept: [],
          deathSignal: undefined,
        }),
    ],
    [
      "an option of 2^31",
      (task) =>
        Effect.flatMap(Socket.make(task, 1, SOCK.STREAM), (socket) =>
          socket.setOption(SOL.SOCKET, SO.SNDBUF, 2 ** 31),
        ),
    ],
    [
      "a least descriptor of 33 bits",
      (task) => Effect.flatMap(open(task, "/", 0), (fd) => fd.dup(2 ** 32 + 50)),
    ],
    [
      "an argument of fcntl of 33 bits",
      (task) => Effect.flatMap(open(task, "/", 0), (fd) => fd.fcntl(F.SETFD, 2 ** 32)),
    ],
    ["a lock that is none", (task) => withFile(task, (file) => FileLock.make(file, LOCK.UN))],
    ["a lock of 1.5", (task) => withFile(task, (file) => FileLock.make(file, 1.5))],
    ["flock(1.5)", (task) => withFile(task, (file) => file.flock(1.5))],
    ["flock of 33 bits", (task) => withFile(task, (file) => file.flock(2 ** 32 + LOCK.EX))],
    [
      "a record lock that is none",
      (task) => withFile(task, (file) => RecordLock.make(file, { type: F.UNLCK })),
    ],
    [
      "a range that is not exact",
      (task) => withFile(task, (file) => file.setRecordLock(F.WRLCK, { start: 2 ** 53 + 2 })),
    ],
    [
      "a range that is text",
      (task) => withFile(task, (file) => file.setRecordLock(F.WRLCK, { start: "5" as never })),
    ],
    [
      "an offset that is not exact",
      (task) =>
        withFile(task, (file) => file.copyFileRange(file, 1, { from: 2 ** 53 + 2 } as never)),
    ],
    [
      "a limit that is not exact",
      (task) => prlimit(task, 0, RLIMIT.CORE, { cur: 2 ** 53 + 2, max: 2 ** 53 + 2 }),
    ],
    [
      "times that are none",
      (task) => withFile(task, (file) => file.utimens({ atime: 5, mtime: undefined } as never)),
    ],
    [
      "a datagram without bytes",
      (task) => withSocket(task, (socket) => socket.sendTo(undefined as never, local)),
    ],
    [
      "a message of 1025 pieces",
      (task) =>
        withSocket(task, (socket) =>
          socket.sendMessage({ address: local, bytes: Array(1025).fill(Uint8Array.of(1)) }),
        ),
    ],
    [
      "room of 1025 pieces",
      (task) => withSocket(task, (socket) => socket.receiveMessage({ size: Array(1025).fill(1) })),
    ],
    [
      "memory to be written that is text",
      (task) =>
        Effect.flatMap(MemoryMapping.make(task, 1), (memory) => memory.writeBytes("5" as never)),
    ],
  ];
  for (const [what, make] of refused)
    it(`is refused: ${what}`, function* () {
      const { task } = yield* LocalThread;
      assert.include(REFUSED, yield* errnoOf(make(task)));
    });

  it("says what a text, and what an address must be", function* () {
    const { task } = yield* LocalThread;
    const message = (address: unknown) =>
      withSocket(task, (socket) =>
        Effect.map(
          Effect.flip(socket.sendTo(new Uint8Array(), { ...local, address: address as never })),
          (error) => error.message,
        ),
      );
    for (const address of [5, undefined, 1n])
      assert.include(yield* message(address), `("${address}" is no IPv4 address)`);
    const name = yield* withFile(task, (file) => Effect.flip(file.getxattr(5 as never)));
    assert.include(name.message, "(5 is neither text nor bytes)");
  });

  it("says what a socket needs first", function* () {
    const { task } = yield* LocalThread;
    const socket = yield* Socket.make(task, AF.INET, SOCK.STREAM);
    const accepted = yield* Effect.flip(socket.accept());
    assert.match(
      accepted.message,
      /EINVAL: .*\(the socket does not listen: `listen` comes first\)$/,
    );
    const any = { ...local, port: 0 };
    yield* socket.bind(any);
    const bound = yield* Effect.flip(socket.bind(any));
    assert.match(bound.message, /EINVAL: .*\(the socket has an address already, /);
  });

  it("leaves a file as it is", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "m");
    yield* memfd.writeAllText("content");
    assert.equal(yield* errnoOf(memfd.truncate(Number.NaN)), "InvalidArgumentError");
    assert.equal((yield* memfd.fstat()).size, 7);
  });

  it("is no signal to a child, and no descriptor of a program", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    assert.include(REFUSED, yield* errnoOf(child.process.kill(Number.NaN)));
    assert.isUndefined(child.process.state);
    const fds = new Map([[1.5, thread.stdin]]);
    assert.include(REFUSED, yield* errnoOf(thread.run(Command.make("/bin/true"), { fds })));
    yield* child.process.kill(SIG.KILL);
  });

  it("leads nowhere in memory", function* () {
    const { task } = yield* LocalThread;
    const pointer = yield* task.ptr(Uint8Array.of(1, 2, 3));
    for (const size of [-1, 1.5, 4, Number.NaN])
      assert.equal(yield* errnoOf(pointer.split(size)), "SizeError", String(size));
    assert.isTrue(pointer.isValid);
  });
});

describe("empty memory", () => {
  it("has no byte", function* () {
    const thread = yield* LocalThread;
    const { task } = thread;
    assert.equal((yield* task.ptr(new Uint8Array())).size, 0);
    const [one, other] = [yield* task.malloc(Bytes, 0), yield* task.malloc(Bytes, 0)];
    assert.notEqual(yield* one.address(), yield* other.address(), "each has a place of its own");

    const [reader, writer] = yield* thread.pipe();
    yield* writer.write(yield* task.ptr(new Uint8Array()));
    yield* writer.writeAllText("x");
    assert.equal((yield* reader.readBytes(8)).length, 1);

    const [from, to] = yield* Socket.pair(task, 1, SOCK.SEQPACKET);
    yield* from.send(yield* task.ptr(new Uint8Array()));
    yield* from.send(yield* task.ptr(Uint8Array.of(7)));
    const [empty] = yield* to.recv(yield* task.malloc(Bytes, 8));
    assert.equal(empty.size, 0, "a packet of nothing");
    const [rest] = yield* to.recv(yield* task.malloc(Bytes, 0));
    assert.equal(rest.size, 0);
  });
});

describe("dup3 onto itself", () => {
  it("is EINVAL, as in dup3(2)", function* () {
    const { task } = yield* LocalThread;
    const fd = yield* open(task, "/dev/null", 0);
    assert.equal(yield* errnoOf(fd.dup3(fd)), "EINVAL");
    assert.equal(yield* fd.fcntl(F.GETFD), 1, "still close-on-exec");
  });
});

describe("a file that is larger than a number can say", () => {
  const SIZE = 2n ** 60n;

  it("is EOVERFLOW, and statx and lseek tell", function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "sparse");
    yield* ftruncate(task.sysif, memfd.near, SIZE);
    assert.equal(yield* errnoOf(memfd.fstat()), "EOVERFLOW");
    assert.equal(yield* memfd.lseek(0, 2), SIZE);
    assert.equal((yield* fstatx(memfd)).size, SIZE);
    assert.equal(yield* errnoOf(copyFile(memfd, yield* Memfd.make(task, "to"))), "EOVERFLOW");
  });

  it("is copied piece by piece, and does not fill this process", function* () {
    const { task } = yield* LocalThread;
    const [from, to] = [yield* Memfd.make(task, "from"), yield* Memfd.make(task, "to")];
    yield* from.truncate(2 ** 50);
    const before = process.memoryUsage().rss;
    // Nobody waits for its end: it writes until the scope closes.
    const copied = yield* Effect.timeoutOption(copyFile(from, to), "100 millis");
    assert.equal(copied._tag, "None");
    assert.isBelow(process.memoryUsage().rss - before, 200 * 2 ** 20);
    assert.isAbove((yield* to.fstat()).size, 0);
  });
});
