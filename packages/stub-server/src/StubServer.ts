import { POLL, S_IF, S_IFMT, SOCK, type Ucred } from "@rsyscall/abi";
import type { SyscallConnection } from "@rsyscall/connection";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import {
  absolutePath,
  type HandleFailure,
  pollNow,
  Socket,
  stat,
  symlink,
  unlink,
} from "@rsyscall/handle";
import { stubPath } from "@rsyscall/native";
import {
  catchErrno,
  geteuid,
  oneLine,
  Path,
  type PathLike,
  pathProblem,
  printable,
  SyscallError,
} from "@rsyscall/near";
import type { Ancestor, Thread } from "@rsyscall/thread";
import {
  type HandshakeError,
  type HandshakePolicy,
  type Greeted as Hello,
  handshake,
  listenAt,
  type PathTakenError,
  passingTransport,
  place,
  turnAway,
  workshop,
} from "@rsyscall/transport";
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Queue, Scope, Stream } from "effect";
import { creationError, StubServerError } from "./errors.ts";
import { type LinkMode, placeExecutable } from "./executable.ts";
import { type Handler, handleCall, type ServeOptions } from "./handlers.ts";
import {
  DESCRIPTION_LIMIT,
  type Greeted,
  type Greeting,
  type LimitOptions,
  type Limits,
  limitStalls,
  limitsOf,
  roomForCall,
  roomForClient,
} from "./limits.ts";
import { DropLog, problemOf, toStderr } from "./logs.ts";
import { judgeTimeout } from "./occupants.ts";
import { StubCall } from "./StubCall.ts";

export interface ListenOptions extends LimitOptions {
  /** How long a client may take for its hello. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input;
  /**
   * Who may connect, by the kernel's word. Default: processes with the server's own effective user
   * id; for all others the socket's mode is closed then, too.
   */
  readonly allow?: (peer: Ucred) => boolean;
  /**
   * How long a process may leave any one system call without an answer; then the server hangs up. A process that
   * is stopped (SIGSTOP, ^Z) gives none, and neither does one that is inside a call that blocks. `readToEof` and
   * AsyncFileDescriptor make no such call: they may wait for input for ever. Default: no limit. But when callers
   * wait for a place (`callLimit`), a process that does not answer what never blocks is hung up.
   */
  readonly stallLimit?: Duration.Input;
  /**
   * How long a stub waits for this server before it exits with 69, in whole seconds; 0 is for ever. After half of
   * the time, or 5 seconds, it says on its stderr what it waits for. The caller's environment variable
   * RSYSCALL_UNIX_STUB_TIMEOUT overrides this. Default: 60.
   */
  readonly stubTimeout?: number;
  /**
   * Whether system calls and memory of a stub on this host go through memory that we share with it,
   * where that is possible; otherwise they go through sockets. Default true.
   */
  readonly sharedMemory?: boolean;
}

export interface StubServerOptions extends ListenOptions {
  /** How the executable gets to its place. Default `symlink`. */
  readonly link?: LinkMode;
  /**
   * The stub executable: a path, which may be one in a Nix store that `NixStore.realise` gave. Default:
   * the one that comes with this package.
   */
  readonly stub?: PathLike;
}

/** A client that waits for its welcome. */
interface Waiting extends Greeted {
  readonly socket: Socket;
  readonly greeted: Hello;
  /** Of the connection of the handshake. */
  readonly scope: Scope.Closeable;
  /** What its description takes of the budget. */
  readonly charge: Charge;
  /** The client was dropped: it is not served. */
  hasLeft: boolean;
}

interface Charge {
  bytes: number;
}

/** A call, and the connection to its process. */
interface Served {
  readonly call: StubCall;
  readonly connection: SyscallConnection;
}

/** Why a server ends by itself: the thread that listens is gone. */
export type ServerFailure = HandleFailure;

/**
 * Listens for stubs: programs that others launch in place of the real one, and that connect back.
 *
 * @example
 * ```ts
 * import { StubServer } from "@rsyscall/stub-server";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* StubServer.make(yield* LocalThread, "/tmp/mocks", "sendmail");
 *   yield* server.serve((call) =>
 *     Effect.gen(function* () {
 *       console.log(call.argv, yield* call.thread.readTextToEof(call.thread.stdin));
 *       return 0;
 *     }),
 *   );
 * });
 * ```
 */
export class StubServer {
  readonly thread: Thread;
  /** The path of the socket. */
  readonly path: Path;
  readonly #waiting: Queue.Queue<Waiting, ServerFailure>;
  readonly #limits: Limits;
  readonly #log: DropLog;
  readonly #options: ListenOptions;
  /** Of the executable, if the server has put one in place. */
  #name: string | undefined;

  private constructor(
    thread: Thread,
    path: Path,
    waiting: Queue.Queue<Waiting, ServerFailure>,
    limits: Limits,
    log: DropLog,
    options: ListenOptions,
  ) {
    this.thread = thread;
    this.path = path;
    this.#waiting = waiting;
    this.#limits = limits;
    this.#log = log;
    this.#options = options;
  }

  /**
   * Listens on a Unix socket at a path of any length, until the scope closes. A socket there on
   * which no process listens, such as that of a killed server, is replaced.
   */
  static listenOn(
    thread: Thread,
    path: PathLike,
    options: ListenOptions = {},
  ): Effect.Effect<StubServer, HandleFailure | StubServerError, Scope.Scope> {
    return Effect.gen(function* () {
      const absolute = yield* absolutePath(thread.task, path);
      const ownUid = yield* geteuid(thread.task.sysif);
      const policy: HandshakePolicy = {
        handshakeTimeout: options.handshakeTimeout ?? "10 seconds",
        allow: options.allow ?? ((peer) => peer.uid === ownUid),
        descriptionLimit: options.descriptionLimit ?? DESCRIPTION_LIMIT,
      };
      const limits = yield* limitsOf(thread, options);
      const socket = yield* Effect.mapError(
        Effect.gen(function* () {
          const { socket, hasReplaced } = yield* listenAt(thread, absolute, {
            flags: SOCK.NONBLOCK,
            mode: options.allow === undefined ? 0o600 : 0o666,
            backlog: LISTEN_BACKLOG,
          });
          yield* placeTimeout(thread, absolute, options.stubTimeout, hasReplaced);
          return socket;
        }),
        creationError(absolute.text),
      );
      const listening = yield* thread.makeAfd(socket);
      const waiting = yield* Effect.acquireRelease(
        Queue.unbounded<Waiting, ServerFailure>(),
        Queue.shutdown,
      );
      const log = new DropLog();
      yield* Effect.forkScoped(acceptClients(thread, listening, policy, limits, log, waiting));
      return new StubServer(thread, absolute, waiting, limits, log, options);
    });
  }

  /**
   * Listens in a directory, on `NAME.sock`, and puts the executable `NAME` there, until the scope
   * closes. Each program that executes it calls this server. What a killed server has left there is
   * replaced. A program that is not ours, or the socket of a server that listens, is never replaced.
   */
  static make(
    thread: Thread,
    directory: PathLike,
    name: PathLike,
    options: StubServerOptions = {},
  ): Effect.Effect<StubServer, HandleFailure | StubServerError, Scope.Scope> {
    return Effect.gen(function* () {
      const path = yield* executablePath(thread, directory, name);
      const socketPath = Path.make(`${path.text}.sock`);
      // A link is relative to where it lies, and not to where we are.
      const stub = yield* absolutePath(thread.task, options.stub ?? stubPath);
      // The socket first: no caller finds the executable before somebody listens. When there can be
      // no executable, the name must be free again for whoever catches the error.
      const scope = yield* Scope.fork(yield* Effect.scope);
      return yield* Effect.gen(function* () {
        const server = yield* StubServer.listenOn(thread, socketPath, options);
        server.#name = path.name;
        yield* placeExecutable(thread, path, socketPath, stub, options.link ?? "symlink");
        return server;
      }).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      );
    });
  }

  /**
   * Waits for the next call. The process is the caller's scope's: when that closes and nothing has
   * ended the process, it exits with a status that tells its parent of the failure. If no Thread can be
   * made of a client, because of what it does or because we lack something, it is dropped with a warning.
   *
   * @param thread does the bootstrap, in place of the server's own
   */
  accept(thread: Thread = this.thread): Effect.Effect<StubCall, ServerFailure, Scope.Scope> {
    const next: Effect.Effect<StubCall, ServerFailure, Scope.Scope> = Effect.uninterruptibleMask(
      (restore) =>
        Effect.flatMap(this.#next(restore), (waiting) => restore(this.#welcome(waiting, thread))),
    ).pipe(Effect.flatMap((served) => (served === undefined ? next : Effect.succeed(served.call))));
    return next;
  }

  /** The calls, one after the other. Each lives until it ends, or the stream does. */
  get calls(): Stream.Stream<StubCall, ServerFailure> {
    return Stream.unwrap(
      Effect.map(Effect.scope, (scope) =>
        Stream.fromEffectRepeat(Scope.provide(this.accept(), scope)),
      ),
    ) as Stream.Stream<StubCall, ServerFailure>;
  }

  /**
   * Handles every call in a fiber of its own, for as long as it runs. What the handler gives is the
   * caller's exit status; nothing is 0. A handler that fails, or gives what is no status, ends its call with
   * EX_SOFTWARE (70) and is logged on stderr, or told to `onFailure`; the server goes on. A call whose caller
   * is killed meanwhile is no failure.
   *
   * An interruption ends what waits here: for readiness, for time, for other fibers. A system call that was
   * sent is waited for, as long as the process takes; what ends that is to hang up. So handlers that are
   * interrupted, by a deadline or with the server, have a second to give back what they hold in their
   * processes. `Effect.timeout` inside a handler has no such limit: see `stallLimit`.
   */
  serve<E = never, R = never, E2 = never, R2 = never>(
    handler: Handler<E, R>,
    options: ServeOptions<E, E2, R2> = {},
  ): Effect.Effect<never, ServerFailure | E2, Exclude<R, Scope.Scope> | R2> {
    return Effect.suspend(() => {
      const failed = Deferred.makeUnsafe<never, E2>();
      const handleOne = (waiting: Waiting) =>
        Effect.scoped(
          Effect.flatMap(this.#welcome(waiting, this.thread), (served) =>
            served === undefined
              ? Effect.void
              : handleCall(served.call, served.connection, handler, options, failed),
          ),
        );
      const loop = Effect.forever(
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(this.#next(restore), (waiting) =>
            Effect.forkChild(handleOne(waiting), { startImmediately: true }),
          ),
        ),
      );
      return options.onFailure === undefined
        ? loop
        : Effect.raceFirst(loop, Deferred.await(failed));
    }) as Effect.Effect<never, ServerFailure | E2, Exclude<R, Scope.Scope> | R2>;
  }

  /** Takes the next client, and a place for its call. */
  #next(restore: Restore): Effect.Effect<Waiting, ServerFailure> {
    const { calls, greeted } = this.#limits;
    const next: Effect.Effect<Waiting, ServerFailure> = Effect.flatMap(
      restore(Queue.peek(this.#waiting)),
      () => {
        if (!calls.take()) return Effect.andThen(restore(roomForCall(this.#limits)), next);
        const taken = Queue.takeUnsafe(this.#waiting);
        if (taken !== undefined && Exit.isSuccess(taken)) {
          const client = taken.value;
          greeted.delete(client);
          if (!client.hasLeft) return taken;
        }
        calls.release();
        // Others were faster, or the server has ended.
        return taken === undefined || Exit.isSuccess(taken) ? next : taken;
      },
    );
    return next;
  }

  /**
   * Makes a call of a client, through a thread, in the place that was taken for it. Undefined if that does not
   * go well: it is dropped then. It is a failure only if the thread is gone.
   */
  #welcome(
    { socket, greeted, scope, charge }: Waiting,
    thread: Thread,
  ): Effect.Effect<Served | undefined, ServerFailure, Scope.Scope> {
    const { calls, served, bytes } = this.#limits;
    const { stallLimit, sharedMemory = true } = this.#options;
    let connection: SyscallConnection | undefined;
    const onConnection = (made: SyscallConnection) => {
      connection = made;
      const size = charge.bytes;
      charge.bytes = 0;
      served.add(made);
      made.onEnd(() => {
        served.delete(made);
        calls.release();
        bytes.release(size);
      });
      if (stallLimit !== undefined)
        limitStalls(made, Duration.toMillis(Duration.fromInputUnsafe(stallLimit)));
    };
    const drop = (
      cause: Cause.Cause<HandleFailure | HandshakeError>,
    ): Effect.Effect<undefined, ServerFailure> =>
      Cause.hasInterrupts(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.gen({ self: this }, function* () {
            yield* turnAway(socket, problemOf(cause));
            // Whether it is the client's fault, or the thread is gone.
            yield* thread.task.sysif.barrier();
            yield* this.#log.dropped(cause);
            return undefined;
          });
    return Effect.gen({ self: this }, function* () {
      const outer = yield* Effect.scope;
      const call = yield* Effect.scoped(
        Effect.flatMap(this.#socketIn(thread, socket), (inThread) =>
          Scope.provide(
            StubCall.bootstrap(
              {
                ...passingTransport(thread.connection, inThread, sharedMemory),
                ancestor: this.#ancestor(greeted),
                onConnection,
              },
              greeted,
              { thread: this.thread, socket: this.path, name: this.#name },
            ),
            outer,
          ),
        ),
      );
      return { call, connection: connection as SyscallConnection };
    }).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          if (connection === undefined) calls.release();
        }),
      ),
      Effect.catchCause(drop),
      Effect.ensuring(Scope.close(scope, Exit.void)),
    );
  }

  /** The process that has connected, if the kernel has named it to this process: another may listen for us. */
  #ancestor({ peer: { pid, uid } }: Hello): Ancestor | undefined {
    const { task, connection } = this.thread;
    const { addressSpace, namespaces } = connection.accessTask;
    return pid > 0 && task.addressSpace === addressSpace && task.namespaces.pid.is(namespaces.pid)
      ? { pid, uid, isGone: () => false }
      : undefined;
  }

  /** The accepted connection where the thread can use it. */
  #socketIn(thread: Thread, socket: Socket): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    if (thread.task === socket.task) return Effect.succeed(socket);
    if (thread.task.fdTable === socket.task.fdTable) return socket.forTask(thread.task);
    return Effect.gen({ self: this }, function* () {
      const [access] = yield* this.thread.connection.passFrom([socket]);
      const [passed] = yield* thread.connection.passTo([access as Socket]);
      return yield* (passed as Socket).reclassify(Socket);
    });
  }
}

oneLine(StubServer, ({ path }) => printable(path.text));
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

/** As many as the kernel lets wait (net.core.somaxconn cuts it). */
const LISTEN_BACKLOG = 4096;

/**
 * Tells stubs how long to wait for a server that does not answer, and so cannot say it: by a link beside the
 * socket, whose text is a number of seconds.
 */
const placeTimeout = (
  thread: Thread,
  socketPath: Path,
  seconds: number | undefined,
  hasReplaced: boolean,
): Effect.Effect<void, HandleFailure | PathTakenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { task } = thread;
    const outer = yield* Effect.scope;
    const path = Path.make(`${socketPath.text}.timeout`);
    if (seconds === undefined)
      return hasReplaced
        ? yield* catchErrno("ENOENT", () => Effect.void)(unlink(task, path))
        : undefined;
    if (!Number.isSafeInteger(seconds) || seconds < 0)
      return yield* SyscallError.of("symlink", "EINVAL", `a timeout of ${seconds} s`);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const made = (yield* workshop(thread, path)).join("timeout");
        yield* symlink(task, String(seconds), made);
        yield* place(thread, made, path, judgeTimeout(thread, path)).pipe(
          Scope.provide(outer),
          Effect.tapError(() => Effect.ignore(unlink(task, made))),
        );
      }),
    );
  });

/** Accepts for ever. Each client has its handshake in a fiber of its own, so none waits for another. */
const acceptClients = (
  thread: Thread,
  listening: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
  limits: Limits,
  log: DropLog,
  waiting: Queue.Queue<Waiting, ServerFailure>,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const serverScope = yield* Effect.scope;
    const takePlace = (scope: Scope.Scope): Effect.Effect<void> =>
      Effect.uninterruptibleMask((restore) => {
        const take: Effect.Effect<void> = Effect.suspend(() =>
          limits.pending.take()
            ? Scope.addFinalizer(
                scope,
                Effect.sync(() => limits.pending.release()),
              )
            : Effect.andThen(restore(roomForClient(limits)), take),
        );
        return take;
      });
    const greet = (socket: Socket, scope: Scope.Closeable) =>
      Effect.gen(function* () {
        const charge: Charge = { bytes: 0 };
        const greeting: Greeting = {
          since: performance.now(),
          dismiss: () =>
            Effect.suspend(() =>
              Effect.andThen(
                Effect.andThen(
                  Fiber.interrupt(fiber),
                  turnAway(socket, "too many clients wait, and this one has not said hello"),
                ),
                Scope.close(scope, Exit.void),
              ),
            ),
        };
        const leave = () => limits.greetings.delete(greeting);
        let client: Waiting | undefined;
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => {
            limits.bytes.release(charge.bytes);
            leave();
            if (client !== undefined) limits.greeted.delete(client);
          }),
        );
        const hear = Effect.gen(function* () {
          const afd = yield* thread.makeAfd(socket);
          const admit = admission(limits, charge);
          const greeted = yield* handshake(afd, { ...policy, admit });
          // Unless it is about to be dismissed.
          if (!leave()) return;
          const made: Waiting = {
            socket,
            greeted,
            scope,
            charge,
            hasLeft: false,
            hasHungUp: () =>
              Effect.match(pollNow(socket, POLL.RDHUP), {
                onFailure: () => true,
                onSuccess: (events) => events !== 0,
              }),
            dismiss: () =>
              Effect.suspend(() => {
                made.hasLeft = true;
                return Scope.close(scope, Exit.void);
              }),
          };
          client = made;
          limits.greeted.add(made);
          yield* Queue.offer(waiting, made);
        });
        limits.greetings.add(greeting);
        const fiber = yield* Effect.forkIn(
          Scope.provide(hear, scope).pipe(
            Effect.catchCause((cause) =>
              Effect.andThen(Scope.close(scope, Exit.void), log.dropped(cause)),
            ),
          ),
          serverScope,
        );
      });
    const acceptOne = Effect.gen(function* () {
      const scope = yield* Scope.fork(serverScope);
      yield* Effect.gen(function* () {
        const socket = yield* Scope.provide(listening.accept(SOCK.NONBLOCK), scope);
        socket.closeOnFork = true;
        if (socket.near >= limits.ceiling) {
          yield* turnAway(socket, "the server has hardly a descriptor left");
          return yield* SyscallError.of("accept4", "EMFILE", "but for a reserve");
        }
        yield* takePlace(scope);
        yield* greet(socket, scope);
      }).pipe(Effect.onError(() => Scope.close(scope, Exit.void)));
    });
    const acceptForever: Effect.Effect<never, HandleFailure> = Effect.forever(
      Effect.catch(acceptOne, (error) =>
        isTemporary(error)
          ? Effect.andThen(
              toStderr(Effect.logWarning(`Cannot accept a stub: ${error.message}`)),
              Effect.sleep("100 millis"),
            )
          : Effect.fail(error),
      ),
    );
    yield* Effect.catch(acceptForever, (error) => Queue.fail(waiting, error));
  });

/** Bytes of a description that is read at once, without a place in the budget. */
const SMALL_DESCRIPTION = 16 * 1024;

/** Waits until there is room for a description, and takes it. */
const admission =
  ({ bytes }: Limits, charge: Charge) =>
  (size: number): Effect.Effect<void> => {
    if (size <= SMALL_DESCRIPTION) return Effect.void;
    return Effect.uninterruptibleMask((restore) => {
      const take: Effect.Effect<void> = Effect.suspend(() => {
        if (!bytes.take(size)) return Effect.andThen(restore(bytes.released()), take);
        charge.bytes = size;
        return Effect.void;
      });
      return take;
    });
  };

/** The client is gone already, or we lack something that may come back. */
const isTemporary = (error: HandleFailure): boolean =>
  error instanceof SyscallError &&
  ["ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"].includes(error.errno);

const executablePath = (
  thread: Thread,
  directory: PathLike,
  name: PathLike,
): Effect.Effect<Path, HandleFailure | StubServerError> =>
  Effect.gen(function* () {
    const file = pathProblem(name) === undefined ? Path.make(name).text : undefined;
    if (file === undefined || file === "" || file === "." || file === ".." || /[/\0]/.test(file))
      return yield* new StubServerError({
        reason: "NameInvalid",
        subject: file === undefined ? `what is ${typeof name}` : JSON.stringify(file),
        problem: "is no file name",
        remedy: "give the bare name of the program",
      });
    const absolute = yield* absolutePath(thread.task, directory);
    const { mode } = yield* Effect.mapError(stat(thread.task, absolute), (error) =>
      creationError(absolute.join(file).text)(error),
    );
    if ((mode & S_IFMT) !== S_IF.DIR)
      return yield* new StubServerError({
        reason: "DirectoryMissing",
        subject: absolute.text,
        problem: "is no directory",
        remedy: "give the path of a directory",
      });
    return absolute.join(file);
  });
