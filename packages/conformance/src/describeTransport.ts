import { Duration, Effect } from "effect";
import { describe, it } from "vitest";
import { check, reasonToSkip } from "./Behaviour.ts";
import { behaviours } from "./behaviours.ts";
import type { TransportUnderTest } from "./Transport.ts";

/** What vitest waits longer than `check` does, which knows better what has not ended. */
const GRACE = 5000;

/**
 * Tests a way to get a Thread: every behaviour is a test, with a Thread of its own. What the transport
 * lacks is skipped, and the names of the tests say why.
 */
export const describeTransport = (name: string, transport: TransportUnderTest): void => {
  const limit = Duration.toMillis(Duration.fromInputUnsafe(transport.timeout ?? "10 seconds"));
  describe(name, () => {
    for (const topic of new Set(behaviours.map(({ topic }) => topic)))
      describe(topic, () => {
        for (const behaviour of behaviours.filter((of) => of.topic === topic)) {
          const reason = reasonToSkip(behaviour, transport);
          it.skipIf(reason !== undefined)(
            reason === undefined ? behaviour.name : `${behaviour.name} (skipped: ${reason})`,
            async ({ skip }) => {
              const reason = await Effect.runPromise(check(behaviour, transport));
              if (reason !== undefined) skip(reason);
            },
            limit + GRACE,
          );
        }
      });
  });
};
