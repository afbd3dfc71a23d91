import { SOCK } from "@rsyscall/abi";
import { LocalCalls } from "@rsyscall/connection";
import { absolutePath, type HandleFailure } from "@rsyscall/handle";
import { stubPath } from "@rsyscall/native";
import { geteuid, oneLine, Path, type PathLike, printable, Roster } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { type HandshakeError, type HandshakePolicy, listenAt } from "@rsyscall/transport";
import { type Context, Deferred, Duration, Effect, Exit, Fiber, Scope, Stream } from "effect";
import { acceptClients } from "./acceptClients.ts";
import type { Client } from "./Client.ts";
import type { Door } from "./Door.ts";
import { creationError, type ServerFailure, type StubServerError } from "./errors.ts";
import { executablePath, placeExecutable } from "./executable.ts";
import {
  type Handler,
  handleCall,
  interruptibly,
  type ServeOptions,
  withGrace,
} from "./handlers.ts";
import type { HandedOver } from "./handOver.ts";
import { DESCRIPTION_LIMIT, limitsOf } from "./limits.ts";
import { DropLog } from "./logs.ts";
import { checkOptions, type ListenOptions, type StubServerOptions } from "./options.ts";
import { doorOf, StubCall } from "./StubCall.ts";
import { placeTimeout } from "./timeoutLink.ts";
import { type Restore, WaitingClients } from "./WaitingClients.ts";
import { callOf, drop, type Host } from "./welcome.ts";

/** A call in its handler. */
interface Running {
  readonly door: Door;
  readonly fiber: Fiber.Fiber<unknown, unknown>;
}

/** As many as the kernel lets wait (net.core.somaxconn cuts it). */
const LISTEN_BACKLOG = 4096;

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
  readonly #host: Host;
  readonly #clients: WaitingClients;

  private constructor(host: Host, clients: WaitingClients) {
    this.#host = host;
    this.#clients = clients;
  }

  /** The thread that listens. */
  get thread(): Thread {
    return this.#host.place.thread;
  }

  /** The path of the socket. */
  get path(): Path {
    return this.#host.place.socket;
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
    return Effect.andThen(
      Effect.suspend(() => checkOptions("listenOn", options)),
      StubServer.#listen(thread, path, undefined, options),
    );
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
      yield* checkOptions("make", options);
      const path = yield* executablePath(thread, directory, name);
      const socketPath = Path.make(`${path.text}.sock`);
      // A link is relative to where it lies, and not to where we are.
      const stub = yield* absolutePath(thread.task, options.stub ?? stubPath);
      // The socket first: no caller finds the executable before there is a server. When there can be
      // no executable, the name must be free again for the code that catches the error.
      const scope = yield* Scope.fork(yield* Effect.scope);
      return yield* Effect.gen(function* () {
        const server = yield* StubServer.#listen(thread, socketPath, path.name, options);
        yield* placeExecutable(thread, path, socketPath, stub, options.link ?? "symlink");
        return server;
      }).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      );
    });
  }

  /** @param name of the executable, if the server will put one in place */
  static #listen(
    thread: Thread,
    path: PathLike,
    name: string | undefined,
    options: ListenOptions,
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
      const clients = new WaitingClients(limits);
      const log = new DropLog();
      const sockets = LocalCalls.of(thread.task);
      const open = new Roster<Client>();
      yield* Effect.addFinalizer(() =>
        Effect.forEach(open.values(), (client) => client.close(), { discard: true }),
      );
      const clientHost = { thread, sockets, limits, scope: yield* Effect.scope, open };
      yield* Effect.forkScoped(
        acceptClients({ host: clientHost, policy, log, clients }, listening),
      );
      const { stallLimit, sharedMemory = true } = options;
      const host: Host = {
        place: { thread, socket: absolute, name },
        limits,
        log,
        stallLimit:
          stallLimit === undefined
            ? undefined
            : Duration.toMillis(Duration.fromInputUnsafe(stallLimit)),
        sharedMemory,
      };
      return new StubServer(host, clients);
    });
  }

  /**
   * Waits for the next call. Its process belongs to the caller's scope: when that closes and nothing has
   * ended the process, it exits with a status that tells its parent of the failure. If no Thread can be
   * made of a client, because of what it does or because we lack something, it is dropped with a warning.
   *
   * @param thread does the bootstrap, in place of the server's own
   */
  accept(thread: Thread = this.thread): Effect.Effect<StubCall, ServerFailure, Scope.Scope> {
    const next: Effect.Effect<StubCall, ServerFailure, Scope.Scope> = Effect.flatMap(
      this.#next((client, restore) =>
        Effect.flatMap(Effect.scope, (scope) => {
          const call = callOf(this.#host, client, thread, scope);
          const door = doorOf(call);
          return Effect.as(restore(door.open()), call).pipe(
            Effect.catchCause((cause) => drop(this.#host, thread, cause)),
            Effect.ensuring(door.leave()),
          );
        }),
      ),
      (call) => (call === undefined ? next : Effect.succeed(call)),
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
   * caller's exit status; nothing is 0. A handler that fails, or gives what is no status, ends its call with
   * EX_SOFTWARE (70) and is logged on stderr, or told to `onFailure`; the server goes on. A call whose caller
   * is killed meanwhile is no failure. `call.thread` is made when the handler first reads it: see `StubCall`.
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
    return Effect.contextWith((services: Context.Context<Exclude<R, Scope.Scope> | R2>) => {
      const fork = Effect.runForkWith(services);
      const failed = Deferred.makeUnsafe<never, E2>();
      const running = new Roster<Running>();
      const begin = (client: Client): void => {
        const scope = Scope.makeUnsafe();
        const call = callOf(this.#host, client, this.thread, scope);
        const handled = Scope.provide(this.#handle(call, handler, options, failed), scope);
        fork(
          Effect.withFiber<void, ServerFailure, Exclude<R, Scope.Scope> | R2>((fiber) => {
            const door = doorOf(call);
            // Before the handler runs: it may be what ends the server.
            const number = running.add({ door, fiber });
            return Effect.onExitPrimitive(handled, (exit) => {
              running.delete(number);
              return Scope.closeUnsafe(scope, exit);
            });
          }),
        );
      };
      const loop = Effect.forever(this.#next((client) => Effect.sync(() => begin(client))));
      return Effect.acquireUseRelease(
        Effect.sync(() => this.#clients.consume(begin)),
        () =>
          options.onFailure === undefined ? loop : Effect.raceFirst(loop, Deferred.await(failed)),
        (stop) =>
          Effect.suspend(() => {
            stop();
            const all = running.values();
            return all.length === 0
              ? Effect.void
              : withGrace(
                  all.map(({ door }) => door),
                  Fiber.interruptAll(all.map(({ fiber }) => fiber)),
                );
          }),
      );
    });
  }

  #handle<E, R, E2, R2>(
    call: StubCall,
    handler: Handler<E, R>,
    options: ServeOptions<E, E2, R2>,
    failed: Deferred.Deferred<never, E2>,
  ): Effect.Effect<void, ServerFailure, R | R2> {
    const door = doorOf(call);
    const dropped = () =>
      door.failure === undefined
        ? Effect.void
        : Effect.asVoid(drop(this.#host, this.thread, door.failure));
    const handled = () =>
      door.failure === undefined
        ? Effect.flatMap(handleCall(call, handler, options, failed), dropped)
        : dropped();
    // Where a Thread takes calls of another process, it is made before the handler reads it.
    return door.opensAtOnce ? handled() : Effect.flatMap(Effect.ignore(door.open()), handled);
  }

  /**
   * Runs a handler for a call that another thread of JavaScript (worker_threads) of this process has handed over, as
   * `serve` does: with a deadline, and with a status for the caller if the handler fails. InvalidStateError if the call
   * was taken already, or its server has ended.
   *
   * @param thread the LocalThread of this thread of JavaScript
   */
  static handle<E = never, R = never, E2 = never, R2 = never>(
    thread: Thread,
    handed: HandedOver,
    handler: Handler<E, R>,
    options: ServeOptions<E, E2, R2> = {},
  ): Effect.Effect<void, HandleFailure | HandshakeError | E2, Exclude<R, Scope.Scope> | R2> {
    return Effect.scoped(
      Effect.flatMap(StubCall.takeOver(thread, handed), (call) => {
        const failed = Deferred.makeUnsafe<never, E2>();
        return Effect.andThen(
          interruptibly(doorOf(call), handleCall(call, handler, options, failed)),
          Effect.suspend((): Effect.Effect<void, HandleFailure | HandshakeError | E2> => {
            const { failure } = doorOf(call);
            if (failure !== undefined) return Effect.failCause(failure);
            return Deferred.isDoneUnsafe(failed) ? Deferred.await(failed) : Effect.void;
          }),
        );
      }),
    ) as Effect.Effect<void, HandleFailure | HandshakeError | E2, Exclude<R, Scope.Scope> | R2>;
  }

  /**
   * Waits for the next client, in a place for its call.
   *
   * @param use must begin: the client and its place are taken
   */
  #next<A, E, R>(
    use: (client: Client, restore: Restore) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, ServerFailure | E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.#clients.next(restore), (client) => use(client, restore)),
    );
  }
}

oneLine(StubServer, ({ path }) => printable(path.text));
