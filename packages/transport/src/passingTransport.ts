import { Errno, MSG } from "@rsyscall/abi";
import { type Connection, LocalCalls } from "@rsyscall/connection";
import { refuseFds, type Socket } from "@rsyscall/handle";
import { catchErrno, type Fd, SyscallError } from "@rsyscall/near";
import { Effect } from "effect";
import type { Transport, Welcoming } from "./bootstrapThread.ts";
import { HandshakeError } from "./errors.ts";
import { refused } from "./welcome.ts";

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
    welcome: local && ((message) => welcome(local, socket, message)),
    isCut: (access) => connection.isCut?.(access) ?? false,
    relay: (access) => connection.relay?.(access),
    connect: (access, task) => connection.extendTo(access, task),
    sharesMemory,
  };
};

const notTaken = () =>
  new HandshakeError({ kind: "HungUp", problem: "the stub does not take its welcome" });

/** Opens a channel, whose far end goes with the message over a duplicate of the socket. */
const welcome = (local: LocalCalls, socket: Socket, message: Uint8Array): Welcoming => {
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
  return new OwnWelcome(local, message, channel, far, lifeline);
};

class OwnWelcome implements Welcoming {
  readonly channel: Socket;
  readonly lifeline: Socket;
  readonly #local: LocalCalls;
  readonly #message: Uint8Array;
  #far: Fd | undefined;

  constructor(local: LocalCalls, message: Uint8Array, channel: Socket, far: Fd, lifeline: Socket) {
    this.channel = channel;
    this.lifeline = lifeline;
    this.#local = local;
    this.#message = message;
    this.#far = far;
  }

  send(): SyscallError | HandshakeError | undefined {
    const { lifeline } = this;
    const sent = this.#local.sendFds(
      lifeline,
      this.#message,
      this.#far === undefined ? [] : [this.#far],
    );
    this.cancel();
    if (sent === this.#message.length) return undefined;
    if (sent >= 0 || sent === -Errno.EAGAIN) return notTaken();
    const error = SyscallError.from("sendmsg", sent, `fd ${lifeline.near}`);
    this.#local.send(lifeline, refused(error.message));
    return error;
  }

  cancel(): void {
    if (this.#far !== undefined) this.#local.closeFar(this.#far);
    this.#far = undefined;
  }
}

/** The channel through which descriptors are passed: the second one of the welcome. */
const PASSING = 1;
