import { type Connection, FdPassConnection } from "@rsyscall/connection";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import type { ChildThread, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** Gives the connection by which descriptors get to a child and from it. To be called once per child. */
export type Passage = (child: ChildThread) => Effect.Effect<Connection, HandleFailure, Scope.Scope>;

/**
 * Prepares a passage for the next child of a Thread. Descriptors are passed between the child and the
 * controller; or, where none can be passed that far, between the child and the Thread, which then has our ends.
 */
export const openPassage = (thread: Thread): Effect.Effect<Passage, HandleFailure, Scope.Scope> =>
  thread.connection.canPass
    ? Effect.succeed(({ connection }) => Effect.succeed(connection))
    : Effect.gen(function* () {
        const epoller = yield* thread.epoller();
        const [ours, theirs] = yield* Socket.pair(thread.task);
        ours.closeOnFork = true;
        return ({ task }: ChildThread) =>
          Effect.gen(function* () {
            const inherited = yield* theirs.inherit(task);
            yield* theirs.close();
            return new FdPassConnection(ours, epoller, inherited);
          });
      });
