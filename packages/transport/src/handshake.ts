import { type Abi, abiOf, abis, MSG, type Ucred } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer, type ReadFailure } from "@rsyscall/epoller";
import type { FileDescriptor, Socket } from "@rsyscall/handle";
import { HelloPrefix, MAGIC, VERSION } from "@rsyscall/wire";
import { Duration, Effect, type Scope } from "effect";
import { HandshakeError } from "./errors.ts";
import {
  checkDescription,
  type Description,
  decodeDescription,
  decodeHeader,
  HELLO_SIZE,
  HELLO_SIZE_AT_MOST,
} from "./hello.ts";
import { refused } from "./welcome.ts";

/** A client whose hello has passed all checks. It waits for its welcome. */
export interface Greeted {
  readonly abi: Abi;
  readonly peer: Ucred;
  readonly description: Description;
  /** The memfd of its arena, if it sent one. It is not checked yet. */
  readonly arenaFd: FileDescriptor | undefined;
}

/** Bytes of a hello that one call takes; most have no more. */
const HELLO_READ_SIZE = 16 * 1024;

/** Descriptors that one message can carry: SCM_MAX_FD of the kernel. */
const FDS_AT_MOST = 253;

/** Bytes of a longer one that are read at a time. */
const PIECE_SIZE = 64 * 1024;

export interface HandshakePolicy {
  readonly handshakeTimeout: Duration.Input;
  readonly allow: (peer: Ucred) => boolean;
  readonly descriptionLimit: number;
  /** Waits until there is room for so many bytes of a description, which come next. Default: at once. */
  readonly admit?: (bytes: number) => Effect.Effect<void>;
}

/**
 * Checks the credentials of a client, as the kernel reports them, and takes its hello, within bounds of size and time.
 * Until then the client gets nothing from us. If it fails, it is told why.
 */
export const handshake = (
  socket: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
): Effect.Effect<Greeted, HandshakeError, Scope.Scope> =>
  hear(socket, policy).pipe(
    Effect.timeout(policy.handshakeTimeout),
    Effect.mapError((error) => {
      if (error instanceof HandshakeError) return error;
      const limit = Duration.format(Duration.fromInputUnsafe(policy.handshakeTimeout));
      return error._tag === "TimeoutError"
        ? new HandshakeError({
            kind: "TimedOut",
            problem: `no complete hello within ${limit}`,
            cause: error,
          })
        : new HandshakeError({ kind: "HungUp", problem: error.message, cause: error });
    }),
    Effect.tapError(({ problem }) => turnAway(socket.handle, problem)),
  );

/**
 * Tells a client why it does not become a Thread. Not if its socket is full: a client that stalls does not read.
 */
export const turnAway = (socket: Socket, problem: string): Effect.Effect<void> =>
  Effect.ignore(socket.sendFds(refused(problem), [], MSG.DONTWAIT));

const hear = Effect.fnUntraced(function* (
  socket: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
) {
  const peer = yield* socket.handle.peerCredentials();
  if (!policy.allow(peer))
    return yield* new HandshakeError({
      kind: "NotAllowed",
      problem: `user ${peer.uid} may not call this server`,
    });

  const first = yield* socket.receiveFds(HELLO_READ_SIZE, FDS_AT_MOST);
  for (const further of first.fds.slice(1)) yield* further.close();
  const buffer = new AsyncReadBuffer(closingFds(socket), first.bytes);
  const prefix = yield* buffer.readLength(HelloPrefix.size, "the hello");
  if ([...MAGIC].some((char, i) => prefix[i] !== char.charCodeAt(0)))
    return yield* new HandshakeError({ problem: "this is no rsyscall stub" });
  const { version, machine, size } = HelloPrefix.decode(prefix);
  if (version !== VERSION)
    return yield* new HandshakeError({
      kind: "WrongVersion",
      problem: `the stub speaks version ${version} of the protocol, and the server ${VERSION}: use the stub that comes with the server`,
    });
  const abi = abiOf(machine);
  if (abi === undefined)
    return yield* new HandshakeError({
      problem: `the stub runs on a machine that this server does not know (ELF machine ${machine}; it knows ${abis.map((known) => known.machine).join(", ")})`,
    });
  if (size < HELLO_SIZE || size > HELLO_SIZE_AT_MOST)
    return yield* new HandshakeError({ problem: `a hello of ${size} bytes` });

  const fixed = yield* buffer.readLength(size - HelloPrefix.size, "the hello");
  const header = yield* checked(() => decodeHeader(concat(prefix, fixed), policy.descriptionLimit));
  if (policy.admit !== undefined) yield* policy.admit(header.rest);
  const rest = yield* readDescription(buffer, header.rest);
  yield* checkDescription(header, rest);
  const description = yield* checked(() => decodeDescription(header, rest));
  return { abi, peer, description, arenaFd: first.fds[0] };
});

/**
 * Reads bytes, and closes descriptors that come with them. Without room for these the kernel would close them in the
 * middle of our call, which may block for a socket with SO_LINGER.
 */
const closingFds = (
  socket: AsyncFileDescriptor<Socket>,
): Pick<AsyncFileDescriptor, "takeBytes"> => ({
  takeBytes: (size, take) =>
    Effect.scoped(
      Effect.map(socket.receiveFds(size, FDS_AT_MOST), ({ bytes }) => take(bytes)),
    ).pipe(
      // They stay in the socket's own table.
      Effect.catchTag("NamespaceMismatchError", Effect.die),
    ),
});

/** Reads into an array of just that size. A buffer that grows would take two or three times as much. */
const readDescription = (
  buffer: AsyncReadBuffer,
  size: number,
): Effect.Effect<Uint8Array, ReadFailure> => {
  const read = (length: number) => buffer.readLength(length, "the description");
  if (size <= PIECE_SIZE) return read(size);
  return Effect.gen(function* () {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += PIECE_SIZE)
      bytes.set(yield* read(Math.min(PIECE_SIZE, size - at)), at);
    return bytes;
  });
};

/** Decodes what a client sent. If that throws, the client sent something malformed. */
const checked = <A>(decode: () => A): Effect.Effect<A, HandshakeError> =>
  Effect.try({
    try: decode,
    catch: (cause) =>
      cause instanceof HandshakeError
        ? cause
        : new HandshakeError({ problem: `a malformed hello: ${cause}`, cause }),
  });

const concat = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};
