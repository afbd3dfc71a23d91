import { CLONE, type Codec, EPOLL, type FixedCodec, O, POLL, SIG, SigHow } from "@rsyscall/abi";
import { type Connection, SharedTableConnection } from "@rsyscall/connection";
import { AsyncFileDescriptor, type Epoller, TooLongError } from "@rsyscall/epoller";
import {
  type ChildState,
  chdir,
  chroot,
  execve,
  execveat,
  type FileDescriptor,
  type HandleFailure,
  type IoFailure,
  type MallocFailure,
  open,
  type PipeReader,
  type PipeWriter,
  type Pointer,
  type PtrFailure,
  pipe,
  pollNow,
  resetSignal,
  Socket,
  sigprocmask,
  type Task,
  type TaskLike,
  tracing,
  unshare,
  unshareFiles,
  unshareUser,
  type WrittenPointer,
} from "@rsyscall/handle";
import {
  exitGroup,
  InvalidArgumentError,
  impossible,
  kill,
  leaving,
  oneLine,
  type Path,
  type PathLike,
  pathText,
  type SyscallFailure,
  type TraceSink,
} from "@rsyscall/near";
import { Cause, Effect, Scope, Sink, Stream } from "effect";
import type { ChildProcess } from "./ChildProcess.ts";
import type { Command } from "./Command.ts";
import { type CloneChildOptions, cloneThread } from "./clone.ts";
import { type ContainOptions, containment } from "./contain.ts";
import type { Environment } from "./Environment.ts";
import { mkdtemp, mkstemp, type TemporaryOptions } from "./mktemp.ts";
import { orByShell } from "./orByShell.ts";
import type { Starter } from "./Starter.ts";
import { type RunOptions, runProcess, type SpawnOptions, spawnProcess } from "./spawn.ts";
import type { ThreadFields } from "./ThreadFields.ts";
import { type ExecutableNotFoundError, which } from "./which.ts";

/** Bytes that `readToEof` asks for at a time. */
const READ_SIZE = 256 * 1024;

/** How much may be read until the end. */
export interface ReadAllOptions {
  /** The most bytes that there may be: TooLongError if there are more. Default: no limit. */
  readonly limit?: number;
}

/** Bytes that a stream reads at a time: what a pipe holds. */
const STREAM_SIZE = 64 * 1024;

/** Bytes that a pipe takes without blocking if it is ready: pipe(7). */
const PIPE_BUF = 4096;

/** Options of `Thread.clone`. */
export interface CloneThreadOptions extends CloneChildOptions, ContainOptions {}

let read: (thread: Thread) => ThreadFields;

/** The parts of a Thread, for transports and for packages that build on Threads. Programs do not need them. */
export const fieldsOf = (thread: Thread): ThreadFields => read(thread);

/**
 * A process under the program's control: every system call that is made through a Thread happens in that process.
 *
 * Operations that need more than the process's task are methods: those on memory, the epoller, the environment,
 * children. Operations that need the task alone are functions of @rsyscall/handle that take a Thread as well as a
 * Task: `mount(thread, ...)`.
 */
export class Thread implements TaskLike {
  /** The task through which handles of the process are used. */
  readonly task: Task;
  /** Opens channels to the process and passes descriptors. */
  readonly connection: Connection;
  /** The environment of programs that the process executes or starts. */
  readonly environ: Environment;
  /** Descriptors 0, 1 and 2. Their kinds are unknown; they may even be closed. */
  readonly stdin: FileDescriptor;
  /** Descriptor 1. It may be closed. */
  readonly stdout: FileDescriptor;
  /** Descriptor 2. It may be closed. */
  readonly stderr: FileDescriptor;
  readonly #fields: ThreadFields;

  static {
    read = (thread) => thread.#fields;
  }

  constructor(fields: ThreadFields) {
    this.task = fields.task;
    this.connection = fields.connection;
    this.environ = fields.environ;
    this.stdin = fields.stdin;
    this.stdout = fields.stdout;
    this.stderr = fields.stderr;
    this.#fields = fields;
  }

  /** Makes a Thread of the same process with some parts changed: see `ThreadFields`. */
  with(changes: Partial<ThreadFields>): Thread {
    return new Thread({ ...this.#fields, ...changes });
  }

  /** The epoller that waits for the process's descriptors. It is made at the first use. */
  epoller(): Effect.Effect<Epoller, HandleFailure> {
    return this.#fields.epoller();
  }

  /**
   * Reports the process's system calls to a sink until the scope closes, including those of handles that exist
   * already. Children that are made meanwhile, and their children, are traced too, as long as they live. See
   * docs/tracing.md.
   *
   * @example
   * ```ts
   * import { chdir } from "@rsyscall/handle";
   * import { straceLine } from "@rsyscall/near";
   * import { LocalThread } from "@rsyscall/thread";
   * import { Effect } from "effect";
   *
   * const program = Effect.gen(function* () {
   *   const thread = yield* LocalThread;
   *   const child = yield* thread.fork();
   *   yield* child.trace(({ _tag, call }) => {
   *     if (_tag === "Ended") console.log(straceLine(call));
   *   });
   *   yield* chdir(child, "/"); // 4711 12:34:56.123456 chdir("/") = 0 <0.000012>
   * });
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
   * ```
   */
  trace(sink: TraceSink): Effect.Effect<void, never, Scope.Scope> {
    return this.task.decorate(tracing(sink));
  }

  /** Puts text or bytes into the process's memory; other values with their codec. */
  ptr(value: string): Effect.Effect<WrittenPointer<string | Uint8Array>, PtrFailure, Scope.Scope>;
  ptr(value: Uint8Array): Effect.Effect<WrittenPointer<Uint8Array>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type: Codec<A>): Effect.Effect<WrittenPointer<A>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type?: Codec<A>) {
    return this.task.ptr(value, type as Codec<A>);
  }

  /** Allocates memory in the process; `size` in bytes, for types whose values differ in size. */
  malloc<A>(type: FixedCodec<A>): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  malloc<A>(type: Codec<A>, size: number): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  malloc<A>(type: Codec<A>, size = type.size ?? 0) {
    return this.task.malloc(type, size);
  }

  /** open(2), close-on-exec */
  open(
    path: PathLike,
    flags: number = O.RDONLY,
    mode?: number,
  ): Effect.Effect<FileDescriptor, MallocFailure, Scope.Scope> {
    return open(this.task, path, flags, mode);
  }

  /** socket(2), close-on-exec */
  socket(
    domain: number,
    type: number,
    protocol?: number,
  ): Effect.Effect<Socket, SyscallFailure, Scope.Scope> {
    return Socket.make(this.task, domain, type, protocol);
  }

  /** pipe2(2), close-on-exec */
  pipe(flags?: number): Effect.Effect<[PipeReader, PipeWriter], MallocFailure, Scope.Scope> {
    return pipe(this.task, flags);
  }

  /** Makes a descriptor of the process asynchronous: see `AsyncFileDescriptor.make`. */
  makeAfd<A extends FileDescriptor>(
    fd: A,
  ): Effect.Effect<AsyncFileDescriptor<A>, HandleFailure, Scope.Scope> {
    return Effect.flatMap(this.epoller(), (epoller) => AsyncFileDescriptor.make(epoller, fd));
  }

  /**
   * Reads a descriptor to its end. While there is nothing to read, other calls of the process go on, and the
   * fiber can be interrupted; the flags of the descriptor stay as they are. All bytes are kept in memory: give a
   * limit if the writer may write without end.
   */
  readToEof(fd: FileDescriptor): Effect.Effect<Uint8Array, HandleFailure>;
  readToEof(
    fd: FileDescriptor,
    options: ReadAllOptions | undefined,
  ): Effect.Effect<Uint8Array, HandleFailure | TooLongError>;
  readToEof(
    fd: FileDescriptor,
    options?: ReadAllOptions,
  ): Effect.Effect<Uint8Array, HandleFailure | TooLongError> {
    return readAll((size) => this.#read(fd, size), `fd ${fd.near}`, options);
  }

  /**
   * Streams a descriptor to its end, in parts of at most `size` bytes. Reads only when the consumer asks for
   * more. As with `readToEof`, the flags of the descriptor stay as they are, and other calls of the process go
   * on.
   */
  stream(fd: FileDescriptor, size = STREAM_SIZE): Stream.Stream<Uint8Array, HandleFailure> {
    return Stream.fromPull(
      Effect.succeed(
        Effect.flatMap(
          this.#read(fd, size),
          (bytes): Effect.Effect<readonly [Uint8Array], Cause.Done> =>
            bytes.length === 0 ? Cause.done() : Effect.succeed([bytes]),
        ),
      ),
    );
  }

  /**
   * Writes all of the bytes, as fast as the other side takes them. While it takes none, other calls of the
   * process go on, and the fiber can be interrupted; the flags of the descriptor stay as they are. To write to a
   * pipe without readers raises SIGPIPE in the process, as for any program.
   */
  writeAll(fd: FileDescriptor, bytes: Uint8Array): Effect.Effect<void, HandleFailure> {
    const writeFrom = (offset: number): Effect.Effect<void, HandleFailure> =>
      offset >= bytes.length
        ? Effect.void
        : Effect.flatMap(
            Effect.andThen(
              this.#ready(fd, EPOLL.OUT),
              fd.writeBytes(bytes.subarray(offset, offset + PIPE_BUF)),
            ),
            (count) =>
              count === 0
                ? // To repeat it would never end.
                  Effect.fail(impossible("write", `fd ${fd.near}`, "nothing is written"))
                : writeFrom(offset + count),
          );
    return Effect.suspend(() =>
      // `writeAllBytes` refuses a value that is not bytes.
      bytes instanceof Uint8Array ? writeFrom(0) : fd.writeAllBytes(bytes),
    );
  }

  /** A sink that writes to a descriptor: see `writeAll`. The descriptor stays open. */
  sink(fd: FileDescriptor): Sink.Sink<void, Uint8Array, never, HandleFailure> {
    const write = (bytes: Uint8Array) => this.writeAll(fd, bytes);
    return Sink.forEach(write);
  }

  #read(fd: FileDescriptor, size: number): Effect.Effect<Uint8Array, HandleFailure> {
    return Effect.andThen(this.#ready(fd, EPOLL.IN), fd.readBytes(size));
  }

  /** Waits until a descriptor, whose flags must not be changed, can be used without blocking. */
  #ready(
    fd: FileDescriptor,
    event: typeof EPOLL.IN | typeof EPOLL.OUT,
  ): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(pollNow(fd, event === EPOLL.IN ? POLL.IN : POLL.OUT), (events) =>
      events !== 0
        ? Effect.void
        : Effect.flatMap(this.epoller(), (epoller) => epoller.waitFor(fd, event)),
    );
  }

  /** As `readToEof`, as UTF-8. */
  readTextToEof(fd: FileDescriptor): Effect.Effect<string, HandleFailure>;
  readTextToEof(
    fd: FileDescriptor,
    options: ReadAllOptions | undefined,
  ): Effect.Effect<string, HandleFailure | TooLongError>;
  readTextToEof(
    fd: FileDescriptor,
    options?: ReadAllOptions,
  ): Effect.Effect<string, HandleFailure | TooLongError> {
    return Effect.map(this.readToEof(fd, options), (bytes) => new TextDecoder().decode(bytes));
  }

  /**
   * Writes a whole file, and creates it if need be; the process's umask clears bits of `mode`. To execute a
   * program that this process has just written may be ETXTBSY, if another thread of the process starts programs
   * meanwhile: their children have the descriptor until they execute the program. A `fork` that writes the file
   * has a table of its own.
   */
  spit(path: PathLike, content: string | Uint8Array, mode = 0o644): Effect.Effect<void, IoFailure> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    // This is checked before the file is emptied.
    if (!(bytes instanceof Uint8Array))
      return Effect.fail(
        new InvalidArgumentError({
          syscall: "spit",
          argument: "content",
          value: content,
          expected: "text or a Uint8Array",
        }),
      );
    return Effect.scoped(
      Effect.flatMap(this.open(path, O.WRONLY | O.CREAT | O.TRUNC, mode), (file) =>
        file.writeAllBytes(bytes),
      ),
    );
  }

  /** Reads a whole file. Give a limit for a device or a file of another user, which may have no end. */
  slurp(path: PathLike): Effect.Effect<Uint8Array, IoFailure>;
  slurp(
    path: PathLike,
    options: ReadAllOptions | undefined,
  ): Effect.Effect<Uint8Array, IoFailure | TooLongError>;
  slurp(
    path: PathLike,
    options?: ReadAllOptions,
  ): Effect.Effect<Uint8Array, IoFailure | TooLongError> {
    return Effect.scoped(
      Effect.flatMap(this.open(path), (file) =>
        readAll((size) => file.readBytes(size), pathText(path), options),
      ),
    );
  }

  /** exit_group(2): ends the process with a status from 0 to 255. */
  exit(status: number): Effect.Effect<void, SyscallFailure> {
    if (!Number.isInteger(status) || status < 0 || status > 255)
      return invalid("exit_group", "status", status, "a whole number from 0 to 255");
    return leaving(exitGroup(this.task.sysif, status));
  }

  /**
   * Ends the process by a signal, even if it is blocked, ignored or caught: the parent sees that the signal
   * killed the process. Signals that do not kill (SIGCHLD, SIGSTOP...) have their usual effect, and the process
   * lives. The kernel spares the init of a pid namespace.
   */
  raise(signal: number): Effect.Effect<void, MallocFailure> {
    const { task } = this;
    if (!Number.isInteger(signal) || signal < 1 || signal > SIG.RTMAX)
      return invalid("kill", "signal", signal, `a signal of SIG, from 1 to ${SIG.RTMAX}`);
    const uncatchable = signal === SIG.KILL || signal === SIG.STOP;
    return leaving(
      Effect.gen(function* () {
        if (!uncatchable) yield* resetSignal(task, signal);
        yield* sigprocmask(task, SigHow.UNBLOCK, new Set([signal]));
        yield* kill(task.sysif, task.pid, signal);
      }),
    );
  }

  /**
   * The parent's descriptors are in the child's table as well.
   *
   * @param flags of `CLONE`
   * @example
   * ```ts
   * import { CLONE } from "@rsyscall/abi";
   * import { LocalThread } from "@rsyscall/thread";
   * import { Effect } from "effect";
   *
   * const program = Effect.gen(function* () {
   *   const thread = yield* LocalThread;
   *   const [reader, writer] = yield* thread.pipe();
   *   const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWUTS);
   *   // What the parent had is in the child's table as well.
   *   yield* (yield* writer.inherit(child)).dup3(child.stdout);
   *   yield* child.exec(thread.environ.sh.args("-c", "hostname inside; hostname"));
   *   yield* writer.close();
   *   console.log(yield* thread.readTextToEof(reader)); // inside
   *   yield* child.process.check();
   * });
   * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
   * ```
   */
  clone(
    flags = 0,
    options: CloneThreadOptions = {},
  ): Effect.Effect<ChildThread, HandleFailure, Scope.Scope> {
    return Effect.map(
      Effect.flatMap(this.#starter("clone", options), (starter) =>
        cloneThread(starter, flags, options),
      ),
      ({ fields, process }) => new ChildThread(fields, process),
    );
  }

  /** fork(2): `clone` without flags. The child shares the memory all the same. */
  fork(options?: CloneThreadOptions): Effect.Effect<ChildThread, HandleFailure, Scope.Scope> {
    return this.clone(0, options);
  }

  /** Finds a program by the PATH of the process's environment, as execvp(3) does. */
  which(name: PathLike): Effect.Effect<Command, ExecutableNotFoundError | MallocFailure> {
    return which(this.task, this.environ, name);
  }

  /** mkdtemp(3): makes a new directory of the process's, which the scope removes with all that is in it. */
  mkdtemp(options?: TemporaryOptions): Effect.Effect<Path, HandleFailure, Scope.Scope> {
    return mkdtemp(this.task, this.environ, options);
  }

  /** mkstemp(3): makes a new file of the process's, open for reading and writing, which the scope removes. */
  mkstemp(
    options?: TemporaryOptions,
  ): Effect.Effect<
    { readonly path: Path; readonly file: FileDescriptor },
    HandleFailure,
    Scope.Scope
  > {
    return mkstemp(this.task, this.environ, options);
  }

  /**
   * posix_spawn(3): starts a program in a child, and waits until it runs. The scope kills it, unless it is
   * detached. Its own children may stay, unless it is contained: see `ContainOptions`.
   */
  spawn(
    command: Command,
    options: SpawnOptions = {},
  ): Effect.Effect<ChildProcess, HandleFailure, Scope.Scope> {
    return Effect.flatMap(this.#starter("spawn", options), (starter) =>
      spawnProcess(starter, command, options),
    );
  }

  /**
   * Runs a program to its end, and returns how it ended. An interruption kills it. With `contain`, all its
   * descendants end with it.
   */
  run(command: Command, options: RunOptions = {}): Effect.Effect<ChildState, HandleFailure> {
    return options.contain
      ? Effect.scoped(
          Effect.flatMap(containment(this.#fields), (starter) =>
            runProcess(starter, command, options),
          ),
        )
      : runProcess(this.#fields, command, options);
  }

  /** The process that makes a child with these options: this process, or one in the child's own pid namespace. */
  #starter(
    syscall: string,
    { contain = false, detached = false }: ContainOptions & { readonly detached?: boolean },
  ): Effect.Effect<Starter, HandleFailure, Scope.Scope> {
    if (!contain) return Effect.succeed(this.#fields);
    return detached
      ? invalid(
          syscall,
          "detached",
          detached,
          "false with `contain`, which ends the child with its parent",
        )
      : containment(this.#fields);
  }

  /**
   * execve(2): the process becomes a program, with this Thread's environment and the command's changes to it.
   * Descriptors that are not close-on-exec stay open in it, and signals that are blocked or ignored stay so. The
   * Thread is gone then; if the kernel refuses, the Thread goes on. The shell runs a file of text without "#!",
   * as with execvp(3); that also holds for `spawn` and `run`.
   */
  exec(command: Command): Effect.Effect<void, HandleFailure> {
    return orByShell(this.task, command, undefined, (command) =>
      Effect.flatMap(this.environ.stringsFor(command), (envp) =>
        this.execve(command.executable, command.argv, envp),
      ),
    );
  }

  /** execve(2) itself, with exactly this environment, as `NAME=value` strings. See `execve` of @rsyscall/handle. */
  execve(
    path: PathLike,
    argv: ReadonlyArray<string | Uint8Array>,
    envp: ReadonlyArray<string | Uint8Array> = this.environ.strings,
  ): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(this.unshareFiles(), execve(this.task, path, { argv, envp }));
  }

  /** execveat(2): see `execve`, and `execveat` of @rsyscall/handle. */
  execveat(
    directory: FileDescriptor,
    path: PathLike,
    argv: ReadonlyArray<string | Uint8Array>,
    envp: ReadonlyArray<string | Uint8Array> = this.environ.strings,
    flags = 0,
  ): Effect.Effect<void, HandleFailure> {
    const options = { argv, envp, flags };
    return Effect.andThen(this.unshareFiles(), execveat(this.task, directory, path, options));
  }

  /**
   * unshare(2): gives the process new namespaces; with CLONE.NEWPID and NEWTIME gives them to its children, and
   * with CLONE.FILES gives the process a descriptor table of its own. With CLONE.NEWUSER its ids are mapped to
   * themselves; see `unshareUser` of @rsyscall/handle for other ids.
   *
   * @param flags of `CLONE`
   */
  unshare(flags: number): Effect.Effect<void, HandleFailure> {
    const files = flags & CLONE.FILES ? this.unshareFiles() : Effect.void;
    const user = flags & CLONE.NEWUSER ? unshareUser(this.task) : Effect.void;
    const rest = flags & ~(CLONE.FILES | CLONE.NEWUSER);
    // The user namespace first: it gives the right to the others.
    return Effect.andThen(
      files,
      Effect.andThen(user, rest === 0 ? Effect.void : unshare(this.task, rest)),
    );
  }

  /** chroot(2), and chdir(2) to the new root. */
  chroot(path: PathLike): Effect.Effect<void, MallocFailure> {
    return Effect.andThen(chroot(this.task, path), chdir(this.task, "/"));
  }

  /**
   * unshare(2) with CLONE_FILES: gives the process a descriptor table of its own, with the descriptors for which
   * this Thread has handles, and no others.
   */
  unshareFiles(): Effect.Effect<void, HandleFailure> {
    return this.connection instanceof SharedTableConnection
      ? Scope.provide(this.connection.unshareFiles(), this.#fields.scope)
      : unshareFiles(this.task);
  }
}

oneLine(Thread, ({ task }) => String(task));

/** A child process under the program's control: a Thread, with the `ChildProcess` by which its end is waited for. */
export class ChildThread extends Thread {
  /** The child: to wait for it, signal it and ask how it ended. */
  readonly process: ChildProcess;

  constructor(fields: ThreadFields, process: ChildProcess) {
    super(fields);
    this.process = process;
  }

  override exec(command: Command): Effect.Effect<void, HandleFailure> {
    return Effect.tap(super.exec(command), () => Effect.sync(() => this.process.executes(command)));
  }
}

const invalid = (
  syscall: string,
  argument: string,
  value: unknown,
  expected: string,
): Effect.Effect<never, InvalidArgumentError> =>
  Effect.fail(new InvalidArgumentError({ syscall, argument, value, expected }));

/** Repeats a read until the end; TooLongError beyond the limit. */
const readAll = <E, R>(
  read: (size: number) => Effect.Effect<Uint8Array, E, R>,
  reading: string,
  { limit = Number.POSITIVE_INFINITY }: ReadAllOptions = {},
): Effect.Effect<Uint8Array, E | InvalidArgumentError | TooLongError, R> =>
  Effect.suspend((): Effect.Effect<Uint8Array, E | InvalidArgumentError | TooLongError, R> => {
    if (!(limit === Number.POSITIVE_INFINITY || (Number.isInteger(limit) && limit >= 0)))
      return invalid("read", "limit", limit, "a whole number of bytes from 0 on, or Infinity");
    const parts: Array<Uint8Array> = [];
    let length = 0;
    const loop: Effect.Effect<Uint8Array, E | TooLongError, R> = Effect.suspend(() =>
      // One byte more distinguishes what is too long from what ends at the limit.
      Effect.flatMap(
        read(Math.min(READ_SIZE, limit - length + 1)),
        (bytes): Effect.Effect<Uint8Array, E | TooLongError, R> => {
          if (bytes.length === 0) return Effect.succeed(new Uint8Array(Buffer.concat(parts)));
          length += bytes.length;
          if (length > limit) return Effect.fail(new TooLongError({ reading, limit }));
          parts.push(bytes);
          return loop;
        },
      ),
    );
    return loop;
  });
