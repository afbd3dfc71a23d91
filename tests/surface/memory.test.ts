import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import {
  Bytes,
  CString,
  type ErrnoName,
  F_SEAL,
  Int32,
  MADV,
  MAP,
  MAP_HUGE,
  MFD,
  MLOCK,
  MREMAP,
  MSYNC,
  O,
  PROT,
  RLIMIT,
  Uint32,
  Uint64,
} from "@rsyscall/abi";
import {
  capset,
  type MemoryMapping as Mapping,
  Memfd,
  MemfdSecret,
  MemoryMapping,
  type MmapOptions,
  setrlimit,
} from "@rsyscall/handle";
import { tempDirectory } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

const KiB = 1024;

/** The error of an operation: the errno, or the tag of an error that is not the kernel's. */
const problem = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error): string =>
    "errno" in error ? String(error.errno) : error._tag,
  );

const message = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message);

/** The permissions in /proc/PID/maps of the page of a mapping; undefined if it is not mapped. */
const permissions = (
  { task, near }: Pick<Mapping, "task" | "near">,
  offset = 0,
): string | undefined => {
  const at = near + offset;
  const ranges = readFileSync(`/proc/${task.pid}/maps`, "latin1").matchAll(/^(\w+)-(\w+) (\S+)/gm);
  for (const [, from, to, mode] of ranges)
    if (Number.parseInt(from as string, 16) <= at && at < Number.parseInt(to as string, 16))
      return mode;
  return undefined;
};

/** A line of the page of a mapping in /proc/PID/smaps. */
const smaps = ({ task, near }: Mapping, line: string): string => {
  const text = readFileSync(`/proc/${task.pid}/smaps`, "latin1");
  const at = text.indexOf(`${near.toString(16)}-`);
  return new RegExp(`^${line}:\\s+(.*)$`, "m").exec(text.slice(at))?.[1] ?? "";
};

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const bytes = (content: string) => Uint8Array.from(Buffer.from(content, "latin1"));

inEachKind((it) => {
  const anonymous = ({ task }: Thread, pages: number, options: MmapOptions = {}) =>
    MemoryMapping.make(task, pages * task.pageSize, options);

  const memfdOf = (thread: Thread, size: number, flags = 0) =>
    Effect.tap(Memfd.make(thread, "memory", flags), (memfd) => memfd.truncate(size));

  /** A file in a directory of its own, with content. */
  const fileOf = (thread: Thread, content: string | Uint8Array, flags: number = O.RDWR) =>
    Effect.gen(function* () {
      const path = `${yield* tempDirectory}/file`;
      yield* thread.spit(path, content);
      return { path, file: yield* thread.open(path, flags) };
    });

  // --- mmap(2)

  it("maps zeros, of whole pages, readable and writable", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* MemoryMapping.make(thread, pageSize + 1);
    assert.equal(mapping.length, 2 * pageSize);
    assert.equal(mapping.near % pageSize, 0);
    assert.equal(permissions(mapping), "rw-p");
    assert.deepEqual(yield* mapping.readBytes(), new Uint8Array(2 * pageSize));
  });

  it("is unmapped by its scope", function* (thread) {
    const scope = yield* Scope.make();
    const mapping = yield* Scope.provide(anonymous(thread, 2), scope);
    assert.isDefined(permissions(mapping));
    yield* Scope.close(scope, Exit.void);
    assert.isUndefined(permissions(mapping));
    assert.isFalse(mapping.isValid);
    assert.equal(yield* problem(mapping.readBytes()), "UseAfterFreeError");
  });

  it("is unmapped early, once", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    yield* mapping.munmap();
    assert.isUndefined(permissions(mapping));
    assert.equal(yield* problem(mapping.munmap()), "UseAfterFreeError");
    assert.equal(yield* problem(mapping.mprotect(PROT.READ)), "UseAfterFreeError");
    assert.equal(yield* problem(mapping.borrow(thread)), "UseAfterFreeError");
  });

  it("takes bytes there and back, across pages and chunks", function* (thread) {
    const size = 700 * KiB + 13;
    const mapping = yield* MemoryMapping.make(thread, size);
    const content = Uint8Array.from({ length: size }, (_, i) => (i * 7919) >> 3);
    yield* mapping.writeBytes(content);
    assert.equal(Buffer.compare(yield* mapping.readBytes(0, size), content), 0);
    assert.equal(
      Buffer.compare(yield* mapping.readBytes(4095, 5000), content.subarray(4095, 9095)),
      0,
    );
    assert.deepEqual(yield* mapping.readBytes(10, 0), new Uint8Array());
    yield* mapping.writeBytes(new Uint8Array());
  });

  it("takes values by their codecs", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    yield* mapping.write(Int32, -5, 8);
    yield* mapping.write(CString, "text", 100);
    yield* mapping.write(Uint64, 2n ** 64n - 1n, 16);
    assert.equal(yield* mapping.read(Int32, 8), -5);
    assert.equal(yield* mapping.read(CString, 100, 20), "text");
    assert.equal(yield* mapping.read(Uint64, 16), 2n ** 64n - 1n);
    assert.deepEqual(yield* mapping.read(Bytes, 100, 4), bytes("text"));
    assert.equal(yield* problem(mapping.write(Uint32, 2 ** 32)), "InvalidArgumentError");
  });

  it("refuses what is not within it, and numbers that are none", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    const { length } = mapping;
    yield* mapping.readBytes(length, 0);
    assert.equal(yield* problem(mapping.readBytes(length, 1)), "SizeError");
    assert.equal(yield* problem(mapping.readBytes(1, length)), "SizeError");
    assert.equal(yield* problem(mapping.read(Uint64, length - 7)), "SizeError");
    assert.equal(yield* problem(mapping.write(Uint64, 0n, length - 7)), "SizeError");
    for (const bad of [-1, 1.5, Number.NaN, length + 1, 2 ** 53]) {
      assert.equal(yield* problem(mapping.readBytes(bad, 0)), "InvalidArgumentError", `${bad}`);
      assert.equal(yield* problem(mapping.mprotect(0, bad, 1)), "InvalidArgumentError");
    }
    assert.equal(yield* problem(mapping.readBytes(0, -1)), "InvalidArgumentError");
    assert.equal(yield* problem(mapping.munmap(0, 2 * length)), "SizeError");
  });

  it("is EINVAL of no length, and refuses lengths that are none", function* (thread) {
    assert.equal(yield* problem(MemoryMapping.make(thread, 0)), "EINVAL");
    for (const bad of [-1, 0.5, Number.NaN])
      assert.equal(yield* problem(MemoryMapping.make(thread, bad)), "InvalidArgumentError");
    assert.equal(yield* problem(MemoryMapping.make(thread, 2 ** 52)), "ENOMEM");
  });

  it("does not replace memory that is in use", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    yield* mapping.write(Uint32, 7);
    const fixed = { flags: MAP.PRIVATE | MAP.FIXED, address: mapping.near };
    assert.match(
      yield* message(MemoryMapping.make(thread, 1, fixed)),
      /^mmap: flags is \d+, and must be without MAP.FIXED/,
    );
    const growing = { flags: MAP.PRIVATE | MAP.GROWSDOWN };
    assert.equal(yield* problem(MemoryMapping.make(thread, 1, growing)), "InvalidArgumentError");
    assert.match(
      yield* message(MemoryMapping.make(thread, 1, { address: mapping.near })),
      /EEXIST.*\(other memory is mapped there already/,
    );
    assert.equal(yield* mapping.read(Uint32), 7);
  });

  it("lies at an address that is free", function* (thread) {
    const mapping = yield* anonymous(thread, 3);
    const address = near.Address(mapping.near + thread.task.pageSize);
    yield* mapping.munmap(thread.task.pageSize, thread.task.pageSize);
    const inHole = yield* MemoryMapping.make(thread, 1, { address });
    assert.equal(inHole.near, address);
    // What lies in the hole is not the mapping's.
    yield* inHole.write(Uint32, 11);
    assert.equal(yield* problem(mapping.readBytes(thread.task.pageSize, 4)), "UseAfterFreeError");
    yield* mapping.munmap();
    assert.equal(yield* inHole.read(Uint32), 11);
  });

  it("of a private file does not change the file", function* (thread) {
    const { path, file } = yield* fileOf(thread, "the content");
    const mapping = yield* MemoryMapping.make(thread, 11, { fd: file, flags: MAP.PRIVATE });
    assert.equal(text(yield* mapping.readBytes(0, 11)), "the content");
    yield* mapping.writeBytes(bytes("THE"));
    assert.equal(text(yield* mapping.readBytes(0, 11)), "THE content");
    assert.equal(readFileSync(path, "latin1"), "the content");
  });

  it("of a shared file is the file, as is the file the mapping", function* (thread) {
    const { path, file } = yield* fileOf(thread, "the content");
    const mapping = yield* MemoryMapping.make(thread, 11, { fd: file });
    assert.equal(permissions(mapping), "rw-s");
    yield* mapping.writeBytes(bytes("THE"));
    yield* mapping.msync();
    assert.equal(readFileSync(path, "latin1"), "THE content");
    yield* file.writeAllText("new");
    assert.equal(text(yield* mapping.readBytes(0, 11)), "new content");
    yield* file.close();
    assert.equal(text(yield* mapping.readBytes(0, 3)), "new", "needs no descriptor");
  });

  it("has zeros behind the end of a file, up to the page, and they are not written", function* (thread) {
    const { path, file } = yield* fileOf(thread, "end");
    const mapping = yield* MemoryMapping.make(thread, 4, { fd: file });
    assert.deepEqual(yield* mapping.readBytes(3, 100), new Uint8Array(100));
    yield* mapping.writeBytes(bytes("beyond"), 3);
    yield* mapping.msync();
    assert.equal(readFileSync(path, "latin1"), "end");
  });

  it("begins at an offset of whole pages", function* (thread) {
    const { pageSize } = thread.task;
    const { file } = yield* fileOf(
      thread,
      Buffer.concat([new Uint8Array(pageSize), bytes("second")]),
    );
    const mapping = yield* MemoryMapping.make(thread, 6, { fd: file, offset: BigInt(pageSize) });
    assert.equal(text(yield* mapping.readBytes(0, 6)), "second");
    assert.match(
      yield* message(MemoryMapping.make(thread, 6, { fd: file, offset: 1 })),
      /mmap\(fd \d+\): EINVAL: .*\(.*the offset must be whole pages/,
    );
    const far = { fd: file, offset: 2n ** 63n - BigInt(pageSize) };
    assert.include(
      ["EOVERFLOW", "EINVAL"],
      yield* problem(MemoryMapping.make(thread, pageSize, far)),
    );
  });

  for (const [flags, options, errno] of [
    [O.RDONLY, {}, "EACCES"],
    [O.WRONLY, { protection: PROT.READ }, "EACCES"],
    [O.WRONLY, { protection: PROT.WRITE, flags: MAP.PRIVATE }, "EACCES"],
    [O.PATH, { protection: PROT.READ }, "EBADF"],
  ] as const satisfies ReadonlyArray<[number, MmapOptions, ErrnoName]>)
    it(`is ${errno} for a file opened with ${flags} and ${JSON.stringify(options)}`, function* (thread) {
      const { file } = yield* fileOf(thread, "content", flags);
      assert.equal(yield* problem(MemoryMapping.make(thread, 7, { fd: file, ...options })), errno);
    });

  it("of a file that was opened for reading can be private and writable", function* (thread) {
    const { file } = yield* fileOf(thread, "content", O.RDONLY);
    const mapping = yield* MemoryMapping.make(thread, 7, { fd: file, flags: MAP.PRIVATE });
    yield* mapping.writeBytes(bytes("C"));
    assert.equal(text(yield* mapping.readBytes(0, 7)), "Content");
  });

  it("is ENODEV for a directory and a pipe", function* (thread) {
    const directory = yield* thread.open("/", O.RDONLY | O.DIRECTORY);
    const [reader] = yield* thread.pipe();
    const options = { protection: PROT.READ };
    for (const fd of [directory, reader])
      assert.match(
        yield* message(MemoryMapping.make(thread, 1, { fd, ...options })),
        /ENODEV.*\(files of this kind cannot be mapped\)/,
      );
  });

  it("of /dev/zero is anonymous memory", function* (thread) {
    const zero = yield* thread.open("/dev/zero", O.RDWR);
    const mapping = yield* MemoryMapping.make(thread, 100, { fd: zero, flags: MAP.PRIVATE });
    yield* mapping.write(Uint32, 5, 50);
    assert.equal(yield* mapping.read(Uint32, 50), 5);
  });

  it("refuses flags that MAP.SHARED_VALIDATE does not know", function* (thread) {
    const { file } = yield* fileOf(thread, "content");
    const flags = MAP.SHARED_VALIDATE | MAP.SYNC;
    assert.equal(yield* problem(MemoryMapping.make(thread, 7, { fd: file, flags })), "EOPNOTSUPP");
  });

  it("can be populated and locked at once", function* (thread) {
    const populated = yield* anonymous(thread, 4, { flags: MAP.PRIVATE | MAP.POPULATE });
    assert.deepEqual(yield* populated.mincore(), [true, true, true, true]);
    const locked = yield* anonymous(thread, 1, { flags: MAP.PRIVATE | MAP.LOCKED });
    assert.match(smaps(locked, "VmFlags"), /\blo\b/);
  });

  // --- inaccessible pages: an error, and the process lives

  it("is EFAULT where it may not be read or written", function* (thread) {
    const mapping = yield* anonymous(thread, 2);
    const { pageSize } = thread.task;
    yield* mapping.mprotect(PROT.NONE, pageSize);
    assert.match(
      yield* message(mapping.readBytes(pageSize, 1)),
      /^memory read\(mapping at 0x\w+\): EFAULT: Bad address \(a page there is not mapped with PROT.READ, lies behind the end of its file/,
    );
    assert.equal(yield* problem(mapping.readBytes(pageSize - 4, 8)), "EFAULT");
    assert.equal(yield* problem(mapping.writeBytes(new Uint8Array(8), pageSize - 4)), "EFAULT");
    assert.deepEqual(yield* mapping.readBytes(pageSize - 4, 4), new Uint8Array(4));
    yield* mapping.mprotect(PROT.READ);
    assert.equal(yield* problem(mapping.write(Uint32, 1)), "EFAULT");
    assert.equal(yield* mapping.read(Uint32), 0);
  });

  it("is EFAULT behind the end of a file that was truncated", function* (thread) {
    const { pageSize } = thread.task;
    const memfd = yield* memfdOf(thread, 2 * pageSize);
    const mapping = yield* MemoryMapping.make(thread, 2 * pageSize, { fd: memfd });
    yield* mapping.write(Uint32, 9, pageSize);
    yield* memfd.truncate(pageSize);
    assert.equal(yield* problem(mapping.read(Uint32, pageSize)), "EFAULT");
    assert.equal(yield* problem(mapping.write(Uint32, 1, pageSize)), "EFAULT");
    assert.equal(yield* problem(mapping.readBytes()), "EFAULT");
    yield* memfd.truncate(2 * pageSize);
    assert.equal(yield* mapping.read(Uint32, pageSize), 0);
  });

  it("is EFAULT of a mapping longer than its file", function* (thread) {
    const { file } = yield* fileOf(thread, "short");
    const mapping = yield* MemoryMapping.make(thread, 3 * thread.task.pageSize, { fd: file });
    assert.equal(text(yield* mapping.readBytes(0, 5)), "short");
    assert.equal(yield* problem(mapping.readBytes(thread.task.pageSize, 1)), "EFAULT");
  });

  // --- munmap(2) of a part

  it("leaves a hole where pages are unmapped", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* anonymous(thread, 3);
    yield* mapping.write(Uint32, 3, 2 * pageSize);
    yield* mapping.munmap(pageSize, 1);
    assert.isUndefined(permissions(mapping, pageSize));
    assert.equal(yield* mapping.read(Uint32, 2 * pageSize), 3);
    for (const part of [
      mapping.readBytes(pageSize, 1),
      mapping.readBytes(pageSize - 1, 2),
      mapping.writeBytes(new Uint8Array(3 * pageSize)),
      mapping.mprotect(PROT.READ),
      mapping.munmap(pageSize, pageSize),
    ])
      assert.equal(yield* problem(part), "UseAfterFreeError");
    assert.equal(yield* problem(mapping.mremap(4 * pageSize)), "InvalidStateError");
    yield* mapping.munmap(0, pageSize);
    yield* mapping.munmap(2 * pageSize);
    assert.isFalse(mapping.isValid);
  });

  it("is EINVAL for an offset within a page, and all stays", function* (thread) {
    const mapping = yield* anonymous(thread, 2);
    assert.equal(yield* problem(mapping.munmap(1, 1)), "EINVAL");
    assert.equal(yield* problem(mapping.mprotect(PROT.READ, 1, 1)), "EINVAL");
    assert.equal(yield* problem(mapping.madvise(MADV.DONTNEED, 1, 1)), "EINVAL");
    yield* mapping.writeBytes(new Uint8Array(mapping.length));
  });

  it("unmaps at the end of its scope only what is still its own", function* (thread) {
    const { pageSize } = thread.task;
    const scope = yield* Scope.make();
    const mapping = yield* Scope.provide(anonymous(thread, 3), scope);
    yield* mapping.munmap(0, pageSize);
    const other = yield* MemoryMapping.make(thread, pageSize, { address: mapping.near });
    yield* Scope.close(scope, Exit.void);
    assert.isUndefined(permissions(mapping, pageSize));
    yield* other.write(Uint32, 1);
  });

  // --- mprotect(2)

  it("changes the protection of a part", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* anonymous(thread, 3);
    yield* mapping.mprotect(PROT.READ, pageSize, 1);
    assert.deepEqual(
      [0, 1, 2].map((page) => permissions(mapping, page * pageSize)),
      ["rw-p", "r--p", "rw-p"],
    );
    yield* mapping.mprotect(PROT.READ | PROT.EXEC);
    assert.equal(permissions(mapping, pageSize), "r-xp");
  });

  it("is EACCES to make a mapping writable whose file was opened for reading", function* (thread) {
    const { file } = yield* fileOf(thread, "content", O.RDONLY);
    const mapping = yield* MemoryMapping.make(thread, 7, { fd: file, protection: PROT.READ });
    assert.match(
      yield* message(mapping.mprotect(PROT.READ | PROT.WRITE)),
      /mprotect: EACCES.*its file was not opened for that/,
    );
    assert.equal(yield* problem(mapping.mprotect(0x800)), "EINVAL");
  });

  // --- mremap(2)

  it("grows, moves and keeps the content", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* anonymous(thread, 1);
    yield* mapping.write(Uint32, 21, 12);
    yield* mapping.mremap(100 * pageSize - 1);
    assert.equal(mapping.length, 100 * pageSize);
    assert.equal(yield* mapping.read(Uint32, 12), 21);
    assert.equal(yield* mapping.read(Uint32, 99 * pageSize), 0);
    yield* mapping.mremap(pageSize);
    assert.equal(yield* mapping.read(Uint32, 12), 21);
    assert.equal(yield* problem(mapping.readBytes(pageSize, 1)), "SizeError");
  });

  it("is ENOMEM to grow without moving where there is no room", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* anonymous(thread, 2);
    const next = yield* anonymous(thread, 2);
    const [low] = [mapping, next].sort((a, b) => a.near - b.near) as [Mapping, Mapping];
    if (low.near + low.length !== Math.max(mapping.near, next.near)) return;
    assert.match(
      yield* message(low.mremap(3 * pageSize, 0)),
      /ENOMEM.*\(there is no room behind the mapping: MREMAP.MAYMOVE/,
    );
    assert.equal(low.length, 2 * pageSize);
    yield* low.write(Uint32, 1);
  });

  it("refuses to move over memory that is in use, and lengths that are none", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    for (const flags of [MREMAP.FIXED | MREMAP.MAYMOVE, MREMAP.DONTUNMAP | MREMAP.MAYMOVE, 8])
      assert.equal(yield* problem(mapping.mremap(1, flags)), "InvalidArgumentError");
    assert.equal(yield* problem(mapping.mremap(0)), "EINVAL");
    assert.equal(yield* problem(mapping.mremap(Number.NaN)), "InvalidArgumentError");
    yield* mapping.write(Uint32, 1);
  });

  it("unmaps what it has become at the end of its scope", function* (thread) {
    const scope = yield* Scope.make();
    const mapping = yield* Scope.provide(anonymous(thread, 1), scope);
    yield* mapping.mremap(50 * thread.task.pageSize);
    yield* Scope.close(scope, Exit.void);
    assert.isUndefined(permissions(mapping));
    assert.isUndefined(permissions(mapping, 49 * thread.task.pageSize));
  });

  // --- madvise(2)

  it("forgets the content of private memory with MADV.DONTNEED", function* (thread) {
    const { pageSize } = thread.task;
    const mapping = yield* anonymous(thread, 2);
    yield* mapping.write(Uint32, 1);
    yield* mapping.write(Uint32, 2, pageSize);
    yield* mapping.madvise(MADV.DONTNEED, 0, pageSize);
    assert.deepEqual([yield* mapping.read(Uint32), yield* mapping.read(Uint32, pageSize)], [0, 2]);
  });

  it("keeps the content of shared memory with MADV.DONTNEED, and drops it with REMOVE", function* (thread) {
    const memfd = yield* memfdOf(thread, thread.task.pageSize);
    const mapping = yield* MemoryMapping.make(thread, thread.task.pageSize, { fd: memfd });
    yield* mapping.write(Uint32, 1);
    yield* mapping.madvise(MADV.DONTNEED);
    assert.equal(yield* mapping.read(Uint32), 1);
    yield* mapping.madvise(MADV.REMOVE);
    assert.equal((yield* memfd.fstat()).blocks, 0);
    assert.equal(yield* mapping.read(Uint32), 0);
  });

  it("notes advice, and is EINVAL for what is none", function* (thread) {
    const mapping = yield* anonymous(thread, 1);
    yield* mapping.madvise(MADV.DONTFORK);
    yield* mapping.madvise(MADV.DONTDUMP);
    assert.match(smaps(mapping, "VmFlags"), /\bdc\b/);
    assert.match(smaps(mapping, "VmFlags"), /\bdd\b/);
    for (const advice of [MADV.NORMAL, MADV.RANDOM, MADV.SEQUENTIAL, MADV.WILLNEED, MADV.COLD])
      yield* mapping.madvise(advice);
    assert.equal(yield* problem(mapping.madvise(12345)), "EINVAL");
  });

  it("faults pages in with MADV.POPULATE_WRITE, and is EFAULT behind the end of a file", function* (thread) {
    const mapping = yield* anonymous(thread, 2);
    assert.deepEqual(yield* mapping.mincore(), [false, false]);
    yield* mapping.madvise(MADV.POPULATE_WRITE, 0, 1);
    assert.deepEqual(yield* mapping.mincore(), [true, false]);
    const { file } = yield* fileOf(thread, "short");
    const beyond = yield* MemoryMapping.make(thread, 2 * thread.task.pageSize, { fd: file });
    assert.equal(yield* problem(beyond.madvise(MADV.POPULATE_READ)), "EFAULT");
  });

  // --- msync(2)

  it("syncs, and is EINVAL for flags that exclude each other", function* (thread) {
    const { file } = yield* fileOf(thread, "content");
    const mapping = yield* MemoryMapping.make(thread, 7, { fd: file });
    for (const flags of [MSYNC.SYNC, MSYNC.ASYNC, MSYNC.SYNC | MSYNC.INVALIDATE])
      yield* mapping.msync(flags);
    assert.equal(yield* problem(mapping.msync(MSYNC.SYNC | MSYNC.ASYNC)), "EINVAL");
    assert.equal(yield* problem(mapping.msync(MSYNC.SYNC, 1, 1)), "EINVAL");
  });

  it("is EBUSY to invalidate pages that are locked", function* (thread) {
    const { file } = yield* fileOf(thread, "content");
    const mapping = yield* MemoryMapping.make(thread, 7, { fd: file });
    yield* mapping.mlock();
    assert.match(
      yield* message(mapping.msync(MSYNC.SYNC | MSYNC.INVALIDATE)),
      /EBUSY.*\(MSYNC.INVALIDATE, and a page is locked\)/,
    );
    yield* mapping.munlock();
    yield* mapping.msync(MSYNC.SYNC | MSYNC.INVALIDATE);
  });

  // --- mlock(2)

  it("locks pages in memory, at once or when they are touched", function* (thread) {
    const mapping = yield* anonymous(thread, 2);
    yield* mapping.mlock(0, 1);
    assert.deepEqual(yield* mapping.mincore(), [true, false]);
    yield* mapping.mlock(thread.task.pageSize, 1, MLOCK.ONFAULT);
    assert.deepEqual(yield* mapping.mincore(), [true, false]);
    assert.match(smaps(mapping, "VmFlags"), /\blo\b/);
    yield* mapping.munlock();
    assert.notMatch(smaps(mapping, "VmFlags"), /\blo\b/);
  });

  it("says that RLIMIT_MEMLOCK is in the way", function* (thread) {
    const child = yield* thread.fork();
    const none = new Set<number>();
    const { pageSize } = thread.task;
    yield* setrlimit(child, RLIMIT.MEMLOCK, { cur: pageSize, max: pageSize });
    yield* capset(child, { effective: none, permitted: none, inheritable: none });
    const mapping = yield* anonymous(child, 2);
    const limit = /: E(PERM|NOMEM|AGAIN): .*RLIMIT_MEMLOCK .*CAP_IPC_LOCK/;
    const locked = anonymous(child, 2, { flags: MAP.PRIVATE | MAP.LOCKED });
    assert.match(yield* message(mapping.mlock()), limit);
    assert.match(yield* message(locked), limit);
    yield* setrlimit(child, RLIMIT.MEMLOCK, { cur: 0, max: 0 });
    assert.match(yield* message(mapping.mlock()), limit);
    assert.match(yield* message(locked), limit);
  });

  // --- memfd

  it("shares a memfd between two mappings", function* (thread) {
    const { pageSize } = thread.task;
    const memfd = yield* memfdOf(thread, pageSize);
    const one = yield* MemoryMapping.make(thread, pageSize, { fd: memfd });
    const two = yield* MemoryMapping.make(thread, pageSize, { fd: memfd, protection: PROT.READ });
    yield* one.write(Uint32, 77, 100);
    assert.equal(yield* two.read(Uint32, 100), 77);
    assert.equal(yield* problem(two.write(Uint32, 1)), "EFAULT");
  });

  it("seals a memfd", function* (thread) {
    const { pageSize } = thread.task;
    const memfd = yield* memfdOf(thread, pageSize, MFD.ALLOW_SEALING);
    assert.equal(yield* memfd.getSeals(), 0);
    const writable = yield* MemoryMapping.make(thread, pageSize, { fd: memfd });
    assert.match(
      yield* message(memfd.addSeals(F_SEAL.WRITE)),
      /EBUSY.*\(a shared mapping can still be written/,
    );
    yield* memfd.addSeals(F_SEAL.FUTURE_WRITE | F_SEAL.SHRINK);
    yield* writable.write(Uint32, 5);
    assert.equal(yield* problem(MemoryMapping.make(thread, pageSize, { fd: memfd })), "EPERM");
    assert.equal(yield* problem(memfd.truncate(0)), "EPERM");
    yield* writable.munmap();
    yield* memfd.addSeals(F_SEAL.WRITE | F_SEAL.SEAL);
    assert.match(
      yield* message(memfd.addSeals(F_SEAL.GROW)),
      /EPERM.*\(the memfd was made without MFD.ALLOW_SEALING, or has the seal SEAL/,
    );
    const read = yield* MemoryMapping.make(thread, pageSize, {
      fd: memfd,
      flags: MAP.PRIVATE,
    });
    assert.equal(yield* read.read(Uint32), 5);
  });

  it("of memfd_create without MFD.ALLOW_SEALING cannot be sealed", function* (thread) {
    const memfd = yield* memfdOf(thread, 1);
    assert.equal(yield* memfd.getSeals(), F_SEAL.SEAL);
    assert.equal(yield* problem(memfd.addSeals(F_SEAL.WRITE)), "EPERM");
  });

  it("is memory that only its process reaches: memfd_secret", function* (thread) {
    const secret = yield* Effect.exit(MemfdSecret.make(thread));
    if (Exit.isFailure(secret)) {
      assert.match(
        yield* message(MemfdSecret.make(thread)),
        /ENOSYS.*since 5.14.*secretmem.enable/,
      );
      return;
    }
    const fd = secret.value;
    yield* fd.truncate(thread.task.pageSize);
    assert.equal(yield* problem(fd.truncate(1)), "EINVAL");
    const mapping = yield* MemoryMapping.make(thread, thread.task.pageSize, { fd });
    yield* mapping.write(CString, "a secret", 10);
    assert.equal(yield* mapping.read(CString, 10, 20), "a secret");
    assert.equal(yield* problem(fd.readBytes(1)), "EINVAL");
    const memory = openSync(`/proc/${thread.task.pid}/mem`, "r");
    assert.throws(() => readSync(memory, new Uint8Array(8), 0, 8, mapping.near), /EIO/);
    closeSync(memory);
  });

  it("is unmapped as a whole if it is of huge pages, where the kernel has some", function* (thread) {
    const flags = MAP.PRIVATE | MAP.NORESERVE | MAP.HUGETLB | MAP_HUGE["2MB"];
    const scope = yield* Scope.make();
    const mapped = yield* Effect.exit(
      Scope.provide(MemoryMapping.make(thread, 1, { flags }), scope),
    );
    if (Exit.isFailure(mapped)) return;
    const mapping = mapped.value;
    assert.equal(smaps(mapping, "KernelPageSize"), "2048 kB");
    assert.match(
      yield* message(mapping.munmap(0, thread.task.pageSize)),
      /EINVAL.*\(huge pages can only be unmapped as a whole/,
    );
    yield* Scope.close(scope, Exit.void);
    assert.isUndefined(permissions(mapping));
  });

  it("says so if there are no huge pages", function* (thread) {
    const flags = MAP.PRIVATE | MAP.HUGETLB | MAP_HUGE["16GB"];
    assert.include(["EINVAL", "ENOMEM"], yield* problem(MemoryMapping.make(thread, 1, { flags })));
  });

  // --- other tasks

  it("is used by a child that shares the memory, through its own handle", function* (thread) {
    const shared = yield* anonymous(thread, 1);
    const child = yield* thread.fork();
    const theirs = yield* shared.forTask(child);
    yield* theirs.write(Uint32, 1234, 8);
    assert.equal(yield* shared.read(Uint32, 8), 1234);
    yield* shared.write(CString, "to the child", 100);
    assert.equal(yield* theirs.read(CString, 100, 20), "to the child");
    const [reader, writer] = yield* child.pipe();
    const address = yield* theirs.borrow(child, 100, 6);
    assert.equal(yield* near.write(child.task.sysif, writer.near, address, 6), 6);
    assert.equal(text(yield* reader.readBytes(6)), "to the");
    assert.equal(yield* shared.borrow(child, 100), address, "in the same memory");
  });

  it("stays until its last handle is given up", function* (thread) {
    const scope = yield* Scope.make();
    const shared = yield* Scope.provide(anonymous(thread, 1), scope);
    const child = yield* thread.fork();
    const theirs = yield* shared.forTask(child);
    yield* Scope.close(scope, Exit.void);
    yield* theirs.write(Uint32, 1);
    assert.equal(yield* problem(shared.read(Uint32)), "UseAfterFreeError");
    yield* theirs.munmap();
    assert.isUndefined(permissions(shared));
  });

  it("that a child has made in shared memory is unmapped although the child is gone", function* (thread) {
    const scope = yield* Scope.make();
    const child = yield* thread.fork();
    const mapping = yield* Scope.provide(anonymous(child, 1), scope);
    const ours = yield* mapping.forTask(thread);
    yield* child.exit(0);
    yield* child.process.check();
    yield* Scope.close(scope, Exit.void);
    yield* ours.write(Uint32, 3);
    yield* ours.munmap();
    assert.isUndefined(permissions(ours));

    const other = yield* thread.fork();
    const inner = yield* Scope.make();
    const lost = yield* Scope.provide(anonymous(other, 1), inner);
    yield* other.exit(0);
    yield* other.process.check();
    yield* Scope.close(inner, Exit.void);
    assert.isUndefined(permissions({ task: thread.task, near: lost.near }));
  });

  it("is gone when the child executes a program", function* (thread) {
    const child = yield* thread.fork();
    const mapping = yield* anonymous(child, 1);
    yield* child.exec(thread.environ.sh.args("-c", "exit 3"));
    assert.match(yield* message(mapping.read(Uint32)), /^process_vm_writev|^memory/);
    yield* child.process.wait();
  });

  it("is not unmapped while a child uses it", function* (thread) {
    const shared = yield* anonymous(thread, 64);
    const child = yield* thread.fork();
    const theirs = yield* shared.forTask(child);
    const content = new Uint8Array(theirs.length).fill(7);
    const writing = yield* Effect.forkChild(
      Effect.all(
        Array.from({ length: 8 }, () => theirs.writeBytes(content)),
        { concurrency: "unbounded" },
      ),
      { startImmediately: true },
    );
    yield* shared.munmap();
    yield* theirs.mremap(2 * theirs.length);
    yield* Fiber.join(writing);
    assert.deepEqual(yield* theirs.readBytes(0, content.length), content);
  });
});
