import { printable } from "@rsyscall/near";
import { HandshakeError } from "@rsyscall/transport";
import { Cause, Effect, References } from "effect";

/** Has Effect's own loggers write to stderr: stdout is for the output of the program. */
export const toStderr: <A, E, R>(log: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.provideService(References.LogToStderr, true);

/** Milliseconds between two warnings: clients must not fill a disk with them. */
const PAUSE = 1000;

/** What went wrong, for a log. */
export const problemOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause);
  return printable(error instanceof Error ? error.message : String(error));
};

/** Whether the error is only of interest to the client, which is told. */
const isOrdinary = (error: unknown): boolean =>
  error instanceof HandshakeError && error.kind !== "WrongVersion";

/**
 * Warns of clients that are dropped for what they do to us, or because we lack something, at most once a
 * second. A client that stalls, lies in its hello or is killed before it is served gets no warning.
 */
export class DropLog {
  #last = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  dropped(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const message = `A client was dropped: ${problemOf(cause)}`;
      if (isOrdinary(Cause.squash(cause))) return Effect.logDebug(message);
      const now = performance.now();
      if (now - this.#last < PAUSE) {
        this.#unsaid++;
        return Effect.logDebug(message);
      }
      const others = this.#unsaid === 0 ? "" : ` (and ${this.#unsaid} others before)`;
      this.#last = now;
      this.#unsaid = 0;
      return toStderr(Effect.logWarning(message + others));
    });
  }
}
