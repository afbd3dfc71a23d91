import { type Abi, MSG, type Ucred } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer, type ReadFailure } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Received, Socket } from "@rsyscall/handle";
import { HelloPrefix } from "@rsyscall/wire";
import { Duration, Effect, type Scope } from "effect";
import { HandshakeError } from "./errors.ts";
import {
  checked,
  type Description,
  decodeDescription,
  decodeHeader,
  decodeInTurns,
  decodePrefix,
  type Header,
  malformed,
} from "./hello.ts";
import { refused } from "./welcome.ts";

/** A client whose hello has passed all checks. It waits for its welcome. */
export interface Greeted {
  /** The machine of the client. */
  readonly abi: Abi;
  /** The client's credentials, as the kernel reports them. */
  readonly peer: Ucred;
  /** What the client has said of itself. */
  readonly description: Description;
  /** The memfd of its arena, if it sent one. It is not checked yet. */
  readonly arenaFd: FileDescriptor | undefined;
  /** The hello as it came, for `decodeHello`. */
  readonly hello: HelloBytes;
}

/** The fixed part of a hello, and what followed it. */
export interface HelloBytes {
  /** The part of fixed size. */
  readonly fixed: Uint8Array;
  /** Arguments, environment and the other strings. */
  readonly rest: Uint8Array;
}

/** A client whose user is allowed, and what it has said so far. */
export interface Begun {
  /** The client's credentials, as the kernel reports them. */
  readonly peer: Ucred;
  /** The first message that was taken; undefined if none has come yet. */
  readonly first: Pick<Received, "bytes" | "fds"> | undefined;
}

/** Bytes of a hello that one call takes; most have no more. */
const HELLO_READ_SIZE = 16 * 1024;

/** Descriptors that one message can carry: SCM_MAX_FD of the kernel. */
const FDS_AT_MOST = 253;

/** Bytes of a longer one that are read at a time. */
const PIECE_SIZE = 64 * 1024;

/** Which clients are served, and the bounds of their hello. */
export interface HandshakePolicy {
  /** How long a client may take for its hello. */
  readonly handshakeTimeout: Duration.Input;
  /** Whether a client of these credentials is served. */
  readonly allow: (peer: Ucred) => boolean;
  /** Bytes that a hello may have. */
  readonly descriptionLimit: number;
  /** Waits until there is room for so many bytes of a description, which come next. Default: at once. */
  readonly admit?: (bytes: number) => Effect.Effect<void>;
}

/**
 * Checks the credentials of a client, as the kernel reports them, and takes its hello, within bounds of size and time.
 * Until then the client gets nothing from us. If it fails, it is told why.
 *
 * @param begun what `greetedBy` gave
 */
export const handshake = (
  socket: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
  begun?: Begun,
): Effect.Effect<Greeted, HandshakeError, Scope.Scope> =>
  Effect.flatMap(
    begun === undefined ? admitted(socket.handle, policy) : Effect.succeed(begun),
    (admitted) => hear(socket, policy, admitted),
  ).pipe(
    Effect.timeout(policy.handshakeTimeout),
    Effect.mapError((error) => {
      if (error._tag !== "TimeoutError") return asHandshakeError(error);
      const limit = Duration.format(Duration.fromInputUnsafe(policy.handshakeTimeout));
      return new HandshakeError({
        kind: "TimedOut",
        problem: `no complete hello within ${limit}`,
        cause: error,
      });
    }),
    Effect.tapError(({ problem }) => turnAway(socket.handle, problem)),
  );

/**
 * The same for what one call has brought, as plain code: gives a client whose hello is there, and is short; or what has
 * come, for `handshake` to go on with. Throws HandshakeError.
 *
 * @param peer that the policy has admitted
 */
export const greetedBy = (
  first: Pick<Received, "bytes" | "fds">,
  peer: Ucred,
  { descriptionLimit }: HandshakePolicy,
): Greeted | Begun => {
  try {
    const whole = wholeOf(first.bytes, descriptionLimit);
    if (whole === undefined) return { peer, first };
    const { abi, header, hello } = whole;
    const description = decodeDescription(header, hello.rest);
    return { abi, peer, description, arenaFd: first.fds[0], hello };
  } catch (cause) {
    throw malformed(cause);
  }
};

/** Why a client is turned away, for what its handshake has failed with. */
export const asHandshakeError = (error: Error): HandshakeError =>
  error instanceof HandshakeError
    ? error
    : new HandshakeError({ kind: "HungUp", problem: error.message, cause: error });

/**
 * Tells a client why it does not become a Thread. Not if its socket is full: a client that stalls does not read.
 */
export const turnAway = (socket: Socket, problem: string): Effect.Effect<void> =>
  Effect.ignore(socket.sendFds(refused(problem), [], MSG.DONTWAIT));

/** Why a client may not call, if that is so. */
export const refusalOf = (peer: Ucred, { allow }: HandshakePolicy): HandshakeError | undefined =>
  allow(peer)
    ? undefined
    : new HandshakeError({
        kind: "NotAllowed",
        problem: `user ${peer.uid} may not call this server`,
      });

/** Asks the kernel for the user of the client. */
const admitted = (
  socket: Socket,
  policy: HandshakePolicy,
): Effect.Effect<Begun, HandshakeError | HandleFailure> =>
  Effect.flatMap(socket.peerCredentials(), (peer) => {
    const refusal = refusalOf(peer, policy);
    return refusal === undefined
      ? Effect.succeed({ peer, first: undefined })
      : Effect.fail(refusal);
  });

/** A hello has one descriptor at most. */
const closeFurther = ({ fds }: Pick<Received, "fds">): Effect.Effect<void, HandleFailure> =>
  Effect.forEach(fds.slice(1), (further) => further.close(), { discard: true });

const hear = Effect.fnUntraced(function* (
  socket: AsyncFileDescriptor<Socket>,
  policy: HandshakePolicy,
  begun: Begun,
) {
  const first = begun.first ?? (yield* socket.receiveFds(HELLO_READ_SIZE, FDS_AT_MOST));
  yield* closeFurther(first);
  const buffer = new AsyncReadBuffer(closingFds(socket), first.bytes);
  const prefix = yield* buffer.readLength(HelloPrefix.size, "the hello");
  const { abi, size } = yield* checked(() => decodePrefix(prefix));
  const fixed = concat(prefix, yield* buffer.readLength(size - HelloPrefix.size, "the hello"));
  const header = yield* checked(() => decodeHeader(fixed, policy.descriptionLimit));
  if (policy.admit !== undefined) yield* policy.admit(header.rest);
  const rest = yield* readDescription(buffer, header.rest);
  return yield* complete({ abi, header }, { fixed, rest }, begun.peer, first.fds[0]);
});

/** The parts of a hello that was sent, decoded: the machine and the fixed part. */
interface Decoded {
  readonly abi: Abi;
  readonly header: Header;
}

/** Checks all of a hello. */
const complete = (
  { abi, header }: Decoded,
  hello: HelloBytes,
  peer: Ucred,
  arenaFd: FileDescriptor | undefined,
): Effect.Effect<Greeted, HandshakeError> =>
  Effect.map(decodeInTurns(header, hello.rest), (description) => ({
    abi,
    peer,
    description,
    arenaFd,
    hello,
  }));

/** Decodes a hello that has passed the checks before, perhaps in another thread. */
export const decodeHello = (
  hello: HelloBytes,
  peer: Ucred,
  arenaFd: FileDescriptor | undefined,
): Effect.Effect<Greeted, HandshakeError> =>
  Effect.flatMap(
    checked(() => ({
      abi: decodePrefix(hello.fixed).abi,
      header: decodeHeader(hello.fixed, Number.POSITIVE_INFINITY),
    })),
    (decoded) => complete(decoded, hello, peer, arenaFd),
  );

/** The hello in bytes that have come, if all of it is there. Throws HandshakeError. */
const wholeOf = (
  bytes: Uint8Array,
  descriptionLimit: number,
): (Decoded & { readonly hello: HelloBytes }) | undefined => {
  if (bytes.length < HelloPrefix.size) return undefined;
  const { abi, size } = decodePrefix(bytes);
  if (bytes.length < size) return undefined;
  const fixed = bytes.subarray(0, size);
  const header = decodeHeader(fixed, descriptionLimit);
  const rest = bytes.subarray(size, size + header.rest);
  return rest.length < header.rest ? undefined : { abi, header, hello: { fixed, rest } };
};

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

const concat = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};
