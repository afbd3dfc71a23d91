import { AF, SOCK, type Sockaddr } from "@rsyscall/abi";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { launchStub, launchStubWith, tempDirectory } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** A process whose descriptors are waited for. */
export type Place = readonly [
  name: string,
  thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>,
];

export const here: Place = ["in this process", LocalThread];

export const inFork: Place = ["in a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())];

export const inStub: Place = ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)];

export const inStubOverSockets: Place = [
  "in a stub over sockets",
  Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
];

export const places = [here, inFork, inStub, inStubOverSockets];

export const begin = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true });

/** One turn of the event loop. */
export const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));

/** Families of stream sockets, each with an address that nobody else has. */
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

/** A socket of a thread that listens, and where. */
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

/** A socket of a thread that is not connected. */
export const unconnected = (thread: Thread, [, domain]: Family) =>
  Effect.flatMap(thread.socket(domain, SOCK.STREAM), (socket) => thread.makeAfd(socket));

/** Numbers that look random, and are the same in every run. */
export const random = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};
