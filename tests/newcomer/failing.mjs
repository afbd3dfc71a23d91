// A program that fails, as a newcomer writes it: run from the built packages. The lines are in stacks.test.ts.
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

const program = Effect.gen(function* program() {
  const thread = yield* LocalThread;
  yield* thread.open("/nope");
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
