/* A controller with idle connections in its own process and in a stub's: DIRECTORY COUNT. Prints the pid of the
 * stub and "ready". Once its stdin ends it uses all of them, and ends by itself. */
import { spawn } from "node:child_process";
import { AF, SOCK } from "@rsyscall/abi";
import { bindUnix } from "@rsyscall/handle";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";

const [directory, count] = process.argv.slice(2);

const connect = (local, thread, path) =>
  Effect.gen(function* () {
    const socket = yield* thread.socket(AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(128);
    const listener = yield* thread.makeAfd(socket);
    const connections = [];
    for (let i = 0; i < Number(count); i++) {
      const client = yield* local.makeAfd(yield* local.socket(AF.UNIX, SOCK.STREAM));
      yield* client.connect({ family: "unix", path });
      const server = yield* listener.accept();
      const reading = yield* Effect.forkChild(server.readBytes(), { startImmediately: true });
      connections.push({ client, reading });
    }
    return connections;
  });

const program = Effect.gen(function* () {
  const local = yield* LocalThread;
  const server = yield* StubServer.make(local, directory, "stub");
  spawn(`${directory}/stub`, { stdio: "ignore" });
  const { thread, pid } = yield* server.accept();
  const all = [
    ...(yield* connect(local, local, `${directory}/here`)),
    ...(yield* connect(local, thread, `${directory}/there`)),
  ];
  console.log(`stub ${pid}`);
  console.log("ready");
  yield* Effect.callback((resume) => {
    process.stdin.resume().on("end", () => resume(Effect.void));
  });
  for (const { client, reading } of all) {
    yield* client.sendAllBytes(Uint8Array.of(1));
    yield* Fiber.join(reading);
  }
  yield* thread.exit(0);
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
