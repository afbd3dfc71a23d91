import { Errno, MSG } from "@rsyscall/abi";
import { type Connection, LocalCalls } from "@rsyscall/connection";
import { refuseFds, type Socket } from "@rsyscall/handle";
import { catchErrno, SyscallError } from "@rsyscall/near";
import { Effect } from "effect";
import type { Transport } from "./bootstrapThread.ts";
import { HandshakeError } from "./errors.ts";

/**
 * The transport to a process on this host that has said hello on a Unix socket: descriptors can be passed
 * to it.
 *
 * @param connection of the thread that does the bootstrap, and from which the channels come
 * @param socket on which the hello came, in that thread
 * @param sharesMemory whether calls and memory may go through memory that we share with the process
 */
export const passingTransport = (
  connection: Connection,
  socket: Socket,
  sharesMemory: boolean,
): Transport => {
  const { accessTask, accessEpoller } = connection;
  const local = socket.task === accessTask ? LocalCalls.of(accessTask) : undefined;
  return {
    accessTask,
    accessEpoller,
    sendChannels: (message, count) =>
      Effect.gen(function* () {
        const channels = yield* connection.openChannels(count);
        const own = channels.map(([access]) => access);
        yield* refuseFds(
          accessTask,
          own.filter((_, i) => i !== PASSING),
        );
        const far = channels.map(([, end]) => end);
        const sent = yield* socket
          .sendFds(message, far, MSG.DONTWAIT)
          .pipe(catchErrno(["EPIPE", "ECONNRESET", "EAGAIN"], () => Effect.succeed(0)));
        if (sent !== message.length) return yield* notTaken();
        yield* Effect.forEach(far, (end) => end.close(), { discard: true });
        return own;
      }),
    sendAndKeep: local && ((message) => sendAndKeep(local, socket, message)),
    isCut: (access) => connection.isCut?.(access) ?? false,
    connect: (access, task) => connection.extendTo(access, task),
    sharesMemory,
  };
};

const notTaken = () =>
  new HandshakeError({ kind: "HungUp", problem: "the stub does not take its welcome" });

/** Sends the far end of a new channel. Gives our end, and a duplicate of the socket. */
const sendAndKeep = (
  local: LocalCalls,
  socket: Socket,
  message: Uint8Array,
): readonly [channel: Socket, lifeline: Socket] => {
  if (!socket.isValid) throw socket.invalidError;
  const lifeline = local.duplicate(socket);
  if (typeof lifeline === "number") throw SyscallError.from("fcntl", lifeline, `fd ${socket.near}`);
  const pair = local.pair();
  if (typeof pair === "number") {
    local.close(lifeline);
    throw SyscallError.from("socketpair", pair);
  }
  const [channel, far] = pair;
  local.refuseFds(channel);
  const sent = local.sendFds(socket, message, [far]);
  local.closeFar(far);
  if (sent === message.length) return [channel, lifeline];
  local.close(channel);
  local.close(lifeline);
  if (sent >= 0 || UNTAKEN.has(sent)) throw notTaken();
  throw SyscallError.from("sendmsg", sent, `fd ${socket.near}`);
};

/** The socket takes no message. */
const UNTAKEN = new Set([-Errno.EPIPE, -Errno.ECONNRESET, -Errno.EAGAIN]);

/** The channel through which descriptors are passed: the second one of the welcome. */
const PASSING = 1;
