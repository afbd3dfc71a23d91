import { readdirSync } from "node:fs";
import { CLONE, CLOSE_RANGE, F, FD, O } from "@rsyscall/abi";
import { closeRange, type FileDescriptor } from "@rsyscall/handle";
import { getpid } from "@rsyscall/near";
import { type ChildThread, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

const problem = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error): string =>
    "errno" in error ? String(error.errno) : error._tag,
  );

const opened = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b);

/** Descriptors of /dev/null with numbers in a row, from a number on that nothing else has. */
const row = (thread: Thread, count: number, from = 300) =>
  Effect.flatMap(thread.open("/dev/null", O.RDWR), (file) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => from + i),
      (least) => file.dup(least),
    ),
  );

type One = readonly [FileDescriptor];
type Five = readonly [
  FileDescriptor,
  FileDescriptor,
  FileDescriptor,
  FileDescriptor,
  FileDescriptor,
];

const validity = (fds: ReadonlyArray<FileDescriptor>) => fds.map(({ isValid }) => isValid);
const isOpen = (fd: FileDescriptor) => opened(fd.task.pid).includes(fd.near);

inEachKind((it) => {
  it("closes a range, and the handles are invalid", function* (thread) {
    const fds = yield* row(thread, 5);
    const [first, second, third, fourth, fifth] = fds as unknown as Five;
    yield* closeRange(thread, second.near, fourth.near);
    assert.deepEqual(validity(fds), [true, false, false, false, true]);
    assert.deepEqual(fds.map(isOpen), [true, false, false, false, true]);
    for (const fd of [second, third, fourth])
      assert.equal(yield* problem(fd.writeBytes(new Uint8Array(1))), "UseAfterFreeError");
    yield* first.writeBytes(new Uint8Array(1));
    yield* fifth.close();
  });

  it("closes nothing twice: a number that is free may have another owner", function* (thread) {
    const scope = yield* Scope.make();
    const fds = yield* Scope.provide(row(thread, 1), scope);
    yield* closeRange(thread, 300, 310);
    const [other] = (yield* row(thread, 1)) as unknown as One;
    assert.equal(other.near, fds[0]?.near);
    yield* Scope.close(scope, Exit.void);
    yield* other.fstat();
  });

  it("closes nothing in a range without descriptors", function* (thread) {
    const fds = yield* row(thread, 2);
    yield* closeRange(thread, 5000, 6000);
    yield* closeRange(thread, 2 ** 32 - 1);
    assert.deepEqual(fds.map(isOpen), [true, true]);
  });

  it("closes one, if first is last", function* (thread) {
    const fds = yield* row(thread, 3);
    yield* closeRange(thread, 301, 301);
    assert.deepEqual(validity(fds), [true, false, true]);
  });

  it("goes to the end of the table", function* (thread) {
    const fds = yield* row(thread, 3);
    yield* closeRange(thread, 300);
    assert.deepEqual(validity(fds), [false, false, false]);
    assert.isBelow(Math.max(...opened(thread.task.pid)), 300);
  });

  it("invalidates all handles of a number", function* (thread) {
    const [fd] = (yield* row(thread, 1)) as unknown as One;
    const other = yield* fd.forTask(thread);
    yield* closeRange(thread, other.near, other.near);
    assert.deepEqual([fd.isValid, other.isValid], [false, false]);
  });

  it("is EINVAL if first is more than last, and for flags that are none", function* (thread) {
    const fds = yield* row(thread, 2);
    assert.equal(yield* problem(closeRange(thread, 301, 300)), "EINVAL");
    for (const flags of [CLOSE_RANGE.UNSHARE, 1, 8, -1])
      assert.equal(yield* problem(closeRange(thread, 300, 301, flags)), "InvalidArgumentError");
    for (const bad of [-1, 1.5, 2 ** 32, Number.NaN]) {
      assert.equal(yield* problem(closeRange(thread, bad)), "InvalidArgumentError");
      assert.equal(yield* problem(closeRange(thread, 300, bad)), "InvalidArgumentError");
    }
    assert.deepEqual(validity(fds), [true, true]);
  });

  it("makes a range close-on-exec, and the handles stay", function* (thread) {
    const fds = yield* row(thread, 3);
    for (const fd of fds) yield* fd.setCloexec(false);
    yield* closeRange(thread, 300, 301, CLOSE_RANGE.CLOEXEC);
    const flags = yield* Effect.forEach(fds, (fd) => fd.fcntl(F.GETFD));
    assert.deepEqual(flags, [FD.CLOEXEC, FD.CLOEXEC, 0]);
    assert.deepEqual(validity(fds), [true, true, true]);
  });

  it("makes a program get only what is left", function* (thread) {
    const fds = yield* row(thread, 3);
    const child = yield* thread.fork();
    const own = yield* Effect.forEach(fds, (fd) => fd.inherit(child));
    for (const fd of own) yield* fd.setCloexec(false);
    yield* closeRange(child, 301);
    const script = "[ -e /proc/self/fd/300 ] && ! [ -e /proc/self/fd/301 ]";
    yield* child.exec(child.environ.sh.args("-c", script));
    yield* child.process.check();
  });

  it("leaves what the process is reached by: calls, memory, events, passing, children", function* (thread) {
    const child = yield* thread.fork();
    const [, writer] = yield* (yield* LocalThread).pipe();
    yield* child.epoller();
    yield* closeRange(child, 0);
    assert.deepEqual(validity([child.stdin, child.stdout, child.stderr]), [false, false, false]);
    assert.equal(yield* getpid(child.task.sysif), child.task.pid);
    const pointer = yield* child.ptr(new Uint8Array(100_000));
    assert.equal((yield* pointer.read()).length, 100_000);
    const [passed] = (yield* child.connection.passTo([writer])) as One;
    assert.equal((yield* passed.fstat()).mode, (yield* writer.fstat()).mode);
    const [from, to] = yield* child.pipe();
    const async = yield* child.makeAfd(from);
    yield* to.writeAllText("x");
    assert.equal((yield* async.readBytes()).length, 1);
    const grandchild: ChildThread = yield* child.fork();
    yield* grandchild.exit(0);
    yield* grandchild.process.check();
  });

  it("does not touch the copies that a child has, nor what other tables have", function* (thread) {
    const fds = yield* row(thread, 2);
    const child = yield* thread.fork();
    const own = yield* Effect.forEach(fds, (fd) => fd.inherit(child));
    yield* closeRange(thread, 300, 301);
    assert.deepEqual(validity(own), [true, true]);
    yield* (own[0] as FileDescriptor).fstat();
    const late = yield* child.fork();
    yield* closeRange(child, 300, 300);
    assert.deepEqual(validity(own), [false, true]);
    assert.isTrue(opened(late.task.pid).includes(300));
  });

  it("closes a number that a child has, but no handle for", function* (thread) {
    const [fd] = (yield* row(thread, 1)) as unknown as One;
    const child = yield* thread.fork();
    assert.isTrue(opened(child.task.pid).includes(300));
    yield* closeRange(child, 300, 300);
    assert.isFalse(opened(child.task.pid).includes(300));
    assert.equal(yield* problem(fd.inherit(child)), "NamespaceMismatchError");
  });

  it("holds for all tasks that share the table", function* (thread) {
    const child = yield* thread.fork();
    const sharing = yield* child.clone(CLONE.FILES);
    const [fd] = (yield* row(sharing, 1)) as unknown as One;
    const theirs = yield* fd.forTask(child);
    yield* closeRange(child, 300);
    assert.deepEqual([fd.isValid, theirs.isValid], [false, false]);
    assert.equal(yield* getpid(sharing.task.sysif), sharing.task.pid);
  });
});
