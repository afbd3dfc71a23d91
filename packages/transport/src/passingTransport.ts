import { Errno, MSG } from "@rsyscall/abi";
import { type Connection, LocalCalls } from "@rsyscall/connection";
import { refuseFds, type Socket } from "@rsyscall/handle";
import { catchErrno, type Fd, SyscallError } from "@rsyscall/near";
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
  const { openChannelsNow } = connection;
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
    sendChannelsNow:
      local &&
      openChannelsNow &&
      ((message, count) => sendNow(local, socket, message, openChannelsNow(count))),
    isCut: (access) => connection.isCut?.(access) ?? false,
    relay: (access) => connection.relay?.(access),
    connect: (access, task) => connection.extendTo(access, task),
    sharesMemory,
  };
};

const notTaken = () =>
  new HandshakeError({ kind: "HungUp", problem: "the stub does not take its welcome" });

/** Sends the far ends of channels, and closes them. Gives our ends, which it closes if that fails. */
const sendNow = (
  local: LocalCalls,
  socket: Socket,
  message: Uint8Array,
  channels: ReadonlyArray<readonly [access: Socket, far: Fd]>,
): ReadonlyArray<Socket> => {
  let isSent = false;
  try {
    if (!socket.isValid) throw socket.invalidError;
    for (const [i, [access]] of channels.entries()) if (i !== PASSING) local.refuseFds(access);
    const far = channels.map(([, fd]) => fd);
    const sent = local.sendFds(socket, message, far);
    isSent = sent === message.length;
    if (isSent) return channels.map(([access]) => access);
    if (sent >= 0 || UNTAKEN.has(sent)) throw notTaken();
    throw SyscallError.from("sendmsg", sent, `fd ${socket.near}`);
  } finally {
    for (const [access, far] of channels) {
      local.closeFar(far);
      if (!isSent) local.close(access);
    }
  }
};

/** The socket takes no message. */
const UNTAKEN = new Set([-Errno.EPIPE, -Errno.ECONNRESET, -Errno.EAGAIN]);

/** The channel through which descriptors are passed: the second one of the welcome. */
const PASSING = 1;
