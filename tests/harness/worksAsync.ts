import type { HandleFailure } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert } from "vitest";

/** Asserts that calls, memory and asynchronous waits work in a thread. */
export const worksAsync = (thread: Thread): Effect.Effect<void, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const reading = yield* Effect.forkChild(afd.readBytes(), { startImmediately: true });
      yield* writer.writeAllText("works");
      assert.equal(new TextDecoder().decode(yield* Fiber.join(reading)), "works");
    }),
  );
