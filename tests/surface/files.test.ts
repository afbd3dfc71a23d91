import { randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import {
  _IOR,
  CLONE,
  cfmakeraw,
  EPOLL,
  F_SEAL,
  FALLOC_FL,
  FS_FL,
  Int32,
  IOCTL,
  ioctlRequest,
  LFLAG,
  LO_FLAGS,
  MFD,
  makedev,
  O,
  POSIX_FADV,
  RENAME,
  RESOLVE,
  RWF,
  S_IF,
  SEEK,
  SIG,
  SIG_IGN,
  STATX,
  SYNC_FILE_RANGE,
  TCFLUSH,
  TCSA,
  UTIME,
  VCC,
  XATTR,
} from "@rsyscall/abi";
import {
  type FileDescriptor,
  fstatx,
  getxattr,
  type HandleFailure,
  lgetxattr,
  listxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  Memfd,
  mknod,
  NamespaceFd,
  nameToHandleAt,
  open,
  openat2,
  openByHandleAt,
  openpty,
  pipe,
  removexattr,
  rename,
  setresuid,
  setsid,
  setxattr,
  sigaction,
  statfs,
  statx,
} from "@rsyscall/handle";
import { inFork, inStub, it, notRoot, tempDirectory } from "@rsyscall/harness";
import { SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";
import { inEachKind } from "./kinds.ts";

/*
 * Behaviours of files, as the suites of gVisor, LTP, libuv and xfstests have them, in tables. Each row is an
 * operation, and its outcome: a value, the name of an errno, or one of several where file systems differ.
 */

/** Where the operations of a table take place. */
class World {
  readonly thread: Thread;
  readonly directory: string;

  constructor(thread: Thread, directory: string) {
    this.thread = thread;
    this.directory = directory;
  }

  /** A path that no file has. */
  path(): string {
    return `${this.directory}/${randomUUID()}`;
  }

  /** The path of a new file. */
  written(content = "0123456789"): string {
    const path = this.path();
    writeFileSync(path, content);
    return path;
  }

  /** A new file, open in the thread. */
  file(content = "0123456789", flags: number = O.RDWR) {
    return open(this.thread, this.written(content), flags);
  }

  /** A memfd of 1 MiB: data in its first page, and in the page at 512 KiB. */
  sparse(flags = 0) {
    return Effect.tap(Memfd.make(this.thread, "sparse", flags), (memfd) =>
      Effect.andThen(
        memfd.truncate(2 ** 20),
        Effect.andThen(
          memfd.pwriteBytes(bytes("first"), 0),
          memfd.pwriteBytes(bytes("second"), 2 ** 19),
        ),
      ),
    );
  }
}

/** An outcome that is one of several. */
class OneOf {
  readonly outcomes: ReadonlyArray<unknown>;

  constructor(...outcomes: ReadonlyArray<unknown>) {
    this.outcomes = outcomes;
  }
}

type Operation = (world: World) => Effect.Effect<unknown, HandleFailure, Scope.Scope>;

type Table = Readonly<Record<string, readonly [operation: Operation, outcome: unknown]>>;

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const texts = (parts: ReadonlyArray<Uint8Array>) => parts.map(text);

/** The content of an open file, from its start. */
const contentOf = (fd: FileDescriptor) => Effect.map(fd.preadBytes(4096, 0), text);

/** What an operation comes to: a value, or the name of its error. */
const outcomeOf = (operation: Effect.Effect<unknown, HandleFailure, Scope.Scope>) =>
  Effect.catch(Effect.scoped(operation), (error) =>
    error instanceof SyscallError ? Effect.succeed(error.errno) : Effect.succeed(error._tag),
  );

const MAX = 2n ** 63n - 1n;

const positions: Table = {
  "SEEK_END counts from the end": [
    (w) => Effect.flatMap(w.file(), (f) => f.lseek(-1, SEEK.END)),
    9,
  ],
  "an offset before the start is EINVAL": [
    (w) => Effect.flatMap(w.file(), (f) => f.lseek(-1, SEEK.SET)),
    "EINVAL",
  ],
  "a pipe has no offset": [
    (w) => Effect.flatMap(pipe(w.thread), ([reader]) => reader.lseek(0, SEEK.CUR)),
    "ESPIPE",
  ],
  "an unknown whence is EINVAL": [(w) => Effect.flatMap(w.file(), (f) => f.lseek(0, 99)), "EINVAL"],
  "an offset beyond the end is allowed, and changes no size": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(
          f.lseek(100, SEEK.SET),
          Effect.map(f.fstat(), ({ size }) => size),
        ),
      ),
    10,
  ],
  "duplicates share the offset": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.flatMap(f.dup(), (d) => Effect.andThen(f.lseek(4), d.lseek(0, SEEK.CUR))),
      ),
    4,
  ],
  "files opened twice do not": [
    (w) => {
      const path = w.written();
      return Effect.flatMap(open(w.thread, path, O.RDONLY), (a) =>
        Effect.flatMap(open(w.thread, path, O.RDONLY), (b) =>
          Effect.andThen(a.lseek(4), b.lseek(0, SEEK.CUR)),
        ),
      );
    },
    0,
  ],
  "SEEK_DATA finds the second page of data": [
    (w) => Effect.flatMap(w.sparse(), (f) => f.lseek(2 ** 17, SEEK.DATA)),
    2 ** 19,
  ],
  "SEEK_HOLE finds the hole behind the first": [
    (w) => Effect.flatMap(w.sparse(), (f) => f.lseek(0, SEEK.HOLE)),
    new OneOf(4096, 16384, 65536, 2 ** 19),
  ],
  "SEEK_DATA in the hole at the end is ENXIO": [
    (w) => Effect.flatMap(w.sparse(), (f) => f.lseek(2 ** 20 - 1, SEEK.DATA)),
    "ENXIO",
  ],
  "SEEK_HOLE finds the end of a file without holes": [
    (w) => Effect.flatMap(w.file(), (f) => f.lseek(0, SEEK.HOLE)),
    10,
  ],
  "offsets beyond 2^53 are exact, both ways": [
    (w) =>
      Effect.flatMap(w.sparse(), (f) =>
        Effect.andThen(f.truncate(2n ** 62n + 1n), f.lseek(0, SEEK.END)),
      ),
    2n ** 62n + 1n,
  ],
  "the largest offset is allowed, and the next one is not": [
    (w) =>
      Effect.flatMap(w.sparse(), (f) =>
        Effect.all([f.lseek(MAX, SEEK.SET), outcomeOf(f.lseek(1, SEEK.CUR))]),
      ),
    new OneOf([MAX, "EOVERFLOW"], [MAX, "EINVAL"]),
  ],
};

const transfers: Table = {
  "pread leaves the offset": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.all([Effect.map(f.preadBytes(3, 5), text), f.lseek(0, SEEK.CUR)]),
      ),
    ["567", 0],
  ],
  "pread at the end is empty": [
    (w) => Effect.flatMap(w.file(), (f) => Effect.map(f.preadBytes(3, 10), text)),
    "",
  ],
  "pread reads what there is": [
    (w) => Effect.flatMap(w.file(), (f) => Effect.map(f.preadBytes(100, 8), text)),
    "89",
  ],
  "pread of a pipe is ESPIPE": [
    (w) => Effect.flatMap(pipe(w.thread), ([reader]) => reader.preadBytes(1, 0)),
    "ESPIPE",
  ],
  "pread of a file open for writing is EBADF": [
    (w) => Effect.flatMap(w.file("", O.WRONLY), (f) => f.preadBytes(1, 0)),
    "EBADF",
  ],
  "pread of a directory is EISDIR": [
    (w) => Effect.flatMap(open(w.thread, w.directory, O.RDONLY), (f) => f.preadBytes(1, 0)),
    "EISDIR",
  ],
  "pread before the start is EINVAL": [
    (w) => Effect.flatMap(w.file(), (f) => f.preadBytes(1, -1)),
    "EINVAL",
  ],
  "pwrite beyond the end leaves zeros between": [
    (w) =>
      Effect.flatMap(w.file("ab"), (f) =>
        Effect.andThen(f.pwriteBytes(bytes("x"), 4), contentOf(f)),
      ),
    "ab\0\0x",
  ],
  "pwrite appends with O_APPEND, and ignores the offset": [
    (w) =>
      Effect.flatMap(w.file("ab", O.RDWR | O.APPEND), (f) =>
        Effect.andThen(f.pwriteBytes(bytes("x"), 0), contentOf(f)),
      ),
    "abx",
  ],
  "pwrite at 2^62 needs no number": [
    (w) =>
      Effect.flatMap(w.sparse(), (f) =>
        Effect.flatMap(f.pwriteBytes(bytes("far"), 2n ** 62n + 1n), () =>
          Effect.map(f.preadBytes(3, 2n ** 62n + 1n), text),
        ),
      ),
    "far",
  ],
  "a size that no size is, is refused before it is sent": [
    (w) => Effect.flatMap(w.file(), (f) => f.readvBytes([1, Number.NaN])),
    "InvalidArgumentError",
  ],
  "readv fills one part after the other": [
    (w) => Effect.flatMap(w.file(), (f) => Effect.map(f.readvBytes([2, 0, 5, 9]), texts)),
    ["01", "", "23456", "789"],
  ],
  "readv of no parts reads nothing": [(w) => Effect.flatMap(w.file(), (f) => f.readvBytes([])), []],
  "readv of 1025 parts is EINVAL": [
    (w) => Effect.flatMap(w.file(), (f) => f.readvBytes(Array.from({ length: 1025 }, () => 1))),
    "EINVAL",
  ],
  "writev writes all parts as one": [
    (w) =>
      Effect.flatMap(w.file(""), (f) =>
        Effect.andThen(f.writevBytes([bytes("ab"), bytes(""), bytes("cde")]), contentOf(f)),
      ),
    "abcde",
  ],
  "readv of pointers splits them where the bytes end": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.flatMap(
          Effect.all([w.thread.ptr(new Uint8Array(8)), w.thread.ptr(new Uint8Array(8))]),
          (buffers) =>
            Effect.flatMap(f.readv(buffers), (parts) =>
              Effect.forEach(parts, ([used, rest]) =>
                Effect.map(used.read(), (value) => [text(value), rest.size]),
              ),
            ),
        ),
      ),
    [
      ["01234567", 0],
      ["89", 6],
    ],
  ],
  "preadv2 with -1 moves the offset": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.all([Effect.map(f.preadv2Bytes([2, 2], -1), texts), f.lseek(0, SEEK.CUR)]),
      ),
    [["01", "23"], 4],
  ],
  "preadv2 with an offset does not": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.all([Effect.map(f.preadv2Bytes([2], 6), texts), f.lseek(0, SEEK.CUR)]),
      ),
    [["67"], 0],
  ],
  "RWF_NOWAIT of an empty pipe is EAGAIN": [
    (w) => Effect.flatMap(pipe(w.thread), ([reader]) => reader.preadv2Bytes([1], -1, RWF.NOWAIT)),
    "EAGAIN",
  ],
  "an unknown flag of RWF is EOPNOTSUPP": [
    (w) => Effect.flatMap(w.file(), (f) => f.preadv2Bytes([1], 0, 0x4000_0000)),
    "EOPNOTSUPP",
  ],
  "RWF_APPEND writes to the end, and leaves the offset": [
    (w) =>
      Effect.flatMap(w.file("ab"), (f) =>
        Effect.andThen(
          f.pwritev2Bytes([bytes("x"), bytes("y")], 0, RWF.APPEND | RWF.DSYNC),
          Effect.all([contentOf(f), f.lseek(0, SEEK.CUR)]),
        ),
      ),
    ["abxy", 0],
  ],
  "writev of a file open for reading is EBADF": [
    (w) => Effect.flatMap(w.file("", O.RDONLY), (f) => f.writevBytes([bytes("x")])),
    "EBADF",
  ],
};

const sizes: Table = {
  "truncate cuts, and adds zeros": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(Effect.andThen(f.truncate(2), f.truncate(4)), contentOf(f)),
      ),
    "01\0\0",
  ],
  "truncate does not move the offset": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(Effect.andThen(f.lseek(8), f.truncate(2)), f.lseek(0, SEEK.CUR)),
      ),
    8,
  ],
  "truncate of a file open for reading is EINVAL": [
    (w) => Effect.flatMap(w.file("", O.RDONLY), (f) => f.truncate(1)),
    "EINVAL",
  ],
  "truncate of a pipe is EINVAL": [
    (w) => Effect.flatMap(pipe(w.thread), ([, writer]) => writer.truncate(1)),
    "EINVAL",
  ],
  "truncate to a negative size is refused": [
    (w) => Effect.flatMap(w.file(), (f) => f.truncate(-1)),
    "InvalidArgumentError",
  ],
  "fallocate makes a file longer": [
    (w) =>
      Effect.flatMap(w.file("ab"), (f) =>
        Effect.andThen(
          f.fallocate(0, 0, 4),
          Effect.map(f.fstat(), ({ size }) => size),
        ),
      ),
    4,
  ],
  "FALLOC_FL_KEEP_SIZE does not, and takes room": [
    (w) =>
      Effect.flatMap(w.file("ab"), (f) =>
        Effect.andThen(
          f.fallocate(FALLOC_FL.KEEP_SIZE, 0, 2 ** 20),
          Effect.map(f.fstat(), ({ size, blocks }) => [size, blocks >= 2 ** 11]),
        ),
      ),
    [2, true],
  ],
  "FALLOC_FL_PUNCH_HOLE makes a hole that reads as zeros": [
    (w) =>
      Effect.flatMap(w.sparse(), (f) =>
        Effect.andThen(
          f.fallocate(FALLOC_FL.PUNCH_HOLE | FALLOC_FL.KEEP_SIZE, 0, 2 ** 16),
          Effect.all([Effect.map(f.preadBytes(2, 0), text), f.lseek(0, SEEK.DATA)]),
        ),
      ),
    ["\0\0", 2 ** 19],
  ],
  "FALLOC_FL_PUNCH_HOLE alone is EOPNOTSUPP": [
    (w) => Effect.flatMap(w.sparse(), (f) => f.fallocate(FALLOC_FL.PUNCH_HOLE, 0, 4096)),
    "EOPNOTSUPP",
  ],
  "FALLOC_FL_COLLAPSE_RANGE takes blocks out": [
    (w) =>
      Effect.flatMap(w.file("a".repeat(2 ** 17) + "b".repeat(2 ** 16)), (f) =>
        Effect.andThen(
          f.fallocate(FALLOC_FL.COLLAPSE_RANGE, 0, 2 ** 16),
          Effect.all([
            Effect.map(f.fstat(), ({ size }) => size),
            Effect.map(f.preadBytes(1, 2 ** 16), text),
          ]),
        ),
      ),
    new OneOf([2 ** 17, "b"], "EOPNOTSUPP"),
  ],
  "FALLOC_FL_INSERT_RANGE puts zeros between": [
    (w) =>
      Effect.flatMap(w.file("a".repeat(2 ** 16) + "b".repeat(2 ** 16)), (f) =>
        Effect.andThen(
          f.fallocate(FALLOC_FL.INSERT_RANGE, 2 ** 16, 2 ** 16),
          Effect.map(f.readvBytes([2 ** 16, 2 ** 16, 1]), ([, zeros, b]) => [
            zeros?.every((x) => x === 0),
            b?.[0],
          ]),
        ),
      ),
    new OneOf([true, 98], "EOPNOTSUPP"),
  ],
  "FALLOC_FL_ZERO_RANGE leaves the rest": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(f.fallocate(FALLOC_FL.ZERO_RANGE, 2, 3), contentOf(f)),
      ),
    new OneOf("01\0\0\x0056789", "EOPNOTSUPP"),
  ],
  "fallocate of nothing is EINVAL": [
    (w) => Effect.flatMap(w.file(), (f) => f.fallocate(0, 0, 0)),
    "EINVAL",
  ],
  "fallocate of a pipe is ESPIPE": [
    (w) => Effect.flatMap(pipe(w.thread), ([, writer]) => writer.fallocate(0, 0, 1)),
    "ESPIPE",
  ],
  "fallocate of a file open for reading is EBADF": [
    (w) => Effect.flatMap(w.file("", O.RDONLY), (f) => f.fallocate(0, 0, 1)),
    "EBADF",
  ],
  "fallocate beyond the largest size is EFBIG": [
    (w) => Effect.flatMap(w.file(), (f) => f.fallocate(0, MAX - 1n, 1n)),
    new OneOf("EFBIG", "ENOSPC"),
  ],
  "fsync, fdatasync and syncfs are done": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.as(Effect.all([f.fsync(), f.fdatasync(), f.syncfs()]), "done"),
      ),
    "done",
  ],
  "fsync of a pipe is EINVAL": [
    (w) => Effect.flatMap(pipe(w.thread), ([reader]) => reader.fsync()),
    "EINVAL",
  ],
  "sync_file_range takes a range of a file": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.as(
          f.syncFileRange(0, 0, SYNC_FILE_RANGE.WRITE | SYNC_FILE_RANGE.WAIT_AFTER),
          "done",
        ),
      ),
    "done",
  ],
  "posix_fadvise takes advice, and no other": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(f.posixFadvise(POSIX_FADV.DONTNEED), outcomeOf(f.posixFadvise(77))),
      ),
    "EINVAL",
  ],
  "posix_fadvise of a pipe is ESPIPE": [
    (w) => Effect.flatMap(pipe(w.thread), ([reader]) => reader.posixFadvise(POSIX_FADV.NORMAL)),
    "ESPIPE",
  ],
  "seals keep a memfd from shrinking": [
    (w) =>
      Effect.flatMap(w.sparse(MFD.ALLOW_SEALING), (f) =>
        Effect.andThen(
          f.addSeals(F_SEAL.SHRINK),
          Effect.all([f.getSeals(), outcomeOf(f.truncate(1)), outcomeOf(f.truncate(2 ** 21))]),
        ),
      ),
    [F_SEAL.SHRINK, "EPERM", undefined],
  ],
  "F_SEAL_SEAL is the last one": [
    (w) =>
      Effect.flatMap(w.sparse(MFD.ALLOW_SEALING), (f) =>
        Effect.andThen(f.addSeals(F_SEAL.SEAL), f.addSeals(F_SEAL.GROW)),
      ),
    "EPERM",
  ],
  "a file of a disk has no seals": [(w) => Effect.flatMap(w.file(), (f) => f.getSeals()), "EINVAL"],
  "a pipe gets the size that is asked for, or more": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([reader, writer]) =>
        Effect.flatMap(writer.setPipeSize(5000), (size) =>
          Effect.map(reader.pipeSize(), (seen) => [size, seen]),
        ),
      ),
    new OneOf([8192, 8192], [16384, 16384], [65536, 65536]),
  ],
  "a pipe keeps what is in it": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([, writer]) =>
        Effect.andThen(
          Effect.andThen(writer.setPipeSize(65536), writer.writeBytes(new Uint8Array(4096))),
          Effect.andThen(
            // Pages that are in use, of which each write takes one.
            Effect.forEach([1, 2, 3], () => writer.writeBytes(new Uint8Array(4096))),
            writer.setPipeSize(4096),
          ),
        ),
      ),
    new OneOf("EBUSY", 16384, 65536),
  ],
};

const copies: Table = {
  "copy_file_range moves both offsets": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file(""), (to) =>
          Effect.flatMap(from.copyFileRange(to, 4), (count) =>
            Effect.all([
              Effect.succeed(count),
              contentOf(to),
              from.lseek(0, SEEK.CUR),
              to.lseek(0, SEEK.CUR),
            ]),
          ),
        ),
      ),
    [4, "0123", 4, 4],
  ],
  "copy_file_range with offsets moves none": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file("abcdef"), (to) =>
          Effect.andThen(
            from.copyFileRange(to, 2, { from: 8, to: 1n }),
            Effect.all([contentOf(to), from.lseek(0, SEEK.CUR), to.lseek(0, SEEK.CUR)]),
          ),
        ),
      ),
    ["a89def", 0, 0],
  ],
  "copy_file_range at the end is 0": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file(""), (to) => from.copyFileRange(to, 4, { from: 10 })),
      ),
    0,
  ],
  "copy_file_range of overlapping ranges is EINVAL": [
    (w) => Effect.flatMap(w.file(), (f) => f.copyFileRange(f, 4, { from: 0, to: 2 })),
    "EINVAL",
  ],
  "copy_file_range to a file that appends is EBADF": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file("", O.RDWR | O.APPEND), (to) => from.copyFileRange(to, 4)),
      ),
    "EBADF",
  ],
  "copy_file_range of a pipe is EINVAL": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([reader]) =>
        Effect.flatMap(w.file(""), (to) => reader.copyFileRange(to, 4)),
      ),
    "EINVAL",
  ],
  "FICLONE shares the content, where the file system can": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file(""), (to) => Effect.andThen(to.ficlone(from), contentOf(to))),
      ),
    new OneOf("0123456789", "EOPNOTSUPP", "ENOTTY", "EINVAL"),
  ],
  "FICLONERANGE takes whole blocks": [
    (w) =>
      Effect.flatMap(w.file(), (from) =>
        Effect.flatMap(w.file(""), (to) => to.ficlonerange(from, { sourceOffset: 1, length: 1 })),
      ),
    new OneOf("EOPNOTSUPP", "ENOTTY", "EINVAL"),
  ],
};

const attributes: Table = {
  "an attribute is set, listed, read and removed by descriptor": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(
          f.setxattr("user.a", bytes("value")),
          Effect.all([
            f.listxattr(),
            Effect.map(f.getxattr("user.a"), text),
            f.removexattr("user.a"),
            f.listxattr(),
            outcomeOf(f.getxattr("user.a")),
          ]),
        ),
      ),
    [["user.a"], "value", undefined, [], "ENODATA"],
  ],
  "and by path": [
    (w) => {
      const path = w.written();
      return Effect.andThen(
        setxattr(w.thread, path, "user.a", bytes("")),
        Effect.all([
          listxattr(w.thread, path),
          Effect.map(getxattr(w.thread, path, "user.a"), ({ length }) => length),
          removexattr(w.thread, path, "user.a"),
          listxattr(w.thread, path),
        ]),
      );
    },
    [["user.a"], 0, undefined, []],
  ],
  "a value may be longer than the first buffer": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(
          f.setxattr("user.long", new Uint8Array(2000).fill(7)),
          Effect.map(f.getxattr("user.long"), (value) => [value.length, value[1999]]),
        ),
      ),
    new OneOf([2000, 7], "ENOSPC"),
  ],
  "a value of more than 64 KiB is E2BIG": [
    (w) => Effect.flatMap(w.file(), (f) => f.setxattr("user.a", new Uint8Array(65537))),
    "E2BIG",
  ],
  "XATTR_CREATE wants none": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(
          f.setxattr("user.a", bytes("1")),
          f.setxattr("user.a", bytes("2"), XATTR.CREATE),
        ),
      ),
    "EEXIST",
  ],
  "XATTR_REPLACE wants one": [
    (w) => Effect.flatMap(w.file(), (f) => f.setxattr("user.a", bytes("2"), XATTR.REPLACE)),
    "ENODATA",
  ],
  "a name without a namespace is EOPNOTSUPP": [
    (w) => Effect.flatMap(w.file(), (f) => f.setxattr("name", bytes("2"))),
    "EOPNOTSUPP",
  ],
  "a name with a NUL is refused": [
    (w) => Effect.flatMap(w.file(), (f) => f.setxattr("user.a\0b", bytes("2"))),
    "InvalidArgumentError",
  ],
  "a link has no user attributes, but its file has": [
    (w) => {
      const path = w.path();
      symlinkSync(w.written(), path);
      return Effect.all([
        outcomeOf(setxattr(w.thread, path, "user.a", bytes("x"))),
        outcomeOf(lsetxattr(w.thread, path, "user.a", bytes("x"))),
        llistxattr(w.thread, path),
        outcomeOf(lgetxattr(w.thread, path, "user.a")),
        outcomeOf(lremovexattr(w.thread, path, "user.a")),
        listxattr(w.thread, path),
      ]);
    },
    new OneOf(
      [undefined, "EPERM", [], "EPERM", "EPERM", ["user.a"]],
      [undefined, "EPERM", [], "ENODATA", "EPERM", ["user.a"]],
    ),
  ],
  "futimens sets times, and UTIME_OMIT leaves one": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.andThen(
          f.utimens({
            atime: { seconds: 5, nanoseconds: 0 },
            mtime: { seconds: 1, nanoseconds: 2 },
          }),
          Effect.andThen(
            f.utimens({
              atime: { seconds: 0, nanoseconds: UTIME.OMIT },
              mtime: { seconds: -3, nanoseconds: 0 },
            }),
            Effect.map(f.fstat(), ({ atime, mtime }) => [atime.seconds, mtime.seconds]),
          ),
        ),
      ),
    [5, -3],
  ],
  "fstatfs and statfs tell of the same file system": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.map(
          Effect.all([f.fstatfs(), statfs(w.thread, w.directory)]),
          ([a, b]) =>
            a.type === b.type && a.bsize > 0 && a.blocks === b.blocks && a.namelen === 255,
        ),
      ),
    true,
  ],
  "statfs of no file is ENOENT": [(w) => statfs(w.thread, w.path()), "ENOENT"],
  "/proc says that it is proc": [
    (w) => Effect.map(statfs(w.thread, "/proc"), ({ type }) => type),
    0x9fa0,
  ],
  "statx tells the mount, and the newest fields that the kernel knows": [
    (w) => {
      const path = w.written();
      const all = STATX.BASIC_STATS | STATX.MNT_ID | STATX.DIOALIGN | STATX.WRITE_ATOMIC;
      return Effect.flatMap(open(w.thread, path, O.RDONLY), (f) =>
        Effect.map(
          Effect.all([statx(w.thread, path, 0, all), fstatx(f, STATX.MNT_ID)]),
          ([a, b]) => [
            a.mntId === b.mntId && a.mntId > 0n,
            a.mask & STATX.DIOALIGN ? a.dioMemAlign <= 4096 && a.dioOffsetAlign <= 65536 : true,
            a.atomicWriteUnitMin <= a.atomicWriteUnitMax,
          ],
        ),
      );
    },
    [true, true, true],
  ],
  "FS_IOC_GETFLAGS and SETFLAGS change a flag": [
    (w) =>
      Effect.flatMap(w.file(), (f) =>
        Effect.flatMap(f.ioctl(IOCTL.FS_IOC_GETFLAGS), (flags) =>
          Effect.andThen(
            f.ioctl(IOCTL.FS_IOC_SETFLAGS, flags | FS_FL.NODUMP),
            Effect.map(f.ioctl(IOCTL.FS_IOC_GETFLAGS), (now) => now & FS_FL.NODUMP),
          ),
        ),
      ),
    new OneOf(FS_FL.NODUMP, "ENOTTY", "EOPNOTSUPP"),
  ],
};

const paths: Table = {
  "RESOLVE_BENEATH stays below the directory": [
    (w) => {
      const name = w.path().slice(w.directory.length + 1);
      mkdirSync(`${w.directory}/${name}`);
      writeFileSync(`${w.directory}/${name}/in`, "in");
      symlinkSync("/etc/passwd", `${w.directory}/${name}/out`);
      return Effect.flatMap(open(w.thread, `${w.directory}/${name}`, O.PATH), (directory) => {
        const read = (path: string, resolve: number) =>
          outcomeOf(Effect.flatMap(openat2(w.thread, path, { directory, resolve }), contentOf));
        return Effect.all([
          read("in", RESOLVE.BENEATH),
          read("./../in", RESOLVE.BENEATH),
          read("out", RESOLVE.BENEATH),
          read("/etc/passwd", RESOLVE.BENEATH),
          read("/in", RESOLVE.IN_ROOT),
          read("../../in", RESOLVE.IN_ROOT),
          read("out", RESOLVE.IN_ROOT),
          read("out", RESOLVE.NO_SYMLINKS),
        ]);
      });
    },
    ["in", "EXDEV", "EXDEV", "EXDEV", "in", "in", "ENOENT", "ELOOP"],
  ],
  "RESOLVE_NO_MAGICLINKS and NO_XDEV keep out of /proc": [
    (w) =>
      Effect.all([
        outcomeOf(openat2(w.thread, "/proc/self/exe", { resolve: RESOLVE.NO_MAGICLINKS })),
        outcomeOf(openat2(w.thread, "/proc/self", { resolve: RESOLVE.NO_XDEV })),
      ]),
    ["ELOOP", "EXDEV"],
  ],
  "openat2 creates with the mode, and refuses one that has no meaning": [
    (w) => {
      const path = w.path();
      return Effect.andThen(
        openat2(w.thread, path, { flags: O.RDWR | O.CREAT | O.EXCL, mode: 0o600 }),
        Effect.map(outcomeOf(openat2(w.thread, path, { mode: 0o600 })), (outcome) => [
          statSync(path).mode & 0o777,
          outcome,
        ]),
      );
    },
    [0o600, "EINVAL"],
  ],
  "openat2 refuses what it does not know": [
    (w) => openat2(w.thread, "/", { resolve: 0x4000_0000 }),
    "EINVAL",
  ],
  "a handle of a file opens it under another name": [
    (w) => {
      const path = w.written("handle");
      return Effect.flatMap(nameToHandleAt(w.thread, path), ({ handle }) =>
        Effect.flatMap(open(w.thread, w.directory, O.RDONLY), (mount) =>
          Effect.andThen(
            rename(w.thread, path, w.path()),
            Effect.flatMap(openByHandleAt(mount, handle), contentOf),
          ),
        ),
      );
    },
    new OneOf("handle", "EPERM", "EOPNOTSUPP"),
  ],
  "the handle of a file of /proc is refused, or opens nothing else": [
    (w) => Effect.as(nameToHandleAt(w.thread, "/proc/version"), "a handle"),
    new OneOf("EOPNOTSUPP", "a handle"),
  ],
  "mknod makes a FIFO, a file, and no directory": [
    (w) => {
      const [fifo, file] = [w.path(), w.path()];
      return Effect.map(
        Effect.all([
          outcomeOf(mknod(w.thread, fifo, S_IF.FIFO | 0o600)),
          outcomeOf(mknod(w.thread, file, S_IF.REG | 0o600)),
          outcomeOf(mknod(w.thread, w.path(), S_IF.DIR | 0o600)),
          outcomeOf(mknod(w.thread, fifo, S_IF.REG | 0o600)),
          outcomeOf(mknod(w.thread, w.path(), S_IF.CHR, makedev(4096, 0))),
        ]),
        (outcomes) => [...outcomes, lstatSync(fifo).isFIFO(), lstatSync(file).isFile()],
      );
    },
    [undefined, undefined, "EPERM", "EEXIST", "InvalidArgumentError", true, true],
  ],
  "a file of O_TMPFILE has no name until linkat gives it one": [
    (w) =>
      Effect.flatMap(open(w.thread, w.directory, O.RDWR | O.TMPFILE, 0o600), (f) => {
        const [path, before] = [w.path(), readdirSync(w.directory).length];
        return Effect.andThen(
          f.writeAllText("no name"),
          Effect.map(f.linkTo(path), () => [
            readFileSync(path, "utf8"),
            readdirSync(w.directory).length - before,
          ]),
        );
      }),
    new OneOf(["no name", 1], "EOPNOTSUPP"),
  ],
  "linkat of an open file does not replace another": [
    (w) => Effect.flatMap(w.file(), (f) => f.linkTo(w.written())),
    "EEXIST",
  ],
  "a file of O_TMPFILE with O_EXCL never gets a name": [
    (w) =>
      Effect.flatMap(open(w.thread, w.directory, O.RDWR | O.TMPFILE | O.EXCL, 0o600), (f) =>
        f.linkTo(w.path()),
      ),
    new OneOf("ENOENT", "EOPNOTSUPP"),
  ],
  "RENAME_EXCHANGE gives both the name of the other": [
    (w) => {
      const [a, b] = [w.written("a"), w.written("b")];
      return Effect.map(rename(w.thread, a, b, RENAME.EXCHANGE), () => [
        readFileSync(a, "utf8"),
        readFileSync(b, "utf8"),
      ]);
    },
    new OneOf(["b", "a"], "EINVAL"),
  ],
  "RENAME_EXCHANGE wants both": [
    (w) => rename(w.thread, w.written(), w.path(), RENAME.EXCHANGE),
    new OneOf("ENOENT", "EINVAL"),
  ],
  "RENAME_NOREPLACE with EXCHANGE is EINVAL": [
    (w) => rename(w.thread, w.written(), w.written(), RENAME.EXCHANGE | RENAME.NOREPLACE),
    "EINVAL",
  ],
  "rename to another name of the same file leaves both": [
    (w) => {
      const [a, b] = [w.written(), w.path()];
      linkSync(a, b);
      return Effect.map(rename(w.thread, a, b), () => statSync(a).nlink);
    },
    2,
  ],
};

const requests: Table = {
  "FIONREAD counts what can be read": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([reader, writer]) =>
        Effect.andThen(writer.writeAllText("seven.."), reader.ioctl(IOCTL.FIONREAD)),
      ),
    7,
  ],
  "and so does a request of one's own, and one by number and type": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([reader, writer]) =>
        Effect.andThen(
          writer.writeAllText("four"),
          Effect.all([
            reader.ioctl(ioctlRequest.read("FIONREAD", 0x541b, Int32)),
            reader.ioctl(0x541b, Int32),
          ]),
        ),
      ),
    [4, 4],
  ],
  "an unknown request is ENOTTY": [
    (w) => Effect.flatMap(w.file(), (f) => f.ioctl(_IOR("?", 99, Int32), Int32)),
    "ENOTTY",
  ],
  "FIONBIO sets O_NONBLOCK": [
    (w) =>
      Effect.flatMap(pipe(w.thread), ([reader]) =>
        Effect.andThen(
          reader.ioctl(IOCTL.FIONBIO, 1),
          Effect.map(reader.statusFlags(), (flags) => flags & O.NONBLOCK),
        ),
      ),
    O.NONBLOCK,
  ],
  "TCGETS of what is no terminal is ENOTTY": [
    (w) => Effect.flatMap(w.file(), (f) => f.ioctl(IOCTL.TCGETS)),
    "ENOTTY",
  ],
  "a terminal has the settings that it gets": [
    (w) =>
      Effect.flatMap(openpty(w.thread), ([, terminal]) =>
        Effect.flatMap(terminal.tcgetattr(), (before) =>
          Effect.andThen(
            terminal.tcsetattr(cfmakeraw(before), TCSA.DRAIN),
            Effect.map(terminal.tcgetattr(), (after) => [
              (before.lflag & LFLAG.ICANON) !== 0,
              (after.lflag & (LFLAG.ICANON | LFLAG.ECHO)) !== 0,
              after.cc[VCC.MIN],
            ]),
          ),
        ),
      ),
    [true, false, 1],
  ],
  "cooked input is read by lines": [
    (w) =>
      Effect.flatMap(openpty(w.thread), ([master, terminal]) =>
        Effect.andThen(master.writeAllText("one\ntwo"), Effect.map(terminal.readBytes(10), text)),
      ),
    "one\n",
  ],
  "and raw input as it is typed": [
    (w) =>
      Effect.flatMap(openpty(w.thread), ([master, terminal]) =>
        Effect.flatMap(terminal.tcgetattr(), (before) =>
          Effect.andThen(
            terminal.tcsetattr(cfmakeraw(before), TCSA.FLUSH),
            Effect.andThen(master.writeAllText("\x03"), Effect.map(terminal.readBytes(10), text)),
          ),
        ),
      ),
    "\x03",
  ],
  "tcflush discards what was typed": [
    (w) =>
      Effect.flatMap(openpty(w.thread), ([master, terminal]) =>
        Effect.flatMap(w.thread.epoller(), (epoller) =>
          Effect.andThen(
            Effect.andThen(master.writeAllText("line\n"), epoller.waitFor(terminal, EPOLL.IN)),
            Effect.flatMap(terminal.ioctl(IOCTL.FIONREAD), (before) =>
              Effect.andThen(
                terminal.tcflush(TCFLUSH.IFLUSH),
                Effect.map(terminal.ioctl(IOCTL.FIONREAD), (after) => [before, after]),
              ),
            ),
          ),
        ),
      ),
    [5, 0],
  ],
  "tcsetattr knows three times": [
    (w) =>
      Effect.flatMap(openpty(w.thread), ([, terminal]) =>
        Effect.flatMap(terminal.tcgetattr(), (settings) => terminal.tcsetattr(settings, 3)),
      ),
    "InvalidArgumentError",
  ],
  "a terminal of no session has no session": [
    (w) => Effect.flatMap(openpty(w.thread), ([, terminal]) => terminal.tcgetsid()),
    "ENOTTY",
  ],
  "the type and the owner of namespaces": [
    (w) =>
      Effect.flatMap(NamespaceFd.make(w.thread, "net"), (net) =>
        Effect.flatMap(NamespaceFd.make(w.thread, "user"), (user) =>
          Effect.all([
            net.nstype(),
            user.nstype(),
            outcomeOf(net.ownerUid()),
            Effect.map(user.ownerUid(), (uid) => uid >= 0),
          ]),
        ),
      ),
    [CLONE.NEWNET, CLONE.NEWUSER, "EINVAL", true],
  ],
  "the user namespace of a namespace is a namespace": [
    (w) =>
      Effect.flatMap(NamespaceFd.make(w.thread, "net"), (net) =>
        Effect.flatMap(net.userns(), (user) => user.nstype()),
      ),
    new OneOf(CLONE.NEWUSER, "EPERM"),
  ],
  "the parent of the first user namespace is outside": [
    (w) => Effect.flatMap(NamespaceFd.make(w.thread, "user"), (user) => user.parent()),
    "EPERM",
  ],
  "block sizes of what is no block device are ENOTTY": [
    (w) => Effect.flatMap(w.file(), (f) => f.ioctl(IOCTL.BLKGETSIZE64)),
    "ENOTTY",
  ],
};

const tables = { positions, transfers, sizes, copies, attributes, paths, requests };

inEachKind((it) => {
  for (const [name, table] of Object.entries(tables))
    for (const [behaviour, [operation, outcome]] of Object.entries(table))
      it(`${name}: ${behaviour}`, function* (thread) {
        const actual = yield* outcomeOf(operation(new World(thread, yield* tempDirectory)));
        assert.deepEqual(actual, outcome instanceof OneOf ? matching(outcome, actual) : outcome);
      });

  if (notRoot === undefined)
    it("root gives files away, makes devices and keeps files from shrinking", function* (thread) {
      const world = new World(thread, yield* tempDirectory);
      const path = world.written();
      const file = yield* open(thread, path, O.RDWR);
      yield* file.chown(12, -1);
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [12, 0]);
      const device = world.path();
      yield* mknod(thread, device, S_IF.CHR | 0o600, makedev(1, 3));
      assert.equal(lstatSync(device).rdev, Number(makedev(1, 3)));
      yield* setxattr(thread, path, "trusted.a", bytes("x"));
      assert.include(yield* listxattr(thread, path), "trusted.a");
      yield* file.ioctl(IOCTL.FS_IOC_SETFLAGS, FS_FL.APPEND);
      assert.equal(yield* outcomeOf(file.truncate(0)), "EPERM");
      yield* file.ioctl(IOCTL.FS_IOC_SETFLAGS, 0);
    });
});

describe("a loop device", () => {
  it.skipIf(notRoot ?? (existsSync("/dev/loop-control") ? undefined : "no /dev/loop-control"))(
    "is made of a file, and has its size",
    function* () {
      const thread = yield* LocalThread;
      const world = new World(thread, yield* tempDirectory);
      const file = yield* open(thread, world.written("x".repeat(2 ** 16)), O.RDWR);
      const control = yield* open(thread, "/dev/loop-control", O.RDWR);
      const number = yield* control.ioctl(IOCTL.LOOP_CTL_GET_FREE);
      const device = yield* open(thread, `/dev/loop${number}`, O.RDWR);
      const info = {
        device: 0n,
        inode: 0n,
        rdevice: 0n,
        offset: 4096n,
        sizelimit: 0n,
        number: 0,
        flags: LO_FLAGS.READ_ONLY | LO_FLAGS.AUTOCLEAR,
        fileName: "image",
      };
      yield* device.ioctl(IOCTL.LOOP_CONFIGURE, { fd: file.near, blockSize: 512, info });
      assert.equal(yield* device.ioctl(IOCTL.BLKGETSIZE64), 2n ** 16n - 4096n);
      assert.equal(yield* device.ioctl(IOCTL.BLKSSZGET), 512);
      assert.equal(yield* device.ioctl(IOCTL.BLKROGET), 1);
      const status = yield* device.ioctl(IOCTL.LOOP_GET_STATUS64);
      assert.deepInclude(status, { offset: 4096n, number, fileName: "image" });
      assert.equal(status.inode, BigInt(statSync(`/proc/self/fd/${file.near}`).ino));
    },
  );
});

describe.each([inFork, inStub])("job control %s", (_, make) => {
  it("gives a session a terminal, and takes it away", function* () {
    const child = yield* (yield* make).fork();
    const [, terminal] = yield* openpty(child);
    const session = yield* setsid(child);
    yield* sigaction(child, SIG.HUP, { handler: SIG_IGN });
    yield* terminal.makeControlling();
    assert.equal(yield* terminal.tcgetsid(), session);
    assert.equal(yield* terminal.foreground(), session);
    const own = yield* open(child, "/dev/tty", O.RDWR);
    assert.equal((yield* own.fstat()).rdev, makedev(5, 0));
    yield* terminal.giveUpControlling();
    assert.equal(yield* outcomeOf(terminal.tcgetsid()), "ENOTTY");
    assert.equal(yield* outcomeOf(open(child, "/dev/tty", O.RDWR)), "ENXIO");
  });
});

describe("what a call lacks", () => {
  it.skipIf(notRoot)("is a privilege that its message names", function* () {
    const child = yield* (yield* LocalThread).fork();
    const directory = yield* tempDirectory;
    chmodSync(directory, 0o777);
    const world = new World(child, directory);
    const file = yield* world.file();
    const [reader] = yield* pipe(child);
    const mount = yield* open(child, directory, O.RDONLY);
    const { handle } = yield* nameToHandleAt(child, world.written());
    yield* setresuid(child, { real: 1000, effective: 1000, saved: 1000 });
    const lacking: ReadonlyArray<[Effect.Effect<unknown, HandleFailure, Scope.Scope>, string]> = [
      [file.chown(0, 0), "CAP_CHOWN"],
      [openByHandleAt(mount, handle), "CAP_DAC_READ_SEARCH"],
      [mknod(child, world.path(), S_IF.CHR, makedev(1, 3)), "CAP_MKNOD"],
      [setxattr(child, world.written(), "trusted.a", bytes("x")), "CAP_SYS_ADMIN"],
      [reader.setPipeSize(2 ** 30), "CAP_SYS_RESOURCE"],
      [file.ioctl(IOCTL.FS_IOC_SETFLAGS, FS_FL.IMMUTABLE), "CAP_LINUX_IMMUTABLE"],
    ];
    for (const [call, capability] of lacking)
      assert.include((yield* Effect.flip(Effect.scoped(call))).message, capability);
  });
});

/** The one of several outcomes that is the actual one, or all of them. */
const matching = ({ outcomes }: OneOf, actual: unknown): unknown =>
  outcomes.find((outcome) => {
    try {
      assert.deepEqual(actual, outcome);
      return true;
    } catch {
      return false;
    }
  }) ?? outcomes;
