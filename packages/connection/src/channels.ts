import { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { Effect, type Scope } from "effect";
import type { Connection } from "./Connection.ts";

/** `openAsyncChannels` of all connections, by means of `openChannels`. */
export const openAsyncChannels = (
  connection: Pick<Connection, "openChannels" | "accessEpoller">,
  count: number,
): Effect.Effect<
  ReadonlyArray<[AsyncFileDescriptor<Socket>, Socket]>,
  HandleFailure,
  Scope.Scope
> =>
  Effect.flatMap(connection.openChannels(count), (channels) =>
    Effect.forEach(channels, ([access, task]) =>
      Effect.map(
        AsyncFileDescriptor.make(connection.accessEpoller, access),
        (afd): [AsyncFileDescriptor<Socket>, Socket] => [afd, task],
      ),
    ),
  );
