import { createServer } from "node:net";
import { Effect } from "effect";

/** The address at which servers of tests listen. */
export const HOST = "127.0.0.1";

/** A port of the loopback interface at which no program listens. */
export const freePort: Effect.Effect<number> = Effect.promise(
  () =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.on("error", reject);
      server.listen(0, HOST, () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(port));
      });
    }),
);
