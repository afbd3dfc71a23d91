import { POLL, SOCK } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, pollNow, type Socket } from "@rsyscall/handle";
import { InvalidStateError, SyscallError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { type HandshakePolicy, handshake, turnAway } from "@rsyscall/transport";
import { Effect, Exit, Fiber, Scope } from "effect";
import { type Greeting, type Limits, roomForClient } from "./limits.ts";
import { type DropLog, toStderr } from "./logs.ts";
import type { Charge, Client, WaitingClients } from "./WaitingClients.ts";

/** What all clients of a listening socket have in common. */
export interface Reception {
  /** Of the listening socket. */
  readonly thread: Thread;
  readonly policy: HandshakePolicy;
  readonly limits: Limits;
  readonly log: DropLog;
  /** Gets those that have said hello. */
  readonly clients: WaitingClients;
}

/**
 * Accepts for ever. Each client has its handshake in a fiber of its own, so none waits for another; they end with
 * the scope.
 */
export const acceptClients = Effect.fnUntraced(function* (
  reception: Reception,
  listening: AsyncFileDescriptor<Socket>,
): Effect.fn.Return<void, never, Scope.Scope> {
  const serverScope = yield* Effect.scope;
  const { limits, clients } = reception;
  const acceptOne = Effect.gen(function* () {
    const scope = yield* Scope.fork(serverScope);
    yield* Effect.gen(function* () {
      const socket = yield* Scope.provide(listening.accept(SOCK.NONBLOCK), scope);
      socket.closeOnFork = true;
      if (socket.near >= limits.ceiling) {
        yield* turnAway(socket, "the server has hardly a descriptor left");
        return yield* new InvalidStateError({
          syscall: "accept4",
          subject: "the server",
          problem: "has no descriptors left but a reserve",
          remedy: "answer fewer calls at a time, or raise RLIMIT_NOFILE",
        });
      }
      yield* takePlace(limits, scope);
      yield* greet(reception, socket, scope, serverScope);
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
  yield* Effect.catch(acceptForever, (error) => clients.fail(error));
});

/** The client is gone already, or we lack something that may come back. */
const isTemporary = (error: HandleFailure): boolean =>
  error instanceof InvalidStateError ||
  (error instanceof SyscallError &&
    ["ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"].includes(error.errno));

/** Waits for a place among the clients that are in their handshake or wait, and takes it for a scope. */
const takePlace = (limits: Limits, scope: Scope.Scope): Effect.Effect<void> =>
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

/**
 * Begins the handshake with a client.
 *
 * @param scope of the client: whatever happens to it, this is closed
 */
const greet = Effect.fnUntraced(function* (
  reception: Reception,
  socket: Socket,
  scope: Scope.Closeable,
  serverScope: Scope.Scope,
): Effect.fn.Return<void> {
  const { limits, log } = reception;
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
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => {
      limits.bytes.release(charge.bytes);
      limits.greetings.delete(greeting);
    }),
  );
  limits.greetings.add(greeting);
  const fiber = yield* Effect.forkIn(
    Scope.provide(hear(reception, socket, scope, charge, greeting), scope).pipe(
      Effect.catchCause((cause) =>
        Effect.andThen(Scope.close(scope, Exit.void), log.dropped(cause)),
      ),
    ),
    serverScope,
  );
});

/** The handshake with a client, which then waits for its welcome. */
const hear = Effect.fnUntraced(function* (
  { thread, policy, limits, clients }: Reception,
  socket: Socket,
  scope: Scope.Closeable,
  charge: Charge,
  greeting: Greeting,
) {
  const afd = yield* thread.makeAfd(socket);
  const greeted = yield* handshake(afd, { ...policy, admit: admission(limits, charge) });
  // Unless it is about to be dismissed.
  if (!limits.greetings.delete(greeting)) return;
  const client: Client = {
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
        client.hasLeft = true;
        return Scope.close(scope, Exit.void);
      }),
  };
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => limits.waiting.delete(client)),
  );
  yield* clients.add(client);
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
