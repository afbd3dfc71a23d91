/* A new way to get a Thread: through any command that keeps its stdin. Here it is `nice`. */
import { taskPath } from "@rsyscall/native";
import {
  bootstrapThread,
  handshake,
  launch,
  openSocket,
  passingTransport,
} from "@rsyscall/transport";
import { Effect } from "effect";
import { type Command, LocalThread, type Thread } from "rsyscall";

const through = Effect.fnUntraced(function* (
  parent: Thread,
  command: (...words: ReadonlyArray<string>) => Command,
) {
  // The command gets one end of a socket as its stdin, and executes our task with it.
  const { socket, far, connection } = yield* openSocket(parent);
  const launched = yield* launch(parent, command(taskPath, "stdin"), { stdin: far });
  yield* far.close();
  const policy = {
    handshakeTimeout: "10 seconds",
    allow: () => true,
    descriptionLimit: 8 * 1024 * 1024,
  } as const;
  const { thread } = yield* launched.within(
    "10 seconds",
    Effect.flatMap(handshake(socket, policy), (greeted) =>
      bootstrapThread(passingTransport(connection, socket.handle, true), greeted),
    ),
  );
  return thread;
});

const program = Effect.gen(function* () {
  const local = yield* LocalThread;
  const nice = yield* local.which("nice");
  const thread = yield* through(local, (...words) => nice.args("-n", "7", ...words));
  const stat = new TextDecoder().decode(yield* thread.slurp("/proc/self/stat"));
  const niceness = stat.slice(stat.lastIndexOf(")")).split(" ")[17];
  console.log(`process ${thread.task.pid} is ours, and its nice value is ${niceness}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
