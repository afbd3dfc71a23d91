import type { HandleFailure } from "@rsyscall/handle";
import { Cause, Effect, Stream } from "effect";

/** What reads give, until one gives no bytes. Nothing is read before it is asked for. */
export const untilEmpty = (
  read: Effect.Effect<Uint8Array, HandleFailure>,
): Stream.Stream<Uint8Array, HandleFailure> =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(
        read,
        (bytes): Effect.Effect<readonly [Uint8Array], Cause.Done> =>
          bytes.length === 0 ? Cause.done() : Effect.succeed([bytes]),
      ),
    ),
  );
