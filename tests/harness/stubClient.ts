import { readdirSync } from "node:fs";
import { connect, type Socket as NetSocket } from "node:net";
import { AF, EPOLL, MSG, SOCK } from "@rsyscall/abi";
import { connectUnix, type FileDescriptor, Socket } from "@rsyscall/handle";
import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert } from "vitest";
import { execute } from "./spawn.ts";
import { tempDirectory } from "./temp.ts";

/*
 * Clients that speak the stub's side of the handshake, and may lie: docs/protocol.md.
 */

export const HELLO_SIZE = 192;

/** Encodes a hello that would be accepted, before `change` modifies it. */
export const hello = (change: (view: DataView) => void = () => {}): Uint8Array => {
  const strings = new TextEncoder().encode("name\0argument\0A=1\0");
  const bytes = new Uint8Array(HELLO_SIZE + strings.length);
  bytes.set(new TextEncoder().encode("rsyscall"));
  bytes.set(strings, HELLO_SIZE);
  const view = new DataView(bytes.buffer);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  u32(8, 1); // version
  u32(12, 62); // machine
  u32(16, HELLO_SIZE);
  u32(20, 2); // argc
  u32(24, 1); // environment strings
  u32(28, 0xffffffff); // descriptors unknown
  view.setBigUint64(32, 14n, true); // bytes of argv
  view.setBigUint64(40, 4n, true); // bytes of environment
  u32(64, 4096); // page size
  u32(68, 12345); // pid
  for (const [i, at] of [84, 88, 92, 96].entries()) u32(at, 100 + i);
  change(view);
  return bytes;
};

/** Serves `stub` in a directory. By default the handler gives the status 3. */
export const serve = <E>(
  options: StubServerOptions = {},
  handler: (call: StubCall) => Effect.Effect<number, E, Scope.Scope> = () => Effect.succeed(3),
) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", options);
    yield* Effect.forkScoped(server.serve(handler));
    return { path: `${directory}/stub`, socket: `${directory}/stub.sock` };
  });

/** A client by Node's own means: sends bytes, and gives all that it has received when the server hangs up. */
export const client = (socket: string, bytes: Uint8Array, end = false) =>
  Effect.callback<Buffer>((resume) => {
    const connection: NetSocket = connect(socket);
    const parts: Array<Buffer> = [];
    connection.on("error", () => {});
    connection.on("data", (part) => parts.push(part));
    connection.on("close", () => resume(Effect.succeed(Buffer.concat(parts))));
    connection.write(bytes);
    if (end) connection.end();
    return Effect.sync(() => connection.destroy());
  });

/** A client that passes the handshake: its connection, and the message of its welcome. */
export const passing = (
  socket: string,
  bytes: Uint8Array = hello(),
  sent: ReadonlyArray<FileDescriptor> = [],
) =>
  Effect.gen(function* () {
    const local = (yield* LocalThread).task;
    const connection = yield* Socket.make(local, AF.UNIX, SOCK.STREAM);
    yield* connectUnix(connection, socket);
    if (sent.length === 0) yield* connection.writeAllBytes(bytes);
    else assert.equal(yield* connection.sendFds(bytes, sent), bytes.length);
    return { connection, ...(yield* waitForMessage(connection)) };
  });

/** The text of a welcome that refuses the client. */
export const refusal = (answer: Buffer): string => {
  assert.equal(answer.subarray(0, 8).toString(), "rsyscall");
  assert.equal(answer.readUInt32LE(12), 1, "refused");
  assert.equal(answer.length, 24 + answer.readUInt32LE(16));
  return answer.subarray(24).toString();
};

export const openFds = () => readdirSync("/proc/self/fd").length;

/** Asserts that real callers are still served, and that no descriptor stayed open. */
export const stillServes = (path: string, fdsBefore: number) =>
  Effect.gen(function* () {
    assert.equal((yield* execute(path)).status, 3);
    const deadline = Date.now() + 5000;
    while (openFds() > fdsBefore && Date.now() < deadline)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
    assert.isAtMost(openFds(), fdsBefore);
  });

/** recvmsg(2) once the server has answered; the loop must turn meanwhile, for it is in this process. */
export const waitForMessage = (socket: Socket) =>
  Effect.gen(function* () {
    const epoller = yield* (yield* LocalThread).epoller();
    yield* epoller.waitFor(socket, EPOLL.IN);
    return yield* socket.receiveFds(4096, 10, MSG.DONTWAIT);
  });
