import { type Abi, MSG, type Ucred } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer, type ReadFailure } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Received, Socket } from "@rsyscall/handle";
import { catchErrno } from "@rsyscall/near";
import { HelloPrefix } from "@rsyscall/wire";
import { Duration, Effect, type Scope } from "effect";
import { HandshakeError } from "./errors.ts";
import {
  checkDescription,
  type Description,
  decodeDescription,
  decodeHeader,
  decodePrefix,
  type Header,
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
  readonly first: Received | undefined;
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
 * @param begun what `beginHandshake` gave
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
 * The same as far as it does not wait: gives a client whose hello has come, and is short; or what has come, for
 * `handshake` to go on with.
 */
export const beginHandshake = (
  socket: Socket,
  policy: HandshakePolicy,
): Effect.Effect<Greeted | Begun, HandshakeError, Scope.Scope> =>
  admitted(socket, policy).pipe(
    Effect.flatMap(({ peer }) =>
      Effect.flatMap(
        catchErrno(socket.receiveFds(HELLO_READ_SIZE, FDS_AT_MOST, MSG.DONTWAIT), "EAGAIN", () =>
          Effect.succeed(undefined),
        ),
        (first): Effect.Effect<Greeted | Begun, HandshakeError | HandleFailure> => {
          if (first === undefined) return Effect.succeed({ peer, first });
          return Effect.flatMap(
            Effect.andThen(
              closeFurther(first),
              checked(() => wholeOf(first.bytes, policy.descriptionLimit)),
            ),
            (whole): Effect.Effect<Greeted | Begun, HandshakeError> =>
              whole === undefined
                ? Effect.succeed({ peer, first: { ...first, fds: first.fds.slice(0, 1) } })
                : complete(whole, whole.hello, peer, first.fds[0]),
          );
        },
      ),
    ),
    Effect.mapError(asHandshakeError),
    Effect.tapError(({ problem }) => turnAway(socket, problem)),
  );

const asHandshakeError = (error: Error): HandshakeError =>
  error instanceof HandshakeError
    ? error
    : new HandshakeError({ kind: "HungUp", problem: error.message, cause: error });

/**
 * Tells a client why it does not become a Thread. Not if its socket is full: a client that stalls does not read.
 */
export const turnAway = (socket: Socket, problem: string): Effect.Effect<void> =>
  Effect.ignore(socket.sendFds(refused(problem), [], MSG.DONTWAIT));

/** Asks the kernel for the user of the client. */
const admitted = (
  socket: Socket,
  { allow }: HandshakePolicy,
): Effect.Effect<Begun, HandshakeError | HandleFailure> =>
  Effect.flatMap(socket.peerCredentials(), (peer) =>
    allow(peer)
      ? Effect.succeed({ peer, first: undefined })
      : Effect.fail(
          new HandshakeError({
            kind: "NotAllowed",
            problem: `user ${peer.uid} may not call this server`,
          }),
        ),
  );

/** A hello has one descriptor at most. */
const closeFurther = ({ fds }: Received): Effect.Effect<void, HandleFailure> =>
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
  Effect.andThen(
    checkDescription(header, hello.rest),
    checked(() => {
      const description = decodeDescription(header, hello.rest);
      return { abi, peer, description, arenaFd, hello };
    }),
  );

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
