/* A program that wants a terminal gets one, and all that it prints is recorded with the time. */
import { Effect, Stream } from "effect";
import { AsyncPty, LocalThread, loginTty, openpty } from "rsyscall";

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const [master, terminal] = yield* openpty(thread, { rows: 24, columns: 80, width: 0, height: 0 });
  const child = yield* thread.fork();
  yield* loginTty(yield* terminal.inherit(child), [child.stdin, child.stdout, child.stderr]);
  yield* terminal.close();
  const script = "tty -s && stty size; sleep 0.1; echo done";
  yield* child.exec(thread.environ.sh.args("-c", script));

  const start = performance.now();
  const screen = yield* AsyncPty.make(yield* thread.epoller(), master);
  yield* Stream.runForEach(screen.stream(), (bytes) =>
    Effect.sync(() => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      // A line of an asciicast, which asciinema plays.
      console.log(JSON.stringify([Number(seconds), "o", new TextDecoder().decode(bytes)]));
    }),
  );
  console.log(`the program ${yield* child.process.check()}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
