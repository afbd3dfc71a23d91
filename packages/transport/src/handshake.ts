import { type Abi, abiOf, abis, type Ucred } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer } from "@rsyscall/epoller";
import type { FileDescriptor, Socket } from "@rsyscall/handle";
import { Duration, Effect, type Scope } from "effect";
import { HandshakeError } from "./errors.ts";
import {
  type Description,
  decodeDescription,
  decodeHeader,
  HELLO_PREFIX_SIZE,
  HELLO_SIZE,
  HELLO_SIZE_AT_MOST,
  HelloPrefix,
  MAGIC,
  VERSION,
} from "./hello.ts";
import { refused } from "./welcome.ts";

/** A client that has passed its checks and waits for its welcome. */
export interface Greeted {
  readonly abi: Abi;
  readonly peer: Ucred;
  readonly description: Description;
  /** The memfd of its arena, if it sent one. Not to be trusted either. */
  readonly arenaFd: FileDescriptor | undefined;
}

/** Bytes of a hello that one call takes; most have no more. */
const HELLO_READ_SIZE = 16 * 1024;

export interface HandshakePolicy {
  readonly handshakeTimeout: Duration.Input;
  readonly allow: (peer: Ucred) => boolean;
  readonly descriptionLimit: number;
}

/**
 * Hears a client out: who it is, by the kernel's word, and what it says of itself, within bounds of
 * size and time. Until then it gets nothing from us; when it fails, it is told why.
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
    // A client that stalls does not read either; what fits into its socket is all it gets.
    Effect.tapError(({ problem }) =>
      socket.sendAllBytes(refused(problem)).pipe(Effect.timeout("1 second"), Effect.ignore),
    ),
  );

const hear = (socket: AsyncFileDescriptor<Socket>, policy: HandshakePolicy) =>
  Effect.gen(function* () {
    const peer = yield* socket.handle.peerCredentials;
    if (!policy.allow(peer))
      return yield* new HandshakeError({
        kind: "NotAllowed",
        problem: `user ${peer.uid} may not call this server`,
      });

    const first = yield* socket.receiveFds(HELLO_READ_SIZE, 1);
    const buffer = new AsyncReadBuffer(socket, first.bytes);
    const prefix = yield* buffer.readLength(HELLO_PREFIX_SIZE, "the hello");
    if (MAGIC.some((byte, i) => prefix[i] !== byte))
      return yield* new HandshakeError({ problem: "this is no rsyscall stub" });
    const { version, machine, size } = HelloPrefix.decode(padded(prefix));
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

    const fixed = yield* buffer.readLength(size - HELLO_PREFIX_SIZE, "the hello");
    const header = yield* checked(() =>
      decodeHeader(concat(prefix, fixed), policy.descriptionLimit),
    );
    const rest = yield* buffer.readLength(header.rest, "the description");
    const description = yield* checked(() => decodeDescription(header, rest));
    return { abi, peer, description, arenaFd: first.fds[0] };
  });

/** Decoding what a stranger sent: whatever it throws is the stranger's fault. */
const checked = <A>(decode: () => A): Effect.Effect<A, HandshakeError> =>
  Effect.try({
    try: decode,
    catch: (cause) =>
      cause instanceof HandshakeError
        ? cause
        : new HandshakeError({ problem: `a malformed hello: ${cause}`, cause }),
  });

const concat = (first: Uint8Array, second: Uint8Array): Uint8Array =>
  new Uint8Array([...first, ...second]);

/** The codec counts the padding that C would put behind the prefix, had it no more fields. */
const padded = (prefix: Uint8Array): Uint8Array => concat(prefix, new Uint8Array(4));
