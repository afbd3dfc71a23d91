import { printable } from "@rsyscall/near";
import { Cause, Data, Effect, Layer } from "effect";

/**
 * A process cannot be part of a cluster: the file or the server of its storage cannot be used, or another process listens
 * at its place.
 */
export class ClusterError extends Data.TaggedError("ClusterError")<{
  /** The file, the server, or the place. */
  readonly subject: string;
  /** What is wrong with it, and what can be done. */
  readonly detail: string;
  readonly cause: unknown;
}> {
  override get message(): string {
    return `${printable(this.subject)}: ${this.detail}`;
  }
}

/** The error at the bottom: Effect's errors of storage and sockets say little, and have what happened as their cause. */
export const deepest = (error: unknown): unknown => {
  if (typeof error !== "object" || error === null) return error;
  const { cause, reason } = error as { readonly cause?: unknown; readonly reason?: unknown };
  const beneath = cause ?? reason;
  return beneath instanceof Error ? deepest(beneath) : error;
};

const STORAGE = ["SqlError", "MigrationError", "PersistenceError", "SocketServerError"];

const isOfCluster = (error: unknown): boolean =>
  error instanceof Error &&
  "_tag" in error &&
  STORAGE.some((name) => String(error._tag).endsWith(name));

/**
 * Makes what a layer fails of, while it is built, a ClusterError. Effect's migrations die of what is wrong with a database:
 * that is none of our faults.
 *
 * @param explained what can be done about an error, if there is something to say
 */
export const named =
  (subject: string, explained: (error: unknown) => string | undefined = () => undefined) =>
  <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, Exclude<E, Error> | ClusterError, R> =>
    Layer.catchCause(layer, (cause) => {
      const error = Cause.squash(cause);
      if (!isOfCluster(error)) return Layer.effectContext(Effect.failCause(cause)) as never;
      const beneath = deepest(error);
      const text = beneath instanceof Error ? beneath.message : String(beneath);
      const remedy = explained(beneath);
      const detail = remedy === undefined ? text : `${text}: ${remedy}`;
      return Layer.effectContext(Effect.fail(new ClusterError({ subject, detail, cause: error })));
    }) as Layer.Layer<A, Exclude<E, Error> | ClusterError, R>;
