import {
  AT,
  EPOLL,
  F,
  FALLOC_FL,
  FD,
  type FixedCodec,
  type Flock,
  IOCTL,
  type IoctlRequest,
  O,
  RWF,
  S_IF,
  S_IFMT,
  SEEK,
  type Stat,
  Statfs,
} from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import * as near from "@rsyscall/near";
import { Effect, type Exit, type Scope } from "effect";
import {
  type BorrowFailure,
  type FdFailure,
  type HandleFailure,
  type InvalidHandleError,
  type IoFailure,
  type MallocFailure,
  type PtrFailure,
  UseAfterFreeError,
  WrongKindError,
} from "./errors.ts";
import { cloneRange, copyFileRange } from "./internal/copyRange.ts";
import { linkAt } from "./internal/linkAt.ts";
import { restarted } from "./internal/restarted.ts";
import type { Direction } from "./Patience.ts";
import type { Pointer, ReadablePointer } from "./Pointer.ts";
import {
  awaitRecordLock,
  type FileRange,
  getRecordLock,
  type LockOwner,
  setRecordLock,
} from "./RecordLock.ts";
import { flock } from "./sys/file.ts";
import { ioctl, requestOf } from "./sys/ioctl.ts";
import { type FileTimes, withTimes } from "./sys/stat.ts";
import * as uio from "./sys/uio.ts";
import { byFd as xattrs } from "./sys/xattr.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";
import { nothingWritten, writeAll } from "./writeAll.ts";

/** A class of file descriptor handles. */
export type FdClass<A extends FileDescriptor> = new (task: Task, near: near.Fd) => A;

/** A class of handles whose kind the kernel can confirm: see {@link FileDescriptor.narrow}. */
export interface FdKind<A extends FileDescriptor> extends FdClass<A> {
  /** The name of the kind in errors. */
  readonly kind: string;
  /**
   * Asks the kernel whether a descriptor of the task is of this kind. For the kinds that processes hand over, the
   * call needs no /proc, and no file system answers it: a file system of an untrusted user may never answer.
   */
  readonly confirm: (task: Task, fd: near.Fd) => Effect.Effect<boolean, MallocFailure>;
}

/**
 * A file descriptor in a task, of any kind. Operations that all kinds have are here, and the others in the
 * classes that extend this one. The scope that made a handle closes it, if it still owns the descriptor then.
 *
 * @example
 * ```ts
 * import { O } from "@rsyscall/abi";
 * import { Directory } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const fd = yield* thread.open("/etc", O.DIRECTORY);
 *   console.log((yield* fd.fstat()).mode & 0o777); // 493, which is 0o755
 *   const directory = yield* Directory.from(fd); // has what only directories can do
 *   yield* directory.close(); // before the scope does
 *   console.log(fd.isValid); // false
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class FileDescriptor {
  /** The task that uses the descriptor. */
  readonly task: Task;
  /** The number. A caller that uses it directly bypasses the checks of the handle; see `borrow`. */
  readonly near: near.Fd;
  /**
   * As FD_CLOFORK of POSIX, which Linux lacks: a child that does not share the table closes the descriptor before
   * it does anything else, and cannot inherit it.
   */
  closeOnFork = false;
  /**
   * Whether other processes may have the open file as well, so that rsyscall must not change its flags
   * (O_NONBLOCK). True of every descriptor that no system call of rsyscall has opened, such as stdin, and of
   * those that came by SCM_RIGHTS.
   */
  isShared = true;
  #valid = true;
  /** The end of the connection, if a scope has closed the handle because of that. */
  #end: near.ConnectionEnd | undefined;

  /** Makes a handle for a number in the task's table, without owning the descriptor: see {@link acquire}. */
  constructor(task: Task, near: near.Fd) {
    this.task = task;
    this.near = near;
    task.fdTable.add(this);
  }

  /** Makes a handle of the descriptor that a system call of the task returns; the scope closes it. */
  static acquire<A extends FileDescriptor, E, R>(
    kind: FdClass<A>,
    task: Task,
    open: Effect.Effect<near.Fd, E, R>,
  ): Effect.Effect<A, E, R | Scope.Scope> {
    return near.acquire(
      Effect.map(open, (fd) => FileDescriptor.opened(kind, task, fd)),
      (handle, exit) => handle.#releaseAt(exit),
    );
  }

  /** Releases handles for the scope that has acquired them, which closes with `exit`. */
  static releaseAll(
    handles: ReadonlyArray<FileDescriptor>,
    exit: Exit.Exit<unknown, unknown>,
  ): Effect.Effect<void> {
    return Effect.forEach(handles, (handle) => handle.#releaseAt(exit), { discard: true });
  }

  /** As `releaseAll` of one handle, and gives an effect only where something is left to do. */
  static releaseNow(
    handle: FileDescriptor,
    exit: Exit.Exit<unknown, unknown>,
  ): Effect.Effect<void> | undefined {
    if (!handle.#valid) return undefined;
    handle.#end = near.ConnectionEnd.of(exit);
    return handle.#invalidate() ? handle.task.fdTable.closeNow(handle.near) : undefined;
  }

  /**
   * Makes a handle for a descriptor that a system call of the task has just opened. The caller must see to its
   * release.
   */
  static opened<A extends FileDescriptor>(kind: FdClass<A>, task: Task, fd: near.Fd): A {
    const handle = new kind(task, fd);
    handle.isShared = false;
    task.fdTable.opened(fd);
    return handle;
  }

  /** Whether the handle was neither closed nor moved. */
  get isValid(): boolean {
    return this.#valid;
  }

  /** The number, for use in a system call of a task in the same table, while the handle is valid. */
  borrow(task: Task): Effect.Effect<near.Fd, BorrowFailure> {
    return this.use((fd) =>
      task.fdTable === this.task.fdTable
        ? Effect.succeed(fd)
        : Effect.fail(
            new NamespaceMismatchError({ namespace: "file descriptor table", subject: `fd ${fd}` }),
          ),
    );
  }

  /** The number, for use in a system call of the handle's own task, while the handle is valid. */
  number(): Effect.Effect<near.Fd, InvalidHandleError> {
    return this.use(Effect.succeed);
  }

  /** Runs an operation with the number, if the handle is valid. */
  protected use<A, E, R>(
    operation: (fd: near.Fd) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | InvalidHandleError, R> {
    return Effect.suspend(
      (): Effect.Effect<A, E | InvalidHandleError, R> =>
        this.#valid ? operation(this.near) : Effect.fail(this.invalidError),
    );
  }

  /** The error of an operation on a handle that is not valid. */
  get invalidError(): InvalidHandleError {
    const subject = `fd ${this.near}`;
    return this.#end?.sendError(`use of ${subject}`) ?? new UseAfterFreeError({ subject });
  }

  /**
   * As `use`, for a call that may wait for the descriptor. In a task with `Patience`, the call is made once it
   * does not wait; a write takes at most `most` bytes then.
   */
  protected useWhenReady<A, E, R>(
    direction: Direction,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | IoFailure, R> {
    return this.use((fd): Effect.Effect<A, E | IoFailure, R> => {
      const { patience } = this.task;
      if (patience === undefined) return operation(fd, Number.POSITIVE_INFINITY);
      const most = patience.room(fd, direction);
      return most > 0
        ? operation(fd, most)
        : Effect.andThen(
            patience.wait(this, direction),
            // Another process that shares the open file may have been faster.
            Effect.suspend(() => this.useWhenReady(direction, operation)),
          );
    });
  }

  /** close(2), now. The handle must be valid. The descriptor stays open if it has another handle. */
  close(): Effect.Effect<void, FdFailure> {
    return this.use((fd) => (this.#invalidate() ? near.close(this.task.sysif, fd) : Effect.void));
  }

  /**
   * Gives up the handle, in any state: a scope does this at its end. If the task of the handle is gone, another
   * task of the table closes the descriptor.
   */
  release(): Effect.Effect<void> {
    return Effect.suspend(
      () =>
        (this.#valid && this.#invalidate() && this.task.fdTable.closeNow(this.near)) || Effect.void,
    );
  }

  /** Releases the handle for a scope that closes with `exit`. */
  #releaseAt(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => FileDescriptor.releaseNow(this, exit) ?? Effect.void);
  }

  /**
   * Gives up the handle without closing the descriptor, which has another owner now. Returns whether the handle was the
   * last one of its number.
   */
  disown(): boolean {
    const isLast = this.#invalidate();
    if (isLast) this.task.fdTable.disown(this.near);
    return isLast;
  }

  /** Makes the handle invalid. Returns whether it was the last one of its number. */
  #invalidate(): boolean {
    this.#valid = false;
    return this.task.fdTable.remove(this);
  }

  /** Another handle for the same descriptor, used through a task in the same table. */
  forTask({ task }: TaskLike): Effect.Effect<this, BorrowFailure, Scope.Scope> {
    return this.#another(this.#kind, task, this.borrow(task));
  }

  /**
   * Makes a handle for the copy of the descriptor in a child of the task. The child must have been made while
   * this handle was valid; the handle may be closed since. As `forTask` if the two tasks share a table.
   */
  inherit({ task }: TaskLike): Effect.Effect<this, BorrowFailure, Scope.Scope> {
    return Effect.suspend(() =>
      task.fdTable.inherited(this)
        ? this.#another(this.#kind, task, Effect.succeed(this.near))
        : this.forTask(task),
    );
  }

  get #kind(): FdClass<this> {
    return this.constructor as FdClass<this>;
  }

  #another<A extends FileDescriptor, E>(
    kind: FdClass<A>,
    task: Task,
    borrowed: Effect.Effect<near.Fd, E>,
  ): Effect.Effect<A, E, Scope.Scope> {
    return near.acquire(
      Effect.map(borrowed, (fd) => {
        const handle = new kind(task, fd);
        handle.closeOnFork = this.closeOnFork;
        handle.isShared = this.isShared;
        return handle;
      }),
      (handle, exit) => handle.#releaseAt(exit),
    );
  }

  /**
   * Moves the descriptor to a new handle, which belongs to this scope. This handle becomes invalid, so its scope
   * closes nothing.
   */
  moveToScope(): Effect.Effect<this, InvalidHandleError, Scope.Scope> {
    return Effect.tap(this.#another(this.#kind, this.task, this.number()), () =>
      Effect.sync(() => this.#invalidate()),
    );
  }

  /** As `forTask`, but this handle becomes invalid, so its scope closes nothing. */
  move({ task }: TaskLike): Effect.Effect<this, BorrowFailure, Scope.Scope> {
    return Effect.tap(this.forTask(task), () => Effect.sync(() => this.#invalidate()));
  }

  /**
   * read(2) into a buffer, which is consumed. Returns the part that was read, which is empty at the end, and the
   * rest.
   */
  read(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<
    [used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.read(this.task.sysif, fd, address, buffer.size), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** read(2) of at most `size` bytes. Empty at the end. */
  readBytes(size = 65536): Effect.Effect<Uint8Array, IoFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      this.task.withMemory(size, 1, (address) =>
        Effect.flatMap(near.read(this.task.sysif, fd, address, size), (count) =>
          count === 0 ? Effect.succeed(new Uint8Array(0)) : this.task.sysif.read(address, count),
        ),
      ),
    );
  }

  /** write(2) of a buffer, which is consumed. Returns the part that was written, and the rest. */
  write(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<
    [written: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return this.useWhenReady(EPOLL.OUT, (fd, most) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(
          near.write(this.task.sysif, fd, address, Math.min(buffer.size, most)),
          (count) => buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** write(2). Returns how many of the bytes were written. */
  writeBytes(bytes: Uint8Array): Effect.Effect<number, IoFailure> {
    return this.useWhenReady(EPOLL.OUT, (fd, most) =>
      bytes instanceof Uint8Array
        ? this.task.withBytes(bytes, (address) =>
            near.write(this.task.sysif, fd, address, Math.min(bytes.length, most)),
          )
        : notBytes(bytes),
    );
  }

  /** write(2), repeated until all bytes are written. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, IoFailure> {
    if (!(bytes instanceof Uint8Array)) return this.use(() => notBytes(bytes));
    if (bytes.length === 0) return this.use(() => Effect.void);
    return this.task.withBytes(bytes, (address) =>
      writeAll(
        bytes.length,
        (done) =>
          this.useWhenReady(EPOLL.OUT, (fd, most) =>
            near.write(
              this.task.sysif,
              fd,
              near.Address(address + done),
              Math.min(bytes.length - done, most),
            ),
          ),
        nothingWritten("write", `fd ${this.near}`),
      ),
    );
  }

  /** write(2) of text in UTF-8, repeated until all of it is written. */
  writeAllText(text: string): Effect.Effect<void, IoFailure> {
    // The encoder would write the bytes of a buffer as decimal numbers.
    if (typeof text !== "string")
      return this.use(() =>
        Effect.fail(
          new near.InvalidArgumentError({
            syscall: "write",
            argument: "text",
            value: text,
            expected: "text: `writeAllBytes` takes bytes",
          }),
        ),
      );
    return this.writeAllBytes(new TextEncoder().encode(text));
  }

  /**
   * lseek(2): moves the offset of the open file, which all its descriptors share. Returns the new one, as a bigint
   * beyond 2^53. ESPIPE for what has no offset, such as a pipe; ENXIO if there is no `SEEK.DATA` or `HOLE` from the
   * offset on.
   *
   * @param whence of `SEEK`: what the offset counts from
   */
  lseek(
    offset: number | bigint,
    whence: number = SEEK.SET,
  ): Effect.Effect<number | bigint, FdFailure> {
    return this.use((fd) => near.lseek(this.task.sysif, fd, offset, whence));
  }

  /**
   * pread(2): as `read`, from an offset in the file. The offset of the open file stays. ESPIPE for what has no
   * offset.
   */
  pread(
    buffer: Pointer<Uint8Array>,
    offset: number | bigint,
  ): Effect.Effect<
    [used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return this.use((fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.pread(this.task.sysif, fd, address, buffer.size, offset), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** pread(2) of at most `size` bytes. Empty at the end. */
  preadBytes(size: number, offset: number | bigint): Effect.Effect<Uint8Array, IoFailure> {
    return this.use((fd) =>
      this.task.withMemory(size, 1, (address) =>
        Effect.flatMap(near.pread(this.task.sysif, fd, address, size, offset), (count) =>
          count === 0 ? Effect.succeed(new Uint8Array(0)) : this.task.sysif.read(address, count),
        ),
      ),
    );
  }

  /** pwrite(2): as `write`, to an offset in the file; with O.APPEND to the end all the same. */
  pwrite(
    buffer: Pointer<Uint8Array>,
    offset: number | bigint,
  ): Effect.Effect<
    [written: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return this.use((fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.pwrite(this.task.sysif, fd, address, buffer.size, offset), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** pwrite(2). Returns how many of the bytes were written. */
  pwriteBytes(bytes: Uint8Array, offset: number | bigint): Effect.Effect<number, IoFailure> {
    return this.use((fd) =>
      bytes instanceof Uint8Array
        ? this.task.withBytes(bytes, (address) =>
            near.pwrite(this.task.sysif, fd, address, bytes.length, offset),
          )
        : notBytes(bytes),
    );
  }

  /**
   * readv(2): as `read`, into several buffers, one after the other. All of them are consumed. Returns for each the
   * part that was filled in, and the rest.
   */
  readv(
    buffers: ReadonlyArray<Pointer<Uint8Array>>,
  ): Effect.Effect<
    ReadonlyArray<[used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>]>,
    PtrFailure | BorrowFailure
  > {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      uio.transferPointers(this.task, fd, "read", buffers, Number.POSITIVE_INFINITY, undefined),
    );
  }

  /** writev(2): as `write`, of several buffers, one after the other. */
  writev(
    buffers: ReadonlyArray<Pointer<Uint8Array>>,
  ): Effect.Effect<
    ReadonlyArray<[written: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>]>,
    PtrFailure | BorrowFailure
  > {
    return this.useWhenReady(EPOLL.OUT, (fd, most) =>
      uio.transferPointers(this.task, fd, "write", buffers, most, undefined),
    );
  }

  /** readv(2) of parts of these sizes. The last ones are short, or empty, if there is less to read. */
  readvBytes(sizes: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<Uint8Array>, IoFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) => uio.readvBytes(this.task, fd, sizes, undefined));
  }

  /** writev(2). Returns how many bytes of all parts were written. EINVAL for more than 1024 parts. */
  writevBytes(parts: ReadonlyArray<Uint8Array>): Effect.Effect<number, IoFailure> {
    return this.useWhenReady(EPOLL.OUT, (fd, most) =>
      uio.writevBytes(this.task, fd, parts, most, undefined),
    );
  }

  /**
   * preadv2(2): as `readvBytes`, from an offset in the file.
   *
   * @param offset -1: the offset of the open file, which moves
   * @param flags of `RWF`: with `RWF.NOWAIT`, EAGAIN if the bytes are not in memory
   */
  preadv2Bytes(
    sizes: ReadonlyArray<number>,
    offset: number | bigint,
    flags = 0,
  ): Effect.Effect<ReadonlyArray<Uint8Array>, IoFailure> {
    return this.#useAt(EPOLL.IN, offset, flags, (fd) =>
      uio.readvBytes(this.task, fd, sizes, { offset, flags }),
    );
  }

  /**
   * pwritev2(2): as `writevBytes`, to an offset in the file.
   *
   * @param offset -1: the offset of the open file, which moves
   * @param flags of `RWF`: with `RWF.APPEND` to the end, with `RWF.DSYNC` until the disk has it
   */
  pwritev2Bytes(
    parts: ReadonlyArray<Uint8Array>,
    offset: number | bigint,
    flags = 0,
  ): Effect.Effect<number, IoFailure> {
    return this.#useAt(EPOLL.OUT, offset, flags, (fd, most) =>
      uio.writevBytes(this.task, fd, parts, most, { offset, flags }),
    );
  }

  /** preadv2(2): as `readv`, from an offset. See `preadv2Bytes`. */
  preadv2(
    buffers: ReadonlyArray<Pointer<Uint8Array>>,
    offset: number | bigint,
    flags = 0,
  ): Effect.Effect<
    ReadonlyArray<[used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>]>,
    PtrFailure | BorrowFailure
  > {
    return this.#useAt(EPOLL.IN, offset, flags, (fd, most) =>
      uio.transferPointers(this.task, fd, "read", buffers, most, { offset, flags }),
    );
  }

  /** pwritev2(2): as `writev`, to an offset. See `pwritev2Bytes`. */
  pwritev2(
    buffers: ReadonlyArray<Pointer<Uint8Array>>,
    offset: number | bigint,
    flags = 0,
  ): Effect.Effect<
    ReadonlyArray<[written: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>]>,
    PtrFailure | BorrowFailure
  > {
    return this.#useAt(EPOLL.OUT, offset, flags, (fd, most) =>
      uio.transferPointers(this.task, fd, "write", buffers, most, { offset, flags }),
    );
  }

  /** As `useWhenReady`, if the call may wait for the descriptor: only what has no offset does. */
  #useAt<A, E, R>(
    direction: Direction,
    offset: number | bigint,
    flags: number,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | IoFailure, R> {
    return offset < 0 && !(flags & RWF.NOWAIT)
      ? this.useWhenReady(direction, operation)
      : this.use((fd) => operation(fd, Number.POSITIVE_INFINITY));
  }

  /** ftruncate(2): sets the size in bytes, as a bigint beyond 2^53. Added bytes read as zeros, and take no room. */
  truncate(size: number | bigint): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.ftruncate(this.task.sysif, fd, size));
  }

  /** fsync(2): waits until the disk has the content and the status of the file. */
  fsync(): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.fsync(this.task.sysif, fd));
  }

  /** fdatasync(2): as `fsync`, without what is not needed to read the content, such as times. */
  fdatasync(): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.fdatasync(this.task.sysif, fd));
  }

  /** syncfs(2): waits until the disk has all of the file system. */
  syncfs(): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.syncfs(this.task.sysif, fd));
  }

  /**
   * sync_file_range(2): begins to write a range to the disk, or waits for that. It promises nothing about a crash:
   * see `fdatasync`.
   *
   * @param length 0: to the end
   * @param flags of `SYNC_FILE_RANGE`
   */
  syncFileRange(
    offset: number | bigint,
    length: number | bigint,
    flags: number,
  ): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.syncFileRange(this.task.sysif, fd, offset, length, flags));
  }

  /**
   * fallocate(2): makes room for a range, so that later writes to it find some; or by its mode makes a hole, zeros,
   * or less or more of the file. EOPNOTSUPP if the file system does not know the mode.
   *
   * @param mode of `FALLOC_FL`; `PUNCH_HOLE` with `KEEP_SIZE`
   */
  fallocate(
    mode: number,
    offset: number | bigint,
    length: number | bigint,
  ): Effect.Effect<void, FdFailure> {
    return this.use((fd) => {
      const call = near.fallocate(this.task.sysif, fd, mode, offset, length);
      // To move the content twice would be another thing.
      return mode & (FALLOC_FL.COLLAPSE_RANGE | FALLOC_FL.INSERT_RANGE) ? call : restarted(call);
    });
  }

  /**
   * copy_file_range(2): copies within the kernel, or shares blocks where the file system can. Without an offset, the
   * offset of that open file is used, and moves. Returns how many bytes were copied, at most 2^31 at a time; 0 at
   * the end, and for files of /proc and the like. EXDEV for file systems of different kinds: see `copyFile`.
   */
  copyFileRange(
    to: FileDescriptor,
    length: number,
    offsets: { readonly from?: number | bigint; readonly to?: number | bigint } = {},
  ): Effect.Effect<number, IoFailure | BorrowFailure> {
    return this.use((fd) =>
      Effect.flatMap(to.borrow(this.task), (target) =>
        copyFileRange(this.task, fd, target, length, offsets),
      ),
    );
  }

  /**
   * FICLONE(2const): this file gets the content of another one, and shares its blocks until one of the two is
   * written to. EOPNOTSUPP unless the file system can, as btrfs and XFS do; EXDEV for another file system.
   */
  ficlone(source: FileDescriptor): Effect.Effect<void, IoFailure | BorrowFailure> {
    return Effect.flatMap(source.borrow(this.task), (from) =>
      Effect.asVoid(this.ioctl(IOCTL.FICLONE, from)),
    );
  }

  /**
   * FICLONERANGE(2const): as `ficlone`, of a range of whole blocks.
   *
   * @param range `length` 0, the default: to the end of the source
   */
  ficlonerange(
    source: FileDescriptor,
    range: {
      readonly sourceOffset?: number | bigint;
      readonly length?: number | bigint;
      readonly offset?: number | bigint;
    } = {},
  ): Effect.Effect<void, IoFailure | BorrowFailure> {
    return Effect.flatMap(source.borrow(this.task), (srcFd) =>
      Effect.flatMap(cloneRange(srcFd, range), (value) =>
        Effect.asVoid(this.ioctl(IOCTL.FICLONERANGE, value)),
      ),
    );
  }

  /**
   * posix_fadvise(2): says how a range is going to be used.
   *
   * @param advice of `POSIX_FADV`
   * @param length 0: to the end
   */
  posixFadvise(
    advice: number,
    offset: number | bigint = 0,
    length: number | bigint = 0,
  ): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.posixFadvise(this.task.sysif, fd, offset, length, advice));
  }

  /** futimens(3): sets when the file was last read, and last written; without times, both to the current time. */
  utimens(time?: FileTimes): Effect.Effect<void, IoFailure> {
    return this.use((fd) =>
      withTimes(this.task, time, (times) =>
        near.utimensat(this.task.sysif, fd, near.NULL, times, 0).about(`fd ${fd}`),
      ),
    );
  }

  /** fchown(2). An id of -1 stays as it is. Another user takes CAP_CHOWN. */
  chown(uid: number, gid: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.fchown(this.task.sysif, fd, uid, gid));
  }

  /** fstatfs(2): the file system that has the file, its size and what is free. */
  fstatfs(): Effect.Effect<Statfs, IoFailure> {
    return this.use((fd) =>
      this.task.withResult(Statfs, (status) => near.fstatfs(this.task.sysif, fd, status)),
    );
  }

  /** fgetxattr(2): an extended attribute of the file. See `getxattr`. */
  getxattr(name: string): Effect.Effect<Uint8Array, IoFailure> {
    return this.use((fd) => xattrs.get(this.task, fd, name));
  }

  /** fsetxattr(2): sets an extended attribute of the file. See `setxattr`. */
  setxattr(name: string, value: Uint8Array, flags = 0): Effect.Effect<void, IoFailure> {
    return this.use((fd) => xattrs.set(this.task, fd, name, value, flags));
  }

  /** flistxattr(2): the names of the extended attributes of the file. See `listxattr`. */
  listxattr(): Effect.Effect<ReadonlyArray<string>, IoFailure> {
    return this.use((fd) => xattrs.list(this.task, fd));
  }

  /** fremovexattr(2): ENODATA if the file has no such attribute. */
  removexattr(name: string): Effect.Effect<void, IoFailure> {
    return this.use((fd) => xattrs.remove(this.task, fd, name));
  }

  /**
   * flock(2): locks the open file, which all its descriptors share, or unlocks it. The wait for a lock holds up no
   * other call, and can be interrupted, which leaves the file unlocked. A lock of another kind replaces that which
   * the open file has: the kernel unlocks it first. See `FileLock`, which a scope releases.
   *
   * @param operation of `LOCK`: SH, EX or UN; with NB, EAGAIN in place of a wait
   */
  flock(operation: number): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => flock(this.task, fd, operation));
  }

  /**
   * F_OFD_SETLK, F_SETLK and their waiting variants of fcntl_locking(2): locks a range, or unlocks it. EAGAIN if
   * another has a lock that conflicts. With `wait`, waits for that: it holds up no other call, and can be
   * interrupted, which leaves the range unlocked. EDEADLK if processes would wait for each other. See `RecordLock`,
   * which a scope releases.
   *
   * The kernel shows the process that has waited as the owner of a lock of a process: that one has ended.
   *
   * @param type `F.RDLCK`, `F.WRLCK` or `F.UNLCK`
   */
  setRecordLock(
    type: number,
    range: FileRange = {},
    { owner = "ofd", wait = false }: { readonly owner?: LockOwner; readonly wait?: boolean } = {},
  ): Effect.Effect<void, HandleFailure> {
    const set = wait ? awaitRecordLock : setRecordLock;
    return this.use((fd) => set(this.task, fd, type, range, owner));
  }

  /**
   * F_OFD_GETLK and F_GETLK of fcntl_locking(2): a lock that keeps this type of lock from the range; undefined if
   * there is none.
   *
   * @param type `F.RDLCK` or `F.WRLCK`
   */
  getRecordLock(
    type: number,
    range: FileRange = {},
    owner: LockOwner = "ofd",
  ): Effect.Effect<Flock | undefined, IoFailure> {
    return this.use((fd) => getRecordLock(this.task, fd, type, range, owner));
  }

  /** F_ADD_SEALS(2const): forbids some changes of a memfd for ever, of `F_SEAL`. EPERM once it has `F_SEAL.SEAL`. */
  addSeals(seals: number): Effect.Effect<void, FdFailure> {
    return Effect.asVoid(this.#fcntl("F_ADD_SEALS", F.ADD_SEALS, seals));
  }

  /** F_GET_SEALS(2const): the seals, of `F_SEAL`. EINVAL for a file that cannot have any. */
  getSeals(): Effect.Effect<number, FdFailure> {
    return this.#fcntl("F_GET_SEALS", F.GET_SEALS, 0);
  }

  /** F_GETPIPE_SZ(2const): how many bytes the pipe holds. EBADF for what is no pipe. */
  pipeSize(): Effect.Effect<number, FdFailure> {
    return this.#fcntl("F_GETPIPE_SZ", F.GETPIPE_SZ, 0);
  }

  /**
   * F_SETPIPE_SZ(2const): sets how many bytes the pipe holds. Returns the size that it has got, which may be larger.
   * More than /proc/sys/fs/pipe-max-size takes CAP_SYS_RESOURCE; EBUSY if the pipe has more bytes now.
   */
  setPipeSize(size: number): Effect.Effect<number, FdFailure> {
    return this.#fcntl("F_SETPIPE_SZ", F.SETPIPE_SZ, size);
  }

  #fcntl(name: string, command: number, argument: number): Effect.Effect<number, FdFailure> {
    return this.use((fd) =>
      near.fcntl(this.task.sysif, fd, command, argument).about(() => `fd ${fd}, ${name}`),
    );
  }

  /**
   * ioctl(2) of a request with known types: of `IOCTL`, or made by `ioctlRequest`. Returns the value that the kernel
   * writes, or else the result of the call. ENOTTY if the file does not know the request.
   */
  ioctl<Out>(request: IoctlRequest<void, Out>): Effect.Effect<Out, IoFailure>;
  /** ioctl(2) of a request that takes a value. */
  ioctl<In, Out>(request: IoctlRequest<In, Out>, value: In): Effect.Effect<Out, IoFailure>;
  /**
   * ioctl(2) of a request by its number, with memory for a value of this type: `value`, or zeros. Returns what the
   * memory contains then.
   */
  ioctl<A>(request: number, type: FixedCodec<A>, value?: A): Effect.Effect<A, IoFailure>;
  /** ioctl(2) itself: the argument is a number, or an address of the task's. Returns the result of the call. */
  ioctl(request: number, argument?: near.Word): Effect.Effect<number, IoFailure>;
  ioctl(
    request: number | IoctlRequest<unknown, unknown>,
    argument?: unknown,
    value?: unknown,
  ): Effect.Effect<unknown, IoFailure> {
    return this.use((fd): Effect.Effect<unknown, IoFailure> => {
      if (typeof request === "object") return ioctl(this.task, fd, request, argument);
      return typeof argument === "object"
        ? ioctl(this.task, fd, requestOf(request, argument as FixedCodec<unknown>, value), value)
        : near.ioctl(this.task.sysif, fd, request, argument as near.Word | undefined);
    });
  }

  /**
   * linkat(2) of the open file: gives it a name, such as a file of O.TMPFILE, which has none. EEXIST if there is
   * such a file. By AT_EMPTY_PATH, or by /proc/self/fd where that takes CAP_DAC_READ_SEARCH.
   *
   * @param directory where a relative path begins. Default: the working directory.
   */
  linkTo(
    path: near.PathLike,
    directory?: FileDescriptor,
  ): Effect.Effect<void, MallocFailure | BorrowFailure> {
    const from: Effect.Effect<near.DirectoryFd, BorrowFailure> =
      directory === undefined ? Effect.succeed(AT.FDCWD) : directory.borrow(this.task);
    return this.use((fd) =>
      Effect.flatMap(from, (at) =>
        this.task.withPath("linkat", path, (address) => linkAt(this.task, fd, at, address)),
      ),
    );
  }

  /** fcntl(2). Commands whose argument is a pointer take an address of the task's. */
  fcntl(command: number, argument: near.Word = 0): Effect.Effect<number, FdFailure> {
    return this.use((fd) => near.fcntl(this.task.sysif, fd, command, argument));
  }

  /** The file status flags, as our `O` constants. */
  statusFlags(): Effect.Effect<number, FdFailure> {
    return Effect.map(this.fcntl(F.GETFL), (flags) => this.task.abi.openFlagsFromTarget(flags));
  }

  /** Sets O_NONBLOCK and leaves the other flags. The flag holds for all processes that share the open file. */
  setNonblock(): Effect.Effect<void, FdFailure> {
    return Effect.flatMap(this.statusFlags(), (flags) =>
      flags & O.NONBLOCK
        ? Effect.void
        : Effect.asVoid(this.fcntl(F.SETFL, this.task.abi.openFlagsToTarget(flags | O.NONBLOCK))),
    );
  }

  /** Sets whether an exec closes the descriptor. Descriptors that rsyscall opens are close-on-exec at first. */
  setCloexec(closeOnExec: boolean): Effect.Effect<void, FdFailure> {
    return Effect.asVoid(this.fcntl(F.SETFD, closeOnExec ? FD.CLOEXEC : 0));
  }

  /** fstat(2) */
  fstat(): Effect.Effect<Stat, IoFailure> {
    return this.use((fd) =>
      this.task.withResult(this.task.abi.stat, (status) => near.fstat(this.task.sysif, fd, status)),
    );
  }

  /** fchmod(2): sets exactly this mode; the umask does not apply. */
  chmod(mode: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.fchmod(this.task.sysif, fd, mode));
  }

  /** A new descriptor for the same open file, by F_DUPFD_CLOEXEC: the lowest from `least` on. */
  dup(least = 0): Effect.Effect<this, FdFailure, Scope.Scope> {
    const duplicate = this.use((fd) =>
      Effect.map(near.fcntl(this.task.sysif, fd, F.DUPFD_CLOEXEC, least), near.Fd),
    );
    return Effect.map(FileDescriptor.acquire(this.#kind, this.task, duplicate), (handle) => {
      handle.isShared = this.isShared;
      return handle;
    });
  }

  /**
   * dup3(2): closes `target`, and makes its number a duplicate of this descriptor. The target's handles stay
   * valid. The duplicate is close-on-exec only if the flags have O.CLOEXEC, so that a program can get it as its
   * stdin. EINVAL if both have the same number: see `setCloexec`.
   */
  dup3(
    target: FileDescriptor,
    flags = 0,
  ): Effect.Effect<void, near.SyscallFailure | BorrowFailure> {
    return this.use((from) =>
      Effect.flatMap(target.borrow(this.task), (to) =>
        Effect.asVoid(near.dup3(this.task.sysif, from, to, flags)),
      ),
    );
  }

  /**
   * Makes a handle of another class for a descriptor whose kind is known. This handle becomes invalid. For a
   * descriptor that another process has handed over, see `narrow`.
   */
  reclassify<A extends FileDescriptor>(
    kind: FdClass<A>,
  ): Effect.Effect<A, InvalidHandleError, Scope.Scope> {
    return Effect.tap(this.#another(kind, this.task, this.use(Effect.succeed)), () =>
      Effect.sync(() => this.#invalidate()),
    );
  }

  /**
   * As `reclassify`, once the kernel confirms the kind; a WrongKindError if it does not. A descriptor that
   * another process has handed over must pass this check before it is polled, registered or used for signals.
   */
  narrow<A extends FileDescriptor>(
    kind: FdKind<A>,
  ): Effect.Effect<A, IoFailure | WrongKindError, Scope.Scope> {
    const isNone = Effect.flatMap(this.fstat(), ({ mode }) =>
      Effect.fail(
        new WrongKindError({
          subject: `fd ${this.near}`,
          expected: kind.kind,
          actual: fileTypeName(mode),
        }),
      ),
    );
    return Effect.flatMap(
      this.use((fd) => kind.confirm(this.task, fd)),
      (isOne) => (isOne ? this.reclassify(kind) : isNone),
    );
  }

  /** Shows the number and the process, for messages. */
  toString(): string {
    return `fd ${this.near} of process ${this.task.pid}`;
  }
}

near.oneLine(FileDescriptor);

const notBytes = (value: unknown): Effect.Effect<never, near.InvalidArgumentError> =>
  Effect.fail(
    new near.InvalidArgumentError({
      syscall: "write",
      argument: "bytes",
      value,
      expected:
        typeof value === "string"
          ? "a Uint8Array: `writeAllText` takes text"
          : "a Uint8Array, as a Buffer is",
    }),
  );

/** The type of a file in words, from its mode. */
export const fileTypeName = (mode: number): string =>
  fileTypes[mode & S_IFMT] ?? "file of unknown type";

const fileTypes: Readonly<Record<number, string>> = {
  [S_IF.SOCK]: "socket",
  [S_IF.LNK]: "symbolic link",
  [S_IF.REG]: "regular file",
  [S_IF.BLK]: "block device",
  [S_IF.DIR]: "directory",
  [S_IF.CHR]: "character device",
  [S_IF.FIFO]: "pipe",
};
