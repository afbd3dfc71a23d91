import type { IoFailure } from "@rsyscall/handle";
import { Cause, Effect, Stream } from "effect";

/** The results of repeated reads, until one gives no bytes. Nothing is read before the stream is pulled. */
export const untilEmpty = (
  read: Effect.Effect<Uint8Array, IoFailure>,
): Stream.Stream<Uint8Array, IoFailure> =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(
        read,
        (bytes): Effect.Effect<readonly [Uint8Array], Cause.Done> =>
          bytes.length === 0 ? Cause.done() : Effect.succeed([bytes]),
      ),
    ),
  );
