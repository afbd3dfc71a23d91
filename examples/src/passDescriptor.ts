/* One Node process opens memory and passes the descriptor to another one, which reads and writes it. */
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import { Command, LocalThread, Memfd, Socket } from "rsyscall";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const sender = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const memory = yield* Memfd.make(thread, "shared");
  yield* memory.writeAllText("from the first process; ");

  const [near, far] = yield* Socket.pair(thread);
  const node = Command.make(process.execPath, fileURLToPath(import.meta.url), "receive");
  const child = yield* thread.spawn(node, { stdin: far });
  yield* near.sendFds(new TextEncoder().encode("a memfd"), [memory]);
  yield* child.check();

  yield* memory.lseek(0, 0);
  console.log(`process ${process.pid} finds: ${text(yield* memory.readBytes())}`);
});

const receiver = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const socket = yield* Socket.from(thread.stdin);
  const { bytes, fds } = yield* socket.receiveFds(100, 1);
  const [fd] = fds;
  if (fd === undefined) return yield* Effect.die(new Error("no descriptor has come"));
  console.log(`process ${process.pid} got ${text(bytes)}`);
  yield* fd.writeAllText("from the second");
});

const program = process.argv[2] === "receive" ? receiver : sender;
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
