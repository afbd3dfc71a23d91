import type { SyscallConnection } from "@rsyscall/connection";
import type { HandleFailure } from "@rsyscall/handle";
import { Environment, type Thread } from "@rsyscall/thread";
import type { HandshakeError } from "@rsyscall/transport";
import { Cause, Effect, type Scope } from "effect";
import type { Client } from "./Client.ts";
import { callerEnvironment } from "./callerEnvironment.ts";
import { Door } from "./Door.ts";
import type { ServerFailure } from "./errors.ts";
import { type Limits, limitStalls } from "./limits.ts";
import type { DropLog } from "./logs.ts";
import type { Place } from "./realProgram.ts";
import { callAt, type StubCall } from "./StubCall.ts";

/** A server, as its welcomes need it. */
export interface Host {
  readonly place: Place;
  readonly limits: Limits;
  readonly log: DropLog;
  /** In milliseconds: see `ListenOptions`. */
  readonly stallLimit: number | undefined;
  readonly sharedMemory: boolean;
}

/**
 * Makes a call of a client, in the place that was taken for it. The caller must see to it that the door is left.
 *
 * @param thread does the bootstrap
 * @param scope of the call
 */
export const callOf = (
  host: Host,
  client: Client,
  thread: Thread,
  scope: Scope.Scope,
): StubCall => {
  const { place, limits, stallLimit, sharedMemory } = host;
  const { greeted, bytes } = client;
  const { description } = greeted;
  // From now on the budget is the call's.
  client.bytes = 0;
  const giveBack = () => {
    limits.calls.release();
    limits.bytes.release(bytes);
  };
  const door = new Door({
    greeted,
    connection: client,
    place,
    thread,
    environ: new Environment(() => callerEnvironment(description)),
    sharedMemory,
    stallLimit,
    scope,
    onSettled: (connection) => {
      limits.atDoor.delete(atDoor);
      if (connection === undefined) giveBack();
      else begin(host, connection, giveBack);
    },
  });
  const atDoor = limits.atDoor.add(door);
  return callAt(door);
};

/** The place and the budget are the call's until its connection ends. */
const begin = (
  { limits: { served }, stallLimit }: Host,
  connection: SyscallConnection,
  giveBack: () => void,
): void => {
  const number = served.add(connection);
  connection.onEnd(() => {
    served.delete(number);
    giveBack();
  });
  if (stallLimit !== undefined) limitStalls(connection, stallLimit);
};

/** Tells of a client of which no Thread could be made. It is a failure only if the thread is gone. */
export const drop = (
  { log }: Host,
  thread: Thread,
  cause: Cause.Cause<HandleFailure | HandshakeError>,
): Effect.Effect<undefined, ServerFailure> =>
  Cause.hasInterrupts(cause)
    ? Effect.failCause(cause as Cause.Cause<never>)
    : Effect.gen(function* () {
        // Whether it is the client's fault, or the thread is gone.
        yield* thread.task.sysif.barrier();
        yield* log.dropped(cause);
        return undefined;
      });
