/* A TCP server on port 80 of a network that is empty but for it, for a program in the same network. */
import { Effect } from "effect";
import { AF, CLONE, Command, LocalThread, near, SOCK, Socket, Uint16 } from "rsyscall";

/** SIOCSIFFLAGS of netdevice(7): turns an interface on. */
const [SIOCSIFFLAGS, IFF_UP] = [0x8914, 1];

const loopbackUp = (socket: Socket) => {
  const request = new Uint8Array(40); // struct ifreq: a name of 16 bytes, and flags
  request.set(new TextEncoder().encode("lo"));
  Uint16.encode(IFF_UP, request.subarray(16));
  const { task } = socket;
  return Effect.flatMap(task.ptr(request), (at) =>
    Effect.flatMap(at.borrow(task), (address) =>
      near.ioctl(task.sysif, near.Fd(socket.near), SIOCSIFFLAGS, address),
    ),
  );
};

const client = `require("net").connect(80, "127.0.0.1").pipe(process.stdout)`;

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNET, { user: { uid: 0, gid: 0 } });
  const listener = yield* Socket.make(child, AF.INET, SOCK.STREAM);
  yield* loopbackUp(listener);
  yield* listener.bind({ family: "inet", address: "127.0.0.1", port: 80 });
  yield* listener.listen(10);
  const server = yield* child.makeAfd(listener);

  const run = yield* child.spawn(Command.make(process.execPath, "-e", client));
  const connection = yield* server.accept();
  yield* connection.writeAllText(
    `hello from process ${process.pid}, by a socket of process ${child.process.pid}\n`,
  );
  yield* connection.close();
  console.log(`the client ${yield* run.check()}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
