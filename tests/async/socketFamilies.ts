import { AF, SOCK, type Sockaddr } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { tempDirectory } from "@rsyscall/harness";
import type { Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** Families of stream sockets, each with an address that is free. */
export const families = [
  [
    "unix",
    AF.UNIX,
    Effect.map(tempDirectory, (path): Sockaddr => ({ family: "unix", path: `${path}/socket` })),
  ],
  ["IPv4", AF.INET, Effect.succeed<Sockaddr>({ family: "inet", address: "127.0.0.1", port: 0 })],
  ["IPv6", AF.INET6, Effect.succeed<Sockaddr>({ family: "inet6", address: "::1", port: 0 })],
] as const;

export type Family = (typeof families)[number];

/** Makes a listening socket of a thread, and gives its address. */
export const listen = (
  thread: Thread,
  [, domain, free]: Family,
  backlog: number,
): Effect.Effect<
  { readonly listener: AsyncFileDescriptor<Socket>; readonly address: Sockaddr },
  HandleFailure,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const socket = yield* thread.socket(domain, SOCK.STREAM);
    yield* socket.bind(yield* free);
    yield* socket.listen(backlog);
    const listener = yield* thread.makeAfd(socket);
    return { listener, address: (yield* socket.address()) as Sockaddr };
  });

/** Makes a socket of a thread that is not connected. */
export const unconnected = (thread: Thread, [, domain]: Family) =>
  Effect.flatMap(thread.socket(domain, SOCK.STREAM), (socket) => thread.makeAfd(socket));
