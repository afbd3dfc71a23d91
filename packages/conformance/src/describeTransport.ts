import { Duration, Effect } from "effect";
import { describe, it } from "vitest";
import { check, reasonToSkip } from "./Behaviour.ts";
import { behaviours } from "./behaviours.ts";
import { canary } from "./canary.ts";
import type { TransportUnderTest } from "./Transport.ts";

/** The additional time of vitest's timeout, because the message of `check` says what has not ended. */
const GRACE = 5000;

/**
 * Tests a transport: every behaviour is a test with a Thread of its own. Tests of features that the transport
 * lacks are skipped, and their names say why. If the transport makes no Thread that performs a call, one test fails, and
 * all others are skipped.
 */
export const describeTransport = (name: string, transport: TransportUnderTest): void => {
  const limit = Duration.toMillis(Duration.fromInputUnsafe(transport.timeout ?? "10 seconds"));
  let run: Promise<string | undefined> | undefined;
  /** Rejects if the canary fails. It is checked once, before whichever test runs first. */
  const alive = () => {
    run ??= Effect.runPromise(check(canary, transport));
    return run;
  };
  describe(name, () => {
    it(canary.name, alive, limit + GRACE);
    for (const topic of new Set(behaviours.map(({ topic }) => topic)))
      describe(topic, () => {
        for (const behaviour of behaviours.filter((of) => of.topic === topic)) {
          const reason = reasonToSkip(behaviour, transport);
          it.skipIf(reason !== undefined)(
            reason === undefined ? behaviour.name : `${behaviour.name} (skipped: ${reason})`,
            async ({ skip }) => {
              await alive().catch(() => skip("it makes no Thread that performs a system call"));
              const reason = await Effect.runPromise(check(behaviour, transport));
              if (reason !== undefined) skip(reason);
            },
            limit + GRACE,
          );
        }
      });
  });
};
