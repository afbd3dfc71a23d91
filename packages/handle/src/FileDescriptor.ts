import { EPOLL, F, FD, O, S_IF, S_IFMT, type Stat } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import * as near from "@rsyscall/near";
import { Effect, type Exit, type Scope } from "effect";
import {
  type BorrowFailure,
  type FdFailure,
  type InvalidHandleError,
  type IoFailure,
  type MallocFailure,
  type PtrFailure,
  UseAfterFreeError,
  WrongKindError,
} from "./errors.ts";
import type { Direction } from "./Patience.ts";
import type { Pointer, ReadablePointer } from "./Pointer.ts";
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
    return Effect.suspend(() => {
      const { fdTable } = this.task;
      return this.#valid && this.#invalidate() ? fdTable.close(this.near) : Effect.void;
    });
  }

  /** Releases the handle for a scope that closes with `exit`. */
  #releaseAt(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (this.#valid) this.#end = near.ConnectionEnd.of(exit);
    return this.release();
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
