import type { SyscallConnection } from "@rsyscall/connection";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import type { Ancestor, Thread } from "@rsyscall/thread";
import { type Greeted, type HandshakeError, passingTransport, turnAway } from "@rsyscall/transport";
import { Cause, Effect, Exit, Scope } from "effect";
import type { ServerFailure } from "./errors.ts";
import { type Limits, limitStalls } from "./limits.ts";
import { type DropLog, problemOf } from "./logs.ts";
import type { Place } from "./realProgram.ts";
import { StubCall } from "./StubCall.ts";
import type { Client } from "./WaitingClients.ts";

/** A server, as its welcomes need it. */
export interface Host {
  readonly place: Place;
  readonly limits: Limits;
  readonly log: DropLog;
  /** In milliseconds: see `ListenOptions`. */
  readonly stallLimit: number | undefined;
  readonly sharedMemory: boolean;
}

/** A call, and the connection to its process. */
export interface Served {
  readonly call: StubCall;
  readonly connection: SyscallConnection;
}

/**
 * Makes a call of a client, in the place that was taken for it. Undefined if that does not go well: the client is
 * dropped then. It is a failure only if the thread is gone.
 *
 * @param thread does the bootstrap
 */
export const welcome = (
  host: Host,
  client: Client,
  thread: Thread,
): Effect.Effect<Served | undefined, ServerFailure, Scope.Scope> => {
  const { socket, greeted, scope } = client;
  const { limits, log, place, sharedMemory } = host;
  const drop = (
    cause: Cause.Cause<HandleFailure | HandshakeError>,
  ): Effect.Effect<undefined, ServerFailure> =>
    Cause.hasInterrupts(cause)
      ? Effect.failCause(cause as Cause.Cause<never>)
      : Effect.gen(function* () {
          yield* turnAway(socket, problemOf(cause));
          // Whether it is the client's fault, or the thread is gone.
          yield* thread.task.sysif.barrier();
          yield* log.dropped(cause);
          return undefined;
        });
  const bootstrap = Effect.gen(function* () {
    const outer = yield* Effect.scope;
    return yield* Effect.scoped(
      Effect.flatMap(socketIn(thread, place.thread, socket), (inThread) => {
        const passing = passingTransport(thread.connection, inThread, sharedMemory);
        const transport = { ...passing, ancestor: ancestorOf(place.thread, greeted) };
        return Scope.provide(StubCall.bootstrap(transport, greeted, place), outer);
      }),
    );
  });
  return Effect.uninterruptibleMask((restore) =>
    // The place goes from here to the connection: no interruption comes in between.
    restore(bootstrap).pipe(
      Effect.onError(() => Effect.sync(() => limits.calls.release())),
      Effect.tap(({ connection }) => Effect.sync(() => begin(host, client, connection))),
    ),
  ).pipe(Effect.catchCause(drop), Effect.ensuring(Scope.close(scope, Exit.void)));
};

/** From now on the place and the budget are the call's, until its connection ends. */
const begin = (
  { limits: { calls, served, bytes }, stallLimit }: Host,
  { charge }: Client,
  connection: SyscallConnection,
): void => {
  const size = charge.bytes;
  charge.bytes = 0;
  served.add(connection);
  connection.onEnd(() => {
    served.delete(connection);
    calls.release();
    bytes.release(size);
  });
  if (stallLimit !== undefined) limitStalls(connection, stallLimit);
};

/**
 * The process that has connected, if the kernel has named it to this process: another process may listen for
 * the server.
 */
const ancestorOf = (
  { task, connection }: Thread,
  { peer: { pid, uid } }: Greeted,
): Ancestor | undefined => {
  const { addressSpace, namespaces } = connection.accessTask;
  return pid > 0 && task.addressSpace === addressSpace && task.namespaces.pid.is(namespaces.pid)
    ? { pid, uid, isGone: () => false }
    : undefined;
};

/** The accepted connection where a thread can use it. */
const socketIn = (
  thread: Thread,
  listening: Thread,
  socket: Socket,
): Effect.Effect<Socket, HandleFailure, Scope.Scope> => {
  if (thread.task === socket.task) return Effect.succeed(socket);
  if (thread.task.fdTable === socket.task.fdTable) return socket.forTask(thread.task);
  return Effect.gen(function* () {
    const [access] = yield* listening.connection.passFrom([socket]);
    const [passed] = yield* thread.connection.passTo([access as Socket]);
    return yield* (passed as Socket).reclassify(Socket);
  });
};
