import { F, SIG, type Stat, type Ucred, W } from "@rsyscall/abi";
import {
  absolutePath,
  type FdClass,
  FileDescriptor,
  type HandleFailure,
  Pidfd,
  prctl,
} from "@rsyscall/handle";
import { taskPath } from "@rsyscall/native";
import {
  catchErrno,
  Fd,
  geteuid,
  oneLine,
  type Path,
  type PathLike,
  Pid,
  printable,
  type SyscallFailure,
} from "@rsyscall/near";
import { type Ancestor, ChildProcess, Command, fieldsOf, type Thread } from "@rsyscall/thread";
import {
  bootstrapThread,
  handshake,
  isSame,
  type LaunchError,
  lstat,
  passingTransport,
  removeOwn,
} from "@rsyscall/transport";
import { SPARES } from "@rsyscall/wire";
import { type Duration, Effect, Option, Scope } from "effect";
import { dial, failure, handshakeError } from "./dial.ts";
import type { PersistentTaskError } from "./errors.ts";
import {
  type ChildDescription,
  childrenOf,
  type OpenDescriptor,
  openDescriptors,
} from "./inventory.ts";
import {
  type LaunchedServer,
  type Life,
  launchServer,
  listen,
  type Stdio,
} from "./launchServer.ts";

/** Options of a connection to a PersistentTask. */
export interface PersistentTaskOptions {
  /** How long to wait for the process, which serves one controller at a time. Default 10 seconds. */
  readonly timeout?: Duration.Input;
  /** Whether calls and memory use shared memory, if that is possible. Default true. */
  readonly sharedMemory?: boolean;
}

/** Options of a new PersistentTask. */
export interface StartOptions extends PersistentTaskOptions, Stdio {
  /** The path of `rsyscall-task` as the parent sees it. Default: the one of this package. */
  readonly executable?: PathLike;
  /**
   * How long the process waits for a connected client to take the hello, and then for its answer. It serves no other
   * client meanwhile. Default 10 seconds.
   */
  readonly patience?: Duration.Input;
  /** The process's stdout and stderr. Default: /dev/null. */
  readonly stdout?: FileDescriptor;
  /** The process's stderr. Default: /dev/null. */
  readonly stderr?: FileDescriptor;
}

/** The fields of a task. */
interface Fields {
  readonly thread: Thread;
  readonly ended: () => Effect.Effect<void>;
  readonly path: Path;
  readonly parent: Thread;
  /** Identifies its socket; undefined if another file is at the path by now. */
  readonly own: Stat | undefined;
}

/**
 * A process that outlives its controller. A later controller connects to it through a Unix socket with a path,
 * and can list its open descriptors and its children. It serves one controller at a time.
 *
 * @example
 * ```ts
 * import { PersistentTask } from "@rsyscall/task-persistent";
 * import { LocalThread } from "@rsyscall/thread";
 * import { SPARES } from "@rsyscall/wire";
import { Effect } from "effect";
 *
 * const path = `/tmp/example-${process.pid}`;
 *
 * const first = Effect.gen(function* () {
 *   const task = yield* PersistentTask.make(yield* LocalThread, path);
 *   const [reader, writer] = yield* task.thread.pipe();
 *   yield* writer.writeAllText("from the first controller");
 *   // These belong to the process from now on, and no longer to the scope.
 *   reader.disown();
 *   writer.disown();
 *   yield* task.keep();
 *   return reader.near;
 * });
 *
 * const second = (fd: number) =>
 *   Effect.gen(function* () {
 *     const task = yield* PersistentTask.connect(yield* LocalThread, path);
 *     const reader = yield* task.adopt(fd);
 *     console.log(new TextDecoder().decode(yield* reader.readBytes())); // from the first controller
 *     yield* task.end();
 *   });
 *
 * const program = Effect.flatMap(Effect.scoped(first), (fd) => Effect.scoped(second(fd)));
 * await Effect.runPromise(program.pipe(Effect.provide(LocalThread.layer)));
 * ```
 */
export class PersistentTask {
  /** The process. It ignores SIGPIPE, but its children do not. Its stdin is /dev/null. */
  readonly thread: Thread;
  /** The path of its socket, as the parent sees it. */
  readonly path: Path;
  /** The process as a child of the parent, if this controller has started it. */
  readonly process: ChildProcess | undefined;
  readonly #ended: Effect.Effect<void>;
  readonly #parent: Thread;
  readonly #own: Stat | undefined;
  /** Set if this controller has started the process. */
  readonly #launched: { readonly server: LaunchedServer; readonly life: Life } | undefined;

  private constructor(
    { thread, ended, path, parent, own }: Fields,
    launched?: { readonly server: LaunchedServer; readonly life: Life },
  ) {
    this.thread = thread;
    this.#ended = ended();
    this.path = path;
    this.process = launched?.server.process;
    this.#parent = parent;
    this.#own = own;
    this.#launched = launched;
  }

  /**
   * Starts a process that listens on a path, and connects to it. Until `keep`, it ends with the scope, with
   * the parent, and with this controller. PathTaken if a file is at the path, unless it is the socket of such a
   * process that was killed.
   *
   * @param parent the parent of the process; the path is one of its file system
   */
  static make(
    parent: Thread,
    path: PathLike,
    {
      executable = taskPath,
      patience = "10 seconds",
      stdout,
      stderr,
      ...options
    }: StartOptions = {},
  ): Effect.Effect<PersistentTask, HandleFailure | LaunchError | PersistentTaskError, Scope.Scope> {
    return Effect.gen(function* () {
      const absolute = yield* absolutePath(parent.task, path);
      const life = { isKept: false };
      const { socket: listening, own } = yield* listen(parent, absolute, life, patience);
      const command = Command.make(executable, "persistent");
      const server = yield* launchServer(parent, command, listening, { stdout, stderr }, life);
      // The controller has the listening socket too, so a connect succeeds even if the started process has ended.
      const connected = connect(parent, absolute, options, server.process.ancestor);
      const fields = yield* Effect.raceFirst(connected, server.failed());
      yield* listening.close();
      yield* server.started();
      return new PersistentTask({ ...fields, own }, { server, life });
    });
  }

  /**
   * Connects to a process that listens on a path. The scope disconnects, and leaves the process as it is.
   *
   * @param parent a Thread that sees the path, and whose user is that of the process, or root
   */
  static connect(
    parent: Thread,
    path: PathLike,
    options: PersistentTaskOptions = {},
  ): Effect.Effect<PersistentTask, HandleFailure | PersistentTaskError, Scope.Scope> {
    return Effect.flatMap(absolutePath(parent.task, path), (absolute) =>
      Effect.map(connect(parent, absolute, options), (fields) => new PersistentTask(fields)),
    );
  }

  /** Completes when the process has ended, or is out of reach. */
  ended(): Effect.Effect<void> {
    return this.#ended;
  }

  /** Keeps the process from now on, even if its parent, this controller or this scope ends. */
  keep(): Effect.Effect<void, SyscallFailure> {
    return Effect.uninterruptible(
      Effect.map(prctl.setPdeathsig(this.thread.task, 0), () => {
        if (this.#launched !== undefined) this.#launched.life.isKept = true;
      }),
    );
  }

  /**
   * Disconnects immediately, and leaves the process as it is: descriptors that the scope would have closed stay open.
   * Calls in flight fail with SyscallHangup; if the process is inside one of them, it leaves the call. Fibers that
   * wait for a child may continue to wait until the child ends, and do not get its state.
   */
  disconnect(): Effect.Effect<void> {
    return this.thread.task.sysif.close();
  }

  /** Removes the socket if it is still that of the process, and makes the process exit with status 0. */
  end(): Effect.Effect<void, HandleFailure> {
    return Effect.gen({ self: this }, function* () {
      if (this.#own !== undefined)
        yield* removeOwn(this.#parent.task, this.path, this.#own).pipe(
          catchErrno("ENOENT", () => Effect.void),
        );
      yield* Effect.catchTag(this.thread.exit(0), "SyscallSendError", () => Effect.void);
      if (this.#launched === undefined) return yield* this.ended();
      const { server } = this.#launched;
      yield* server.process.wait();
      yield* server.forget();
    });
  }

  /**
   * Lists the open descriptors of the process, without those through which this controller reaches it and those that
   * are close-on-fork, which no other controller can use.
   */
  descriptors(): Effect.Effect<ReadonlyArray<OpenDescriptor>, HandleFailure> {
    return openDescriptors(this.thread.task);
  }

  /**
   * Makes a handle for an open descriptor of the process; EBADF if it is not open. No scope closes it: it stays
   * open until `close`, also for the next controller. `reclassify` gives a handle that the scope closes.
   */
  adopt(fd: number): Effect.Effect<FileDescriptor, HandleFailure>;
  adopt<A extends FileDescriptor>(fd: number, kind: FdClass<A>): Effect.Effect<A, HandleFailure>;
  adopt(fd: number, kind: FdClass<FileDescriptor> = FileDescriptor) {
    const { task } = this.thread;
    return Effect.suspend(() => {
      const handle = new kind(task, Fd(fd));
      return Effect.as(handle.fcntl(F.GETFD), handle).pipe(
        Effect.onError(() => Effect.sync(() => handle.disown())),
      );
    });
  }

  /** Lists the children of the process, including those that have ended but were not waited for. */
  children(): Effect.Effect<ReadonlyArray<ChildDescription>, HandleFailure> {
    return childrenOf(this.thread);
  }

  /**
   * Makes a handle for a child of the process, started by this controller or an earlier one; ECHILD if it is not a
   * child. The scope only forgets the child, which goes on.
   */
  adoptChild(pid: number): Effect.Effect<ChildProcess, HandleFailure, Scope.Scope> {
    const { thread } = this;
    return Effect.gen(function* () {
      const life = yield* Scope.fork(yield* Effect.scope);
      // The number stays the child's until it is waited for, and no other task waits for it.
      const pidfd = yield* Scope.provide(Pidfd.make(thread.task, pid), life);
      pidfd.closeOnFork = true;
      yield* pidfd.waitid(W.EXITED | W.NOHANG | W.NOWAIT);
      return yield* ChildProcess.watch(
        fieldsOf(thread),
        { pid: Pid(pid), pidfd, life },
        Effect.void,
      );
    });
  }
}

oneLine(PersistentTask, ({ thread, path }) => `${thread} at ${printable(path.text)}`);

const connect = Effect.fnUntraced(function* (
  parent: Thread,
  path: Path,
  { timeout = "10 seconds", sharedMemory = true }: PersistentTaskOptions,
  ancestor?: Ancestor,
): Effect.fn.Return<Fields, HandleFailure | PersistentTaskError, Scope.Scope> {
  const outer = yield* Effect.scope;
  const uid = yield* geteuid(parent.task.sysif);
  const policy = {
    handshakeTimeout: timeout,
    allow: (peer: Ucred) => uid === 0 || peer.uid === 0 || peer.uid === uid,
    descriptionLimit: 2 ** 23,
  };
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const before = yield* Effect.option(lstat(parent.task, path));
      const { socket, connection } = yield* dial(parent, path);
      const after = yield* Effect.option(lstat(parent.task, path));
      // A file that is there before and after was there meanwhile.
      const own =
        Option.isSome(before) && Option.isSome(after) && isSame(before.value, after.value)
          ? after.value
          : undefined;
      const greeted = yield* Effect.mapError(handshake(socket, policy), handshakeError(path));
      const { description } = greeted;
      const { listeningFd } = description;
      if (listeningFd === undefined)
        return yield* failure(path, "NotPersistent", "is no persistent task")(undefined);
      const passing = passingTransport(connection, socket.handle, sharedMemory);
      const transport = { ...passing, ancestor };
      const { thread, ended } = yield* bootstrapThread(transport, greeted).pipe(
        Scope.provide(outer),
        Effect.catchTag("HandshakeError", (error) =>
          Effect.fail(failure(path, "NobodyListens", "it has ended")(error)),
        ),
      );
      const reserve = (fd: Fd) => {
        const handle = new FileDescriptor(thread.task, fd);
        handle.closeOnFork = true;
        return handle;
      };
      // If the calls go through shared memory, the number is unused, and reserved for the next controller.
      if (fieldsOf(thread).memory !== undefined) reserve(description.dataFd);
      for (let i = 0; i <= SPARES; i++) reserve(Fd(listeningFd + i));
      // As for Node's own children: they must not inherit that the process ignores SIGPIPE.
      thread.task.programSignals.defaulted.add(SIG.PIPE);
      return {
        thread,
        ended,
        path,
        parent,
        own,
      };
    }),
  );
});
