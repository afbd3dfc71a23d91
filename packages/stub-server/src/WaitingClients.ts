import { Effect } from "effect";
import type { Client } from "./Client.ts";
import type { ServerFailure } from "./errors.ts";
import { type Limits, roomForCall } from "./limits.ts";

/** Makes an effect interruptible again: of Effect.uninterruptibleMask. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

/** Clients in the order of their hellos, until each gets a place for its call. */
export class WaitingClients {
  readonly #limits: Limits;
  readonly #clients = new Set<Client>();
  readonly #takers = new Set<() => void>();
  #failure: ServerFailure | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  add(client: Client): void {
    this.#limits.waiting.add(client);
    this.#clients.add(client);
    this.#wake();
  }

  /** No more clients come. Those that wait are served first. */
  fail(error: ServerFailure): void {
    this.#failure = error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#takers]) wake();
  }

  /** Takes the next client and a place for its call. Interruptible only as long as neither is taken. */
  next(restore: Restore): Effect.Effect<Client, ServerFailure> {
    const { calls } = this.#limits;
    const next: Effect.Effect<Client, ServerFailure> = Effect.suspend(() => {
      for (const client of this.#clients) {
        if (client.isClosed) {
          this.#clients.delete(client);
          continue;
        }
        if (!calls.take()) return Effect.andThen(restore(roomForCall(this.#limits)), next);
        this.#clients.delete(client);
        client.leave();
        return Effect.succeed(client);
      }
      if (this.#failure !== undefined) return Effect.fail(this.#failure);
      return Effect.andThen(restore(this.#arrival()), next);
    });
    return next;
  }

  #arrival(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const wake = () => {
        this.#takers.delete(wake);
        resume(Effect.void);
      };
      this.#takers.add(wake);
      return Effect.sync(() => this.#takers.delete(wake));
    });
  }
}
