/* Two processes, each alone in a network of its own, which a cable joins (a veth pair). They talk TCP over it. */
import { Effect } from "effect";
import {
  AF,
  CLONE,
  LocalThread,
  NamespaceFd,
  Rtnetlink,
  SOCK,
  Socket,
  type Thread,
} from "rsyscall";

const [ALICE, BOB] = [
  { address: "10.0.0.1", prefixLength: 24 },
  { address: "10.0.0.2", prefixLength: 24 },
];

const listen = (thread: Thread) =>
  Effect.gen(function* () {
    const socket = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
    const address = yield* socket.bindFree({ family: "inet", address: BOB.address, port: 0 });
    yield* socket.listen(1);
    return { address, server: yield* thread.makeAfd(socket) };
  });

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const alice = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNET, { user: { uid: 0, gid: 0 } });
  const bob = yield* alice.clone(CLONE.NEWNET);

  const atAlice = yield* Rtnetlink.make(alice);
  const atBob = yield* Rtnetlink.make(bob);
  const netns = yield* NamespaceFd.make(alice, "net", bob.task.pid);
  yield* atAlice.addLink({ name: "eth0", kind: "veth", peer: { name: "eth0", netns } });
  yield* atAlice.addAddress("eth0", ALICE);
  yield* atBob.addAddress("eth0", BOB);
  yield* atAlice.setLink("eth0", { up: true });
  yield* atBob.setLink("eth0", { up: true });

  const { address, server } = yield* listen(bob);
  const client = yield* alice.makeAfd(yield* Socket.make(alice, AF.INET, SOCK.STREAM));
  yield* client.connect(address);
  yield* client.sendAllBytes(new TextEncoder().encode("hello over the cable"));

  const [connection, peer] = yield* server.acceptFrom();
  const heard = new TextDecoder().decode(yield* connection.recvBytes());
  console.log(
    `${BOB.address} heard from ${peer?.family === "inet" ? peer.address : "?"}: ${heard}`,
  );
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
