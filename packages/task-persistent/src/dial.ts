import { AF, SO, SOCK, SOL } from "@rsyscall/abi";
import { SelfConnection } from "@rsyscall/connection";
import { AsyncFileDescriptor, EndOfFileError } from "@rsyscall/epoller";
import {
  connectUnix,
  type FileDescriptor,
  type HandleFailure,
  Socket,
  WrongKindError,
} from "@rsyscall/handle";
import { type Path, SyscallError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import type { HandshakeError, OpenedSocket } from "@rsyscall/transport";
import { Effect, type Scope } from "effect";
import { PersistentTaskError, type PersistentTaskErrorReason } from "./errors.ts";

/** Makes an error of the connection to a task. */
export const failure =
  (path: Path, reason: PersistentTaskErrorReason, problem: string) => (cause: unknown) =>
    new PersistentTaskError({ reason, path: path.text, problem, cause });

/**
 * Connects a Thread to a socket. If descriptors can be passed, the connected socket is then in the access task:
 * nothing goes through the Thread, and memory can be shared. Otherwise the socket is in the Thread itself.
 */
export const dial = Effect.fnUntraced(function* (
  parent: Thread,
  path: Path,
): Effect.fn.Return<Omit<OpenedSocket, "far">, HandleFailure | PersistentTaskError, Scope.Scope> {
  const { task, connection } = parent;
  // Non-blocking, so that a full queue is an error instead of a wait in the kernel.
  const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
  socket.closeOnFork = true;
  yield* Effect.mapError(connectUnix(socket, path), dialError(path));
  if (!connection.canPass)
    return {
      socket: yield* AsyncFileDescriptor.make(yield* parent.epoller(), socket),
      connection,
    };
  const { accessTask, accessEpoller } = connection;
  const here = task === accessTask ? socket : yield* passed(connection.passFrom([socket]));
  return {
    socket: yield* AsyncFileDescriptor.make(accessEpoller, here),
    connection: new SelfConnection(accessTask, accessEpoller),
  };
});

/** Checks the socket that the Thread has passed: the Thread may lie. */
const passed = Effect.fnUntraced(function* (
  passing: Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope>,
): Effect.fn.Return<Socket, HandleFailure, Scope.Scope> {
  const [fd] = yield* passing;
  const socket = yield* (fd as FileDescriptor).narrow(Socket);
  socket.closeOnFork = true;
  const domain = yield* socket.getOption(SOL.SOCKET, SO.DOMAIN);
  const type = yield* socket.getOption(SOL.SOCKET, SO.TYPE);
  const isListening = (yield* socket.getOption(SOL.SOCKET, SO.ACCEPTCONN)) !== 0;
  if (domain !== AF.UNIX || type !== SOCK.STREAM || isListening)
    return yield* new WrongKindError({
      subject: `fd ${socket.near}`,
      expected: "connection over a Unix socket",
      actual: isListening ? "listening socket" : "socket of another kind",
    });
  return socket;
});

const dialError =
  (path: Path) =>
  (cause: HandleFailure): HandleFailure | PersistentTaskError => {
    if (!(cause instanceof SyscallError)) return cause;
    switch (cause.errno) {
      case "ENOENT":
      case "ECONNREFUSED":
        return failure(path, "NobodyListens", "no process listens there")(cause);
      case "EACCES":
      case "EPERM":
        return failure(path, "NotAllowed", "this user may not connect")(cause);
      case "EAGAIN":
        return failure(path, "Busy", "another controller is connected, and others wait")(cause);
      case "EPROTOTYPE":
        return failure(path, "NotPersistent", "what listens there is no persistent task")(cause);
      default:
        return cause;
    }
  };

/** Makes the error of a failed handshake. */
export const handshakeError =
  (path: Path) =>
  (cause: HandshakeError): PersistentTaskError => {
    switch (cause.kind) {
      case "TimedOut":
        return failure(path, "Busy", `${cause.problem}; another controller is connected`)(cause);
      case "HungUp":
        return cause.cause instanceof EndOfFileError
          ? failure(path, "NotAllowed", "it hung up: this user may not connect")(cause)
          : failure(path, "NobodyListens", "it has ended")(cause);
      case "NotAllowed":
        return failure(path, "NotAllowed", "it belongs to another user")(cause);
      case "WrongVersion":
        return failure(path, "WrongVersion", cause.problem)(cause);
      default:
        return failure(path, "NotPersistent", `no persistent task: ${cause.problem}`)(cause);
    }
  };
