import { AF, EX, S_IF, S_IFMT, SOCK, type Ucred } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import {
  absolutePath,
  bindUnix,
  chmod,
  type HandleFailure,
  Socket,
  stat,
  unlink,
} from "@rsyscall/handle";
import { stubPath } from "@rsyscall/native";
import { geteuid, Path, type PathLike, SyscallError } from "@rsyscall/near";
import type { Ancestor, Thread } from "@rsyscall/thread";
import {
  type Greeted,
  type HandshakeError,
  type HandshakePolicy,
  handshake,
  passingTransport,
} from "@rsyscall/transport";
import { Cause, type Duration, Effect, Exit, Fiber, Queue, Scope, Semaphore, Stream } from "effect";
import { creationError, StubServerError } from "./errors.ts";
import { type LinkMode, placeExecutable } from "./executable.ts";
import { StubCall } from "./StubCall.ts";

export interface ListenOptions {
  /** How long a client may take for its hello. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input;
  /**
   * Who may connect, by the kernel's word. Default: processes with the server's own effective user
   * id; for all others the socket's mode is closed then, too.
   */
  readonly allow?: (peer: Ucred) => boolean;
  /**
   * Bytes of arguments and environment that a caller may have, and 8 for each string, as execve(2)
   * counts them. Default 8 MiB, more than execve takes.
   */
  readonly descriptionLimit?: number;
  /** Clients that may be in their handshake or wait for `accept`; more wait in the kernel. Default 1024. */
  readonly pendingLimit?: number;
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
interface Waiting {
  readonly socket: Socket;
  readonly greeted: Greeted;
  /** Closes the connection of the handshake. */
  readonly finish: Effect.Effect<void>;
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
  readonly #sharesMemory: boolean;

  private constructor(
    thread: Thread,
    path: Path,
    waiting: Queue.Queue<Waiting, ServerFailure>,
    sharesMemory: boolean,
  ) {
    this.thread = thread;
    this.path = path;
    this.#waiting = waiting;
    this.#sharesMemory = sharesMemory;
  }

  /** Listens on a Unix socket at a path of any length, until the scope closes. */
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
        descriptionLimit: options.descriptionLimit ?? 8 * 1024 * 1024,
      };
      const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
      socket.closeOnFork = true;
      // bind(2) gives the file the mode of the socket, cut by the umask: it is never open to more.
      yield* socket.chmod(0o600);
      yield* Effect.acquireRelease(
        Effect.mapError(bindUnix(socket, absolute), creationError(absolute.text)),
        () => Effect.ignore(unlink(thread.task, absolute)),
      );
      // Whoever connects needs the right to write, of which the umask leaves nothing to others.
      if (options.allow !== undefined) yield* chmod(thread.task, absolute, 0o666);
      yield* socket.listen(LISTEN_BACKLOG);
      const listening = yield* thread.makeAfd(socket);
      const waiting = yield* Effect.acquireRelease(
        Queue.unbounded<Waiting, ServerFailure>(),
        Queue.shutdown,
      );
      yield* Effect.forkScoped(
        acceptClients(thread, listening, policy, options.pendingLimit ?? 1024, waiting),
      );
      return new StubServer(thread, absolute, waiting, options.sharedMemory ?? true);
    });
  }

  /**
   * Listens in a directory, on `NAME.sock`, and puts the executable `NAME` there, until the scope
   * closes. Whoever executes it calls this server.
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
   * ended the process, it exits with a status that tells its parent of the failure.
   *
   * @param thread does the bootstrap, in place of the server's own
   */
  accept(thread?: Thread): Effect.Effect<StubCall, ServerFailure, Scope.Scope> {
    const next: Effect.Effect<StubCall, ServerFailure, Scope.Scope> = Effect.uninterruptibleMask(
      (restore) =>
        Effect.flatMap(restore(Queue.take(this.#waiting)), (waiting) =>
          restore(this.#welcome(waiting, thread ?? this.thread)).pipe(
            Effect.ensuring(waiting.finish),
          ),
        ),
    ).pipe(
      // A client's death is its own affair: the next one is as good.
      Effect.catchTag("HandshakeError", (error) => Effect.andThen(logDropped(error), next)),
    );
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
   * caller's exit status; nothing is 0. A handler that fails ends its call with EX_SOFTWARE (70) and
   * is logged; the server goes on. Handlers that are interrupted with it have a second to give back
   * what they hold in their processes.
   */
  serve<E, R>(
    handler: (call: StubCall) => Effect.Effect<number | void, E, R>,
  ): Effect.Effect<never, ServerFailure, Exclude<R, Scope.Scope>> {
    const handleOne = (waiting: Waiting) =>
      Effect.scoped(
        Effect.ensuring(this.#welcome(waiting, this.thread), waiting.finish).pipe(
          Effect.matchEffect({
            onSuccess: (call) => handleCall(call, handler),
            onFailure: logDropped,
          }),
        ),
      );
    return Effect.forever(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Queue.take(this.#waiting)), (waiting) =>
          Effect.forkChild(handleOne(waiting), { startImmediately: true }),
        ),
      ),
    ) as Effect.Effect<never, ServerFailure, Exclude<R, Scope.Scope>>;
  }

  /** Makes a call of a client, through a thread. */
  #welcome(
    { socket, greeted }: Waiting,
    thread: Thread,
  ): Effect.Effect<StubCall, HandleFailure | HandshakeError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const outer = yield* Effect.scope;
      return yield* Effect.scoped(
        Effect.flatMap(this.#socketIn(thread, socket), (inThread) =>
          Scope.provide(
            StubCall.bootstrap(
              {
                ...passingTransport(thread.connection, inThread, this.#sharesMemory),
                ancestor: this.#ancestor(greeted),
              },
              greeted,
            ),
            outer,
          ),
        ),
      );
    });
  }

  /** The process that has connected, as the kernel has told it to us, and not to another that listens for us. */
  #ancestor({ peer: { pid, uid } }: Greeted): Ancestor | undefined {
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

/** As many as the kernel lets wait (net.core.somaxconn cuts it). */
const LISTEN_BACKLOG = 4096;

/** Accepts for ever. Each client has its handshake in a fiber of its own, so nobody waits for it. */
const acceptClients = (
  thread: Thread,
  listening: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
  pendingLimit: number,
  waiting: Queue.Queue<Waiting, ServerFailure>,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const serverScope = yield* Effect.scope;
    const places = Semaphore.makeUnsafe(pendingLimit);
    const acceptOne = Effect.gen(function* () {
      yield* places.take(1);
      const scope = yield* Scope.fork(serverScope);
      const finish = Effect.andThen(Scope.close(scope, Exit.void), places.release(1));
      const socket = yield* Effect.onError(
        Scope.provide(listening.accept(SOCK.NONBLOCK), scope),
        () => finish,
      );
      socket.closeOnFork = true;
      const greet = Effect.gen(function* () {
        const afd = yield* thread.makeAfd(socket);
        const greeted = yield* handshake(afd, policy);
        yield* Queue.offer(waiting, { socket, greeted, finish });
      });
      yield* Effect.forkIn(
        Scope.provide(greet, scope).pipe(
          Effect.catchCause((cause) => Effect.andThen(finish, logDropped(Cause.squash(cause)))),
        ),
        serverScope,
      );
    });
    const acceptForever: Effect.Effect<never, HandleFailure> = Effect.forever(
      Effect.catch(acceptOne, (error) =>
        isTemporary(error)
          ? Effect.andThen(
              Effect.logWarning(`Cannot accept a stub: ${error.message}`),
              Effect.sleep("100 millis"),
            )
          : Effect.fail(error),
      ),
    );
    yield* Effect.catch(acceptForever, (error) => Queue.fail(waiting, error));
  });

/** The client is gone already, or we lack something that may come back. */
const isTemporary = (error: HandleFailure): boolean =>
  error instanceof SyscallError &&
  ["ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"].includes(error.errno);

const logDropped = (error: unknown): Effect.Effect<void> =>
  Effect.logDebug(
    `A client was dropped: ${error instanceof Error ? error.message : String(error)}`,
  );

/** How long a handler that is interrupted may take to give back what it holds in its process. */
const GRACE = "1 second";

/**
 * A call that was sent is waited for, even by a fiber that is interrupted. If the process does not
 * answer, because its call blocks or because it lies, only hanging up ends the wait.
 */
const interruptibly = <A, E, R>(
  call: StubCall,
  handler: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkChild(restore(handler), { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
        Effect.gen(function* () {
          const hangUp = Effect.andThen(Effect.sleep(GRACE), call.thread.task.sysif.close);
          const timer = yield* Effect.forkDetach(hangUp);
          yield* Fiber.interrupt(fiber);
          yield* Fiber.interrupt(timer);
        }),
      ),
    ),
  );

const handleCall = <E, R>(
  call: StubCall,
  handler: (call: StubCall) => Effect.Effect<number | void, E, R>,
): Effect.Effect<void, never, R> => {
  // A process that has ended already needs no status.
  const exit = (status: number) =>
    Effect.catchTag(call.thread.exit(status), "SyscallSendError", () => Effect.void);
  return interruptibly(call, handler(call)).pipe(
    Effect.flatMap((status) => exit(status ?? EX.OK)),
    Effect.catchCauseIf(
      (cause) => !Cause.hasInterrupts(cause),
      (cause) =>
        Effect.andThen(
          Effect.logError(`The handler of ${call.argv[0]} (pid ${call.pid}) failed`, cause),
          exit(EX.SOFTWARE),
        ),
    ),
    Effect.ignore,
  );
};

const executablePath = (
  thread: Thread,
  directory: PathLike,
  name: PathLike,
): Effect.Effect<Path, HandleFailure | StubServerError> =>
  Effect.gen(function* () {
    const file = Path.make(name).text;
    if (file === "" || file === "." || file === ".." || /[/\0]/.test(file))
      return yield* new StubServerError({
        reason: "NameInvalid",
        subject: JSON.stringify(file),
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
