import { MSG } from "@rsyscall/abi";
import type { Connection } from "@rsyscall/connection";
import { refuseFds, type Socket } from "@rsyscall/handle";
import { catchErrno } from "@rsyscall/near";
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
        if (sent !== message.length)
          return yield* new HandshakeError({
            kind: "HungUp",
            problem: "the stub does not take its welcome",
          });
        yield* Effect.forEach(far, (end) => end.close(), { discard: true });
        return own;
      }),
    isCut: (access) => connection.isCut?.(access) ?? false,
    connect: (access, task) => connection.extendTo(access, task),
    sharesMemory,
  };
};

/** The channel through which descriptors are passed: the second one of the welcome. */
const PASSING = 1;
