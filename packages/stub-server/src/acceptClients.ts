import { POLL, SOCK } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, pollNow, type Socket } from "@rsyscall/handle";
import { InvalidStateError, SyscallError } from "@rsyscall/near";
import { once, type Thread } from "@rsyscall/thread";
import { beginHandshake, type HandshakePolicy, handshake, turnAway } from "@rsyscall/transport";
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
 * Accepts for ever. A client that does not say hello at once has its handshake in a fiber of its own, so none waits for
 * another; they end with the scope.
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
      const leave = yield* takePlace(limits, scope);
      yield* greet(reception, { socket, scope, leave }, serverScope);
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

/** A client that was accepted. */
interface Accepted {
  readonly socket: Socket;
  /** Whatever happens to the client, this is closed. */
  readonly scope: Scope.Closeable;
  /** Gives back its place among those that are in their handshake or wait. */
  readonly leave: () => void;
}

/**
 * Waits for a place among the clients that are in their handshake or wait, and takes it. The scope gives it back, if it
 * was not given back before.
 */
const takePlace = ({ pending, ...limits }: Limits, scope: Scope.Scope): Effect.Effect<() => void> =>
  Effect.uninterruptibleMask((restore) => {
    const take: Effect.Effect<() => void> = Effect.suspend(() => {
      if (!pending.take())
        return Effect.andThen(restore(roomForClient({ pending, ...limits })), take);
      let isTaken = true;
      const leave = () => {
        if (isTaken) pending.release();
        isTaken = false;
      };
      return Effect.as(Scope.addFinalizer(scope, Effect.sync(leave)), leave);
    });
    return take;
  });

/**
 * Hears a client. One whose hello has come already, as that of most stubs, gets no fiber, and its socket is not
 * registered for waiting.
 */
const greet = Effect.fnUntraced(function* (
  reception: Reception,
  accepted: Accepted,
  serverScope: Scope.Scope,
): Effect.fn.Return<void> {
  const { thread, policy, limits, log } = reception;
  const { socket, scope } = accepted;
  const close = Scope.close(scope, Exit.void);
  const afd = once(Scope.provide(thread.makeAfd(socket), scope));
  const begun = yield* Effect.exit(Scope.provide(beginHandshake(socket, policy), scope));
  if (Exit.isFailure(begun)) return yield* Effect.andThen(close, log.dropped(begun.cause));
  const charge: Charge = { bytes: 0 };
  if ("description" in begun.value)
    return yield* wait(reception, accepted, { greeted: begun.value, afd, charge, close });
  const first = begun.value;
  const greeting: Greeting = {
    since: performance.now(),
    dismiss: () =>
      Effect.suspend(() =>
        Effect.andThen(
          Effect.andThen(
            Fiber.interrupt(fiber),
            turnAway(socket, "too many clients wait, and this one has not said hello"),
          ),
          close,
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
  const hear = Effect.gen(function* () {
    const admit = admission(limits, charge);
    const greeted = yield* handshake(yield* afd, { ...policy, admit }, first);
    // Unless it is about to be dismissed.
    if (limits.greetings.delete(greeting))
      yield* wait(reception, accepted, { greeted, afd, charge, close });
  });
  const fiber = yield* Effect.forkIn(
    Scope.provide(hear, scope).pipe(
      Effect.catchCause((cause) => Effect.andThen(close, log.dropped(cause))),
    ),
    serverScope,
  );
});

/** Has a client wait for its welcome. */
const wait = (
  { limits, clients }: Reception,
  { socket, scope, leave }: Accepted,
  heard: Pick<Client, "greeted" | "afd" | "charge" | "close">,
): Effect.Effect<void> => {
  const client: Client = {
    ...heard,
    socket,
    leave,
    hasLeft: false,
    hasHungUp: () =>
      Effect.match(pollNow(socket, POLL.RDHUP), {
        onFailure: () => true,
        onSuccess: (events) => events !== 0,
      }),
    dismiss: () =>
      Effect.suspend(() => {
        client.hasLeft = true;
        return client.close;
      }),
  };
  return Effect.andThen(
    Scope.addFinalizer(
      scope,
      Effect.sync(() => limits.waiting.delete(client)),
    ),
    clients.add(client),
  );
};

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
