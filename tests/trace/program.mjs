// A program that is traced as its environment says: run from the built packages. Its argument says what it does.
import { chdir } from "@rsyscall/handle";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

const [, , how] = process.argv;

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  yield* chdir(thread, "/");
  const child = yield* thread.fork();
  yield* chdir(child, "/proc");
  if (how === "exit") process.exit(3);
  if (how === "exit_group") yield* thread.exit(4);
  if (how === "throw") throw new Error("at once");
  console.log("done");
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
