import { LocalCalls } from "@rsyscall/connection";
import type { HandleFailure } from "@rsyscall/handle";
import { Environment, once, type Thread } from "@rsyscall/thread";
import type { HandshakeError } from "@rsyscall/transport";
import { Effect, Exit, Scope } from "effect";
import { callerEnvironment } from "./callerEnvironment.ts";
import { Door } from "./Door.ts";
import { type HandedOver, take } from "./handOver.ts";
import { limitStalls } from "./limits.ts";

/** Takes a call over that was handed over, into a scope. */
export const takeOver = (
  thread: Thread,
  handed: HandedOver,
): Effect.Effect<Door, HandleFailure | HandshakeError, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope;
    const scope = yield* Scope.fork(outer);
    const { greeted, socket, place } = yield* Scope.provide(take(thread, handed), scope).pipe(
      Effect.onError(() => Scope.close(scope, Exit.void)),
    );
    const { sharedMemory, stallLimit } = handed;
    return new Door({
      greeted,
      connection: {
        socket,
        afd: once(Scope.provide(thread.makeAfd(socket), scope)),
        sendNow: (bytes) => LocalCalls.of(thread.task)?.send(socket, bytes),
        release: () => Scope.close(scope, Exit.void),
      },
      place,
      thread,
      environ: new Environment(() => callerEnvironment(greeted.description)),
      sharedMemory,
      stallLimit,
      scope: outer,
      onSettled: (connection) => {
        if (connection !== undefined && stallLimit !== undefined)
          limitStalls(connection, stallLimit);
      },
    });
  });
