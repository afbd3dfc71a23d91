import { AF, O, SOCK } from "@rsyscall/abi";
import {
  bindUnix,
  type FileDescriptor,
  type HandleFailure,
  openpty,
  Socket,
} from "@rsyscall/handle";
import { begin, it, tempDirectory } from "@rsyscall/harness";
import { getpid } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Fiber, type Scope } from "effect";
import { assert, describe } from "vitest";

type Ends = Effect.Effect<
  readonly [theirs: FileDescriptor, ours: FileDescriptor],
  HandleFailure,
  Scope.Scope
>;
type MakeEnds = (thread: Thread) => Ends;

const socket: MakeEnds = (thread) => Socket.pair(thread.task);

/** A process whose descriptor is an open file of this one, as the stdin and stdout of a caller are. */
const sharing = (theirs: FileDescriptor, target: (child: Thread) => FileDescriptor) =>
  Effect.gen(function* () {
    const child = yield* (yield* LocalThread).fork();
    yield* (yield* theirs.inherit(child.task)).dup3(target(child));
    return child;
  });

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What has come before its size is reached. */
const readLength = (fd: FileDescriptor, size: number) =>
  Effect.gen(function* () {
    const parts: Array<Uint8Array> = [];
    for (let rest = size; rest > 0; rest -= (parts.at(-1) as Uint8Array).length)
      parts.push(yield* fd.readBytes(rest));
    return Buffer.concat(parts);
  });

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);

/** Asserts that no flag was left behind on the open file. */
const isUnchanged = (theirs: FileDescriptor) =>
  Effect.map(theirs.statusFlags(), (flags) => assert.equal(flags & O.NONBLOCK, 0));

describe.each<[string, MakeEnds]>([
  ["a pipe", (thread) => thread.pipe()],
  ["a socket", socket],
  ["a terminal", (thread) => Effect.map(openpty(thread.task), ([master, peer]) => [peer, master])],
])("reading %s that others share", (_name, ends) => {
  it("waits without blocking, can be interrupted, and changes no flag", function* () {
    const [theirs, ours] = yield* ends(yield* LocalThread);
    const child = yield* sharing(theirs, ({ stdin }) => stdin);
    const afd = yield* child.makeAfd(child.stdin);
    for (const line of ["first\n", "second\n"]) {
      const reading = yield* begin(afd.readBytes());
      assert.equal(yield* getpid(child.task.sysif), child.task.pid, "other calls go on");
      yield* isUnchanged(theirs);
      yield* ours.writeAllText(line);
      assert.equal(text(yield* Fiber.join(reading)), line);
      yield* Fiber.interrupt(yield* begin(afd.readBytes()));
    }
    yield* isUnchanged(theirs);
  });
});

describe.each<[string, MakeEnds]>([
  ["a pipe", (thread) => Effect.map(thread.pipe(), ([reader, writer]) => [writer, reader])],
  ["a socket", socket],
])("writing %s that others share", (_name, ends) => {
  it("waits for room without blocking, and changes no flag", function* () {
    const thread = yield* LocalThread;
    const [theirs, ours] = yield* ends(thread);
    const child = yield* sharing(theirs, ({ stdout }) => stdout);
    const afd = yield* child.makeAfd(child.stdout);
    const writing = yield* begin(afd.writeAllBytes(bytes));
    assert.equal(yield* getpid(child.task.sysif), child.task.pid, "other calls go on");
    assert.equal(Buffer.compare(yield* readLength(ours, bytes.length), bytes), 0);
    yield* Fiber.join(writing);
    yield* isUnchanged(theirs);
  });

  it("is so for what is copied to it as well", function* () {
    const thread = yield* LocalThread;
    const [theirs, ours] = yield* ends(thread);
    const child = yield* sharing(theirs, ({ stdout }) => stdout);
    const afd = yield* child.makeAfd(child.stdout);
    const path = `${yield* tempDirectory}/file`;
    yield* thread.spit(path, bytes);
    const sending = yield* begin(afd.sendFile(yield* child.open(path)));
    assert.equal(yield* getpid(child.task.sysif), child.task.pid, "other calls go on");
    assert.equal(Buffer.compare(yield* readLength(ours, bytes.length), bytes), 0);
    assert.equal(yield* Fiber.join(sending), bytes.length);

    const [from, into] = yield* child.pipe();
    const splicing = yield* begin((yield* child.makeAfd(from)).spliceTo(afd));
    const toPipe = yield* child.makeAfd(into);
    const feeding = yield* begin(Effect.andThen(toPipe.writeAllBytes(bytes), toPipe.close()));
    assert.equal(Buffer.compare(yield* readLength(ours, bytes.length), bytes), 0);
    yield* Fiber.join(feeding);
    assert.equal(yield* Fiber.join(splicing), bytes.length);
    yield* isUnchanged(theirs);
  });
});

describe("a socket that others share", () => {
  it("accepts, and receives descriptors, and no flag changes", function* () {
    const thread = yield* LocalThread;
    const path = `${yield* tempDirectory}/socket`;
    const listening = yield* thread.socket(AF.UNIX, SOCK.STREAM);
    yield* bindUnix(listening, path);
    yield* listening.listen(1);
    const child = yield* sharing(listening, ({ stdin }) => stdin);
    const listener = yield* child.makeAfd(yield* Socket.from(child.stdin));
    const accepting = yield* begin(listener.accept());
    assert.equal(yield* getpid(child.task.sysif), child.task.pid, "other calls go on");
    const client = yield* thread.socket(AF.UNIX, SOCK.STREAM);
    yield* client.connect({ family: "unix", path });
    yield* Fiber.join(accepting);
    yield* isUnchanged(listening);

    const [theirs, ours] = yield* Socket.pair(thread.task);
    const other = yield* sharing(theirs, ({ stdin }) => stdin);
    const receiver = yield* other.makeAfd(yield* Socket.from(other.stdin));
    const receiving = yield* begin(receiver.receiveFds(10, 1));
    assert.equal(yield* getpid(other.task.sysif), other.task.pid, "other calls go on");
    const [reader, writer] = yield* thread.pipe();
    yield* ours.sendFds(Uint8Array.of(1), [reader]);
    const { fds } = yield* Fiber.join(receiving);
    // The sender shares the open file of a descriptor that was received.
    const received = yield* other.makeAfd(fds[0] as FileDescriptor);
    yield* writer.writeAllText("passed");
    assert.equal(text(yield* received.readBytes()), "passed");
    yield* isUnchanged(reader);
    yield* isUnchanged(theirs);
  });
});
