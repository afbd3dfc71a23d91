import type { HandleFailure } from "@rsyscall/handle";
import { Effect } from "effect";
import { Queue } from "./Queue.ts";

/** The bytes of one transfer, in one of the two directions. */
export interface Transfer {
  /** Moves all of them. False if the socket ends before. */
  readonly move: Effect.Effect<boolean, HandleFailure>;
  readonly onMoved: () => void;
  /** They never come or leave. */
  readonly onLost: (cause: unknown) => void;
}

/** Makes the transfers of one direction, one after the other. */
export class Pump {
  readonly #onEnd: (cause: unknown) => void;
  readonly #transfers = new Queue<Transfer>();
  #isRunning = false;

  /** @param onEnd the socket has ended: gets the error, if it is by one */
  constructor(onEnd: (cause: unknown) => void) {
    this.#onEnd = onEnd;
  }

  push(transfer: Transfer): void {
    this.#transfers.push(transfer);
    if (this.#isRunning) return;
    this.#isRunning = true;
    Effect.runFork(
      Effect.catch(this.#run, (cause: HandleFailure) => Effect.sync(() => this.#onEnd(cause))),
    );
  }

  /** Forgets all transfers. */
  lose(cause: unknown): void {
    for (let lost = this.#transfers.shift(); lost; lost = this.#transfers.shift())
      lost.onLost(cause);
  }

  readonly #run: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
    const transfer = this.#transfers.first;
    if (transfer === undefined) {
      this.#isRunning = false;
      return Effect.void;
    }
    return Effect.flatMap(transfer.move, (isWhole) => {
      if (!isWhole) return Effect.sync(() => this.#onEnd(undefined));
      // Unless it was lost meanwhile.
      if (this.#transfers.first === transfer) this.#transfers.shift();
      transfer.onMoved();
      return this.#run;
    });
  });
}
