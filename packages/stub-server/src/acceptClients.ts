import { EPOLL, Errno, SOCK } from "@rsyscall/abi";
import type { LocalCalls } from "@rsyscall/connection";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { InvalidStateError, SyscallError } from "@rsyscall/near";
import {
  asHandshakeError,
  type Begun,
  greetedBy,
  HandshakeError,
  type HandshakePolicy,
  handshake,
  refusalOf,
  refused,
  turnAway,
} from "@rsyscall/transport";
import { Cause, Effect, Exit, Fiber, Scope } from "effect";
import { Client, type ClientHost } from "./Client.ts";
import { type Greeting, type Limits, roomForClient } from "./limits.ts";
import { type DropLog, toStderr } from "./logs.ts";
import type { Restore, WaitingClients } from "./WaitingClients.ts";

/** A server, as its clients find it. */
export interface Reception {
  readonly host: ClientHost;
  readonly policy: HandshakePolicy;
  readonly log: DropLog;
  /** Gets those that have said hello. */
  readonly clients: WaitingClients;
}

/**
 * Accepts for ever. A client that does not say hello at once has its handshake in a fiber of its own, so none waits for
 * another; they end with the server.
 */
export const acceptClients = (
  reception: Reception,
  listening: AsyncFileDescriptor<Socket>,
): Effect.Effect<void> => {
  const { sockets } = reception.host;
  const acceptSome: Effect.Effect<void, HandleFailure> =
    sockets === undefined
      ? acceptOne(reception, listening)
      : acceptHere(reception, sockets, listening);
  const acceptForever: Effect.Effect<never, HandleFailure> = Effect.forever(
    Effect.catch(acceptSome, (error) =>
      isTemporary(error)
        ? Effect.andThen(
            toStderr(Effect.logWarning(`Cannot accept a stub: ${error.message}`)),
            Effect.sleep("100 millis"),
          )
        : Effect.fail(error),
    ),
    { disableYield: true },
  );
  return Effect.catch(acceptForever, (error) => Effect.sync(() => reception.clients.fail(error)));
};

/** The client is gone already, or we lack something that may come back. */
const isTemporary = (error: HandleFailure): boolean =>
  error instanceof InvalidStateError ||
  (error instanceof SyscallError &&
    ["ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"].includes(error.errno));

/** Accepts one client of a socket in another process. */
const acceptOne = (
  reception: Reception,
  listening: AsyncFileDescriptor<Socket>,
): Effect.Effect<void, HandleFailure> => {
  const { host } = reception;
  return Effect.suspend(() => {
    const scope = Scope.forkUnsafe(host.scope);
    return Effect.gen(function* () {
      const socket = yield* Scope.provide(listening.acceptHandle(SOCK.NONBLOCK), scope);
      socket.closeOnFork = true;
      if (socket.near >= host.limits.ceiling) {
        yield* turnAway(socket, HARDLY_ANY_LEFT);
        return yield* noDescriptors();
      }
      yield* Effect.uninterruptibleMask((restore) => placeFor(host.limits, restore));
      yield* greet(reception, new Client(host, socket, scope));
    }).pipe(Effect.onError(() => Scope.close(scope, Exit.void)));
  });
};

const HARDLY_ANY_LEFT = "the server has hardly a descriptor left";

const noDescriptors = () =>
  new InvalidStateError({
    syscall: "accept4",
    subject: "the server",
    problem: "has no descriptors left but a reserve",
    remedy: "answer fewer calls at a time, or raise RLIMIT_NOFILE",
  });

/** Waits for a place among the clients that are in their handshake or wait, and takes it. */
const placeFor = (limits: Limits, restore: Restore): Effect.Effect<void> =>
  Effect.suspend(() =>
    limits.pending.take()
      ? Effect.void
      : Effect.andThen(restore(roomForClient(limits)), placeFor(limits, restore)),
  );

/** Clients that are accepted in one turn of the event loop. */
const TURN = 16;

/** Accepts what waits at a socket of this process. Most clients have said hello by then, and get no fiber. */
const acceptHere = (
  reception: Reception,
  sockets: LocalCalls,
  listening: AsyncFileDescriptor<Socket>,
): Effect.Effect<void, HandleFailure> => {
  const { host } = reception;
  const { limits } = host;
  const acceptTurn = (): Effect.Effect<void, HandleFailure> | "EAGAIN" => {
    for (let count = 0; count < TURN; count++) {
      const socket = sockets.accept(listening.handle);
      if (socket === -Errno.EAGAIN) return "EAGAIN";
      if (typeof socket === "number") return Effect.fail(SyscallError.from("accept4", socket));
      if (socket.near >= limits.ceiling) {
        sockets.send(socket, refused(HARDLY_ANY_LEFT));
        sockets.close(socket);
        return Effect.fail(noDescriptors());
      }
      const begin = () => greetHere(reception, sockets, new Client(host, socket));
      if (!limits.pending.take())
        return Effect.uninterruptibleMask((restore) =>
          placeFor(limits, restore).pipe(
            Effect.onInterrupt(() => Effect.sync(() => sockets.close(socket))),
            Effect.andThen(Effect.suspend(() => begin() ?? Effect.void)),
          ),
        );
      const rest = begin();
      if (rest !== undefined) return rest;
    }
    return Effect.yieldNow;
  };
  return Effect.flatten(listening.whenReady(EPOLL.IN, Effect.sync(acceptTurn)));
};

/** Hears a client whose hello has come already. Gives an effect where something is left to do. */
const greetHere = (
  reception: Reception,
  sockets: LocalCalls,
  client: Client,
): Effect.Effect<void> | undefined => {
  const { policy, clients } = reception;
  const { socket } = client;
  try {
    const peer = sockets.peerCredentials(socket);
    if (typeof peer === "number") throw SyscallError.from("getsockopt", peer);
    const refusal = refusalOf(peer, policy);
    if (refusal !== undefined) throw refusal;
    const message = sockets.receive(socket);
    if (message === -Errno.EAGAIN) return greet(reception, client, { peer, first: undefined });
    if (typeof message === "number") throw SyscallError.from("recvmsg", message);
    // A hello has one descriptor at most.
    const [arena, ...further] = message.fds;
    for (const fd of further) sockets.close(fd);
    client.arena = arena;
    const fds = arena === undefined ? [] : [arena];
    const greeted = greetedBy({ bytes: message.bytes, fds }, peer, policy);
    if (!("description" in greeted)) return greet(reception, client, greeted);
    client.greeted = greeted;
    clients.add(client);
    return undefined;
  } catch (cause) {
    const error = cause instanceof SyscallError ? asHandshakeError(cause) : cause;
    const problem =
      error instanceof HandshakeError
        ? error.problem
        : "the server has failed to check this client";
    sockets.send(socket, refused(problem));
    return Effect.andThen(client.close(), reception.log.dropped(Cause.fail(error)));
  }
};

/** Hears a client in a fiber of its own. */
const greet = (
  { host, policy, log, clients }: Reception,
  client: Client,
  begun?: Begun,
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { limits } = host;
    let fiber: Fiber.Fiber<void>;
    const greeting: Greeting = {
      since: performance.now(),
      dismiss: () =>
        Effect.suspend(() =>
          Effect.andThen(
            Effect.andThen(
              Fiber.interrupt(fiber),
              turnAway(client.socket, "too many clients wait, and this one has not said hello"),
            ),
            client.close(),
          ),
        ),
    };
    client.greeting = greeting;
    limits.greetings.add(greeting);
    const hear = Effect.gen(function* () {
      const admit = admission(limits, client);
      const greeted = yield* handshake(yield* client.afd, { ...policy, admit }, begun);
      // Unless it is about to be dismissed.
      if (!limits.greetings.delete(greeting)) return;
      client.greeted = greeted;
      clients.add(client);
    });
    return Effect.map(
      Effect.forkIn(
        Scope.provide(hear, client.scope).pipe(
          Effect.catchCause((cause) => Effect.andThen(client.close(), log.dropped(cause))),
        ),
        host.scope,
      ),
      (forked) => {
        fiber = forked;
      },
    );
  });

/** Bytes of a description that is read at once, without a place in the budget. */
const SMALL_DESCRIPTION = 16 * 1024;

/** Waits until there is room for a description, and takes it. */
const admission =
  ({ bytes }: Limits, client: Client) =>
  (size: number): Effect.Effect<void> => {
    if (size <= SMALL_DESCRIPTION) return Effect.void;
    return Effect.uninterruptibleMask((restore) => {
      const take: Effect.Effect<void> = Effect.suspend(() => {
        if (!bytes.take(size)) return Effect.andThen(restore(bytes.released()), take);
        client.bytes = size;
        return Effect.void;
      });
      return take;
    });
  };
