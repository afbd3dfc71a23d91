/* A TCP server on port 80 of a network that is empty but for it, for a program in the same network. */
import { Effect } from "effect";
import { AF, CLONE, Command, IFF, ifreqs, LocalThread, SIOC, SOCK, Socket } from "rsyscall";

const client = `require("net").connect(80, "127.0.0.1").pipe(process.stdout)`;

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNET, { user: { uid: 0, gid: 0 } });
  const listener = yield* Socket.make(child, AF.INET, SOCK.STREAM);
  yield* listener.ifreq(SIOC.SIFFLAGS, "lo", ifreqs.flags, IFF.UP);
  yield* listener.bind({ family: "inet", address: "127.0.0.1", port: 80 });
  yield* listener.listen(10);
  const server = yield* child.makeAfd(listener);

  const run = yield* child.spawn(Command.make(process.execPath, "-e", client));
  const connection = yield* server.accept();
  const hello = `hello from process ${process.pid}, by a socket of process ${child.process.pid}\n`;
  yield* connection.sendAllBytes(new TextEncoder().encode(hello));
  yield* connection.close();
  console.log(`the client ${yield* run.check()}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
