import { EPOLL, F, FD, O, S_IF, S_IFMT, type Stat } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import * as near from "@rsyscall/near";
import { Effect, type Exit, type Scope } from "effect";
import {
  type HandleFailure,
  type InvalidHandleError,
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

/** A class of which the kernel says whether a descriptor belongs there: see {@link FileDescriptor.narrow}. */
export interface FdKind<A extends FileDescriptor> extends FdClass<A> {
  /** As errors name it. */
  readonly kind: string;
  /**
   * Asks the kernel whether a number of the task is one. The kinds that processes hand over are asked for in
   * a way that needs no /proc, and that no file system answers: a stranger's may never do so.
   */
  readonly confirm: (task: Task, fd: near.Fd) => Effect.Effect<boolean, HandleFailure>;
}

/**
 * A file descriptor in some task, of any kind: what can be done with all of them is here, and the
 * rest in the classes that extend this one. The scope that made a handle closes it, if it still owns
 * the descriptor then.
 */
export class FileDescriptor {
  readonly task: Task;
  /** The number. Using it past the handle is at your own risk; see `borrow`. */
  readonly near: near.Fd;
  /**
   * As FD_CLOFORK of POSIX, which Linux lacks: children that do not share the table close it before
   * all else, and cannot inherit it.
   */
  closeOnFork = false;
  /**
   * Whether others may have the open file as well, so that its flags (O_NONBLOCK) are not ours to change:
   * true of all that no system call of ours has opened, such as stdin, and what came by SCM_RIGHTS.
   */
  isShared = true;
  #valid = true;
  /** Why a scope has closed it, if that was not its user's doing. */
  #end: near.ConnectionEnd | undefined;

  /** Takes the number for a descriptor of the task's table. Does not own it: see {@link acquire}. */
  constructor(task: Task, near: near.Fd) {
    this.task = task;
    this.near = near;
    task.fdTable.add(this);
  }

  /** Makes a handle of what a system call of the task returns; the scope closes it. */
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

  /** What a scope that closes with `exit` does with handles that it has acquired. */
  static releaseAll(
    handles: ReadonlyArray<FileDescriptor>,
    exit: Exit.Exit<unknown, unknown>,
  ): Effect.Effect<void> {
    return Effect.forEach(handles, (handle) => handle.#releaseAt(exit), { discard: true });
  }

  /** A handle for what a system call of the task has just opened; something must release it. */
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
  borrow(task: Task): Effect.Effect<near.Fd, InvalidHandleError | NamespaceMismatchError> {
    return this.use((fd) =>
      task.fdTable === this.task.fdTable
        ? Effect.succeed(fd)
        : Effect.fail(
            new NamespaceMismatchError({ namespace: "file descriptor table", subject: `fd ${fd}` }),
          ),
    );
  }

  /** Runs with the number, as long as the handle is good. */
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
   * `use`, for a call that may wait for the descriptor: where that would stop this program, it is made when
   * it does not wait. A write takes at most `most` bytes then.
   */
  protected useWhenReady<A, E, R>(
    direction: Direction,
    operation: (fd: near.Fd, most: number) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | HandleFailure, R> {
    return this.use((fd): Effect.Effect<A, E | HandleFailure, R> => {
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

  /** close(2), now. The handle must be good. The descriptor lives on if there is another handle. */
  close(): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => (this.#invalidate() ? near.close(this.task.sysif, fd) : Effect.void));
  }

  /**
   * Gives the handle up, whatever state it is in: what a scope does at its end. If its task is gone,
   * another task of the table closes the descriptor.
   */
  release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fdTable } = this.task;
      return this.#valid && this.#invalidate() ? fdTable.close(this.near) : Effect.void;
    });
  }

  /** `release`, by a scope that closes so. */
  #releaseAt(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (this.#valid) this.#end = near.ConnectionEnd.of(exit);
    return this.release();
  }

  /** The descriptor now belongs to somebody else: nothing is closed. */
  disown(): void {
    if (this.#invalidate()) this.task.fdTable.disown(this.near);
  }

  /** Whether this was the last handle. */
  #invalidate(): boolean {
    this.#valid = false;
    return this.task.fdTable.remove(this);
  }

  /** Another handle for the same descriptor, used through a task in the same table. */
  forTask({
    task,
  }: TaskLike): Effect.Effect<this, InvalidHandleError | NamespaceMismatchError, Scope.Scope> {
    return this.#another(this.#kind, task, this.borrow(task));
  }

  /**
   * The copy of the descriptor in a child of the task, which had this handle when it made the child;
   * what has become of the handle since does not matter. Or as `forTask`, if the two share a table.
   */
  inherit({
    task,
  }: TaskLike): Effect.Effect<this, InvalidHandleError | NamespaceMismatchError, Scope.Scope> {
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

  /** As `forTask`, and this handle is gone: its scope has nothing left to close. */
  move({
    task,
  }: TaskLike): Effect.Effect<this, InvalidHandleError | NamespaceMismatchError, Scope.Scope> {
    return Effect.tap(this.forTask(task), () => Effect.sync(() => this.#invalidate()));
  }

  /** read(2) into a buffer, which is consumed: what was read, and the rest. Empty at the end. */
  read(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<[used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>], HandleFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      Effect.flatMap(buffer.borrow(this.task), (address) =>
        Effect.flatMap(near.read(this.task.sysif, fd, address, buffer.size), (count) =>
          buffer.readableSplit(count),
        ),
      ),
    );
  }

  /** read(2) of at most `size` bytes. Empty at the end. */
  readBytes(size = 65536): Effect.Effect<Uint8Array, HandleFailure> {
    return this.useWhenReady(EPOLL.IN, (fd) =>
      this.task.withMemory(size, 1, (address) =>
        Effect.flatMap(near.read(this.task.sysif, fd, address, size), (count) =>
          count === 0 ? Effect.succeed(new Uint8Array(0)) : this.task.sysif.read(address, count),
        ),
      ),
    );
  }

  /** write(2) of a buffer: what was written, and the rest. */
  write(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<
    [written: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    HandleFailure
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

  /** write(2): how many of the bytes were written. */
  writeBytes(bytes: Uint8Array): Effect.Effect<number, HandleFailure> {
    return this.useWhenReady(EPOLL.OUT, (fd, most) =>
      bytes instanceof Uint8Array
        ? this.task.withBytes(bytes, (address) =>
            near.write(this.task.sysif, fd, address, Math.min(bytes.length, most)),
          )
        : notBytes(fd, bytes),
    );
  }

  /** write(2), as often as it takes. */
  writeAllBytes(bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
    if (!(bytes instanceof Uint8Array)) return this.use((fd) => notBytes(fd, bytes));
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

  /** write(2) of text in UTF-8, as often as it takes. */
  writeAllText(text: string): Effect.Effect<void, HandleFailure> {
    // Else the bytes of a buffer would be written as decimal numbers.
    if (typeof text !== "string")
      return this.use((fd) =>
        Effect.fail(near.SyscallError.of("write", "EINVAL", `fd ${fd}`, NO_TEXT)),
      );
    return this.writeAllBytes(new TextEncoder().encode(text));
  }

  /** fcntl(2). Commands whose argument is a pointer take an address of the task's. */
  fcntl(command: number, argument: near.Word = 0): Effect.Effect<number, HandleFailure> {
    return this.use((fd) => near.fcntl(this.task.sysif, fd, command, argument));
  }

  /** The file status flags, as our `O` constants. */
  statusFlags(): Effect.Effect<number, HandleFailure> {
    return Effect.map(this.fcntl(F.GETFL), (flags) => this.task.abi.openFlagsFromTarget(flags));
  }

  /** Sets O_NONBLOCK and leaves the other flags. It holds for whoever shares the open file. */
  setNonblock(): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(this.statusFlags(), (flags) =>
      flags & O.NONBLOCK
        ? Effect.void
        : Effect.asVoid(this.fcntl(F.SETFL, this.task.abi.openFlagsToTarget(flags | O.NONBLOCK))),
    );
  }

  /** Whether an exec closes the descriptor. Every descriptor that we make starts so. */
  setCloexec(closeOnExec: boolean): Effect.Effect<void, HandleFailure> {
    return Effect.asVoid(this.fcntl(F.SETFD, closeOnExec ? FD.CLOEXEC : 0));
  }

  /** fstat(2) */
  fstat(): Effect.Effect<Stat, HandleFailure> {
    return this.use((fd) =>
      this.task.withResult(this.task.abi.stat, (status) => near.fstat(this.task.sysif, fd, status)),
    );
  }

  /** fchmod(2): the mode as it is given, whatever the umask. */
  chmod(mode: number): Effect.Effect<void, HandleFailure> {
    return this.use((fd) => near.fchmod(this.task.sysif, fd, mode));
  }

  /** A new descriptor for the same open file, by F_DUPFD_CLOEXEC: the lowest from `least` on. */
  dup(least = 0): Effect.Effect<this, HandleFailure, Scope.Scope> {
    const duplicate = this.use((fd) =>
      Effect.map(near.fcntl(this.task.sysif, fd, F.DUPFD_CLOEXEC, least), near.Fd),
    );
    return Effect.map(FileDescriptor.acquire(this.#kind, this.task, duplicate), (handle) => {
      handle.isShared = this.isShared;
      return handle;
    });
  }

  /**
   * dup3(2): the number of `target` becomes a duplicate of this descriptor, and what it was is
   * closed. The target's handles go on. Not close-on-exec unless the flags have O.CLOEXEC: this is how
   * a program gets its stdin. EINVAL if both have the same number: see `setCloexec`.
   */
  dup3(target: FileDescriptor, flags = 0): Effect.Effect<void, HandleFailure> {
    return this.use((from) =>
      Effect.flatMap(target.borrow(this.task), (to) =>
        Effect.asVoid(near.dup3(this.task.sysif, from, to, flags)),
      ),
    );
  }

  /**
   * As a handle of another class, where its kind is known. This handle is gone. For what another process
   * has handed over see `narrow`.
   */
  reclassify<A extends FileDescriptor>(
    kind: FdClass<A>,
  ): Effect.Effect<A, InvalidHandleError, Scope.Scope> {
    return Effect.tap(this.#another(kind, this.task, this.use(Effect.succeed)), () =>
      Effect.sync(() => this.#invalidate()),
    );
  }

  /**
   * `reclassify`, once the kernel confirms the kind: a WrongKindError if it does not. What another process
   * has handed over must pass here before it is polled, registered or signalled through.
   */
  narrow<A extends FileDescriptor>(kind: FdKind<A>): Effect.Effect<A, HandleFailure, Scope.Scope> {
    const isNone = Effect.flatMap(this.fstat(), ({ mode }) =>
      Effect.fail(
        new WrongKindError({
          subject: `fd ${this.near}`,
          expected: kind.kind,
          actual: fileTypes[mode & S_IFMT] ?? "file of unknown type",
        }),
      ),
    );
    return Effect.flatMap(
      this.use((fd) => kind.confirm(this.task, fd)),
      (isOne) => (isOne ? this.reclassify(kind) : isNone),
    );
  }

  toString(): string {
    return `fd ${this.near} of process ${this.task.pid}`;
  }
}

near.oneLine(FileDescriptor);

const NO_TEXT = "it is given no text: `writeAllBytes` takes bytes";

const notBytes = (fd: near.Fd, value: never): Effect.Effect<never, near.SyscallError> => {
  const remedy =
    typeof value === "string" ? "`writeAllText` takes text" : "give a Uint8Array, as a Buffer is";
  return Effect.fail(
    near.SyscallError.of("write", "EINVAL", `fd ${fd}`, `it is given no bytes: ${remedy}`),
  );
};

const fileTypes: Readonly<Record<number, string>> = {
  [S_IF.SOCK]: "socket",
  [S_IF.LNK]: "symbolic link",
  [S_IF.REG]: "regular file",
  [S_IF.BLK]: "block device",
  [S_IF.DIR]: "directory",
  [S_IF.CHR]: "character device",
  [S_IF.FIFO]: "pipe",
};
