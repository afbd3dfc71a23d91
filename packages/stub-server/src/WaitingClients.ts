import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import type { Greeted } from "@rsyscall/transport";
import { Effect, Exit, Queue, type Scope } from "effect";
import type { ServerFailure } from "./errors.ts";
import { type Limits, roomForCall, type WaitingClient } from "./limits.ts";

/** A client that has said hello and waits for its welcome. */
export interface Client extends WaitingClient {
  readonly socket: Socket;
  readonly greeted: Greeted;
  /** The same, for waiting. It is registered at the first use. */
  readonly afd: Effect.Effect<AsyncFileDescriptor<Socket>, HandleFailure>;
  /** Closes the connection of the handshake, and gives back all that the client has of the limits. */
  readonly close: Effect.Effect<void>;
  /** Gives back its place among those that wait. */
  readonly leave: () => void;
  /** What its description takes of the budget. */
  readonly charge: Charge;
  /** Whether the client was dropped, and is not served. */
  hasLeft: boolean;
}

/** Bytes that were taken of a budget, and are given back when their client or its call ends. */
export interface Charge {
  bytes: number;
}

/** Makes an effect interruptible again: of Effect.uninterruptibleMask. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

/** Clients in the order of their hellos, until each gets a place for its call. */
export class WaitingClients {
  readonly #queue: Queue.Queue<Client, ServerFailure>;
  readonly #limits: Limits;

  private constructor(queue: Queue.Queue<Client, ServerFailure>, limits: Limits) {
    this.#queue = queue;
    this.#limits = limits;
  }

  /** For as long as the scope. */
  static make(limits: Limits): Effect.Effect<WaitingClients, never, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(Queue.unbounded<Client, ServerFailure>(), Queue.shutdown),
      (queue) => new WaitingClients(queue, limits),
    );
  }

  add(client: Client): Effect.Effect<void> {
    this.#limits.waiting.add(client);
    return Effect.asVoid(Queue.offer(this.#queue, client));
  }

  /** No more clients come. Those that wait are served first. */
  fail(error: ServerFailure): Effect.Effect<void> {
    return Effect.asVoid(Queue.fail(this.#queue, error));
  }

  /** Takes the next client and a place for its call. Interruptible only as long as neither is taken. */
  next(restore: Restore): Effect.Effect<Client, ServerFailure> {
    const { calls, waiting } = this.#limits;
    const next: Effect.Effect<Client, ServerFailure> = Effect.flatMap(
      restore(Queue.peek(this.#queue)),
      () => {
        if (!calls.take()) return Effect.andThen(restore(roomForCall(this.#limits)), next);
        const taken = Queue.takeUnsafe(this.#queue);
        if (taken !== undefined && Exit.isSuccess(taken)) {
          const client = taken.value;
          waiting.delete(client);
          client.leave();
          if (!client.hasLeft) return taken;
        }
        calls.release();
        // Another fiber was faster, or the server has ended.
        return taken === undefined || Exit.isSuccess(taken) ? next : taken;
      },
    );
    return next;
  }
}
