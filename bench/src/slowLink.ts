import { connect, createServer, type Socket } from "node:net";
import { Effect, type Scope } from "effect";

/** Passes bytes on after a delay, in their order and without a limit of the rate. */
const delayed = (from: Socket, to: Socket, milliseconds: number): void => {
  const later = (action: () => void) => void setTimeout(action, milliseconds);
  from.on("data", (bytes) => later(() => to.destroyed || to.write(bytes)));
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => later(() => to.destroy()));
};

/** Opens a TCP port that leads to another, with more delay each way: netem(8) without its kernel module. */
export const slowLink = (
  port: number,
  milliseconds: number,
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ port: number; close: () => void }>((resume) => {
        const sockets = new Set<Socket>();
        const server = createServer({ noDelay: true }, (near) => {
          const far = connect({ port, host: "127.0.0.1", noDelay: true });
          for (const socket of [near, far]) sockets.add(socket);
          delayed(near, far, milliseconds);
          delayed(far, near, milliseconds);
        });
        const close = () => {
          for (const socket of sockets) socket.destroy();
          server.close();
        };
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({ port: (server.address() as { port: number }).port, close }));
        });
      }),
      ({ close }) => Effect.sync(close),
    ),
    (link) => link.port,
  );
