import { type Connection, SelfConnection } from "@rsyscall/connection";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** A Unix socket to a child of a Thread, which may execute a program. */
export interface OpenedSocket {
  /** Our end. */
  readonly socket: AsyncFileDescriptor<Socket>;
  /** The other one, in the Thread, for its child. */
  readonly far: Socket;
  /** Opens channels whose far ends can be sent through the socket. */
  readonly connection: Connection;
}

/**
 * Opens a Unix socket to a child of a Thread. Our end is in the access task where descriptors get there:
 * nothing then goes through the Thread, and memory can be shared. Else it is in the Thread itself.
 */
export const openSocket = Effect.fnUntraced(function* (
  thread: Thread,
): Effect.fn.Return<OpenedSocket, HandleFailure, Scope.Scope> {
  const { connection } = thread;
  if (!connection.canPass) {
    const [near, far] = yield* Socket.pair(thread.task);
    near.closeOnFork = true;
    const socket = yield* AsyncFileDescriptor.make(yield* thread.epoller(), near);
    return { socket, far, connection };
  }
  const { accessTask, accessEpoller } = connection;
  const [[near, far]] = (yield* connection.openChannels(1)) as [[Socket, Socket]];
  const socket = yield* AsyncFileDescriptor.make(accessEpoller, near);
  return { socket, far, connection: new SelfConnection(accessTask, accessEpoller) };
});
