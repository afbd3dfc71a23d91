import { MSG, Uint32 } from "@rsyscall/abi";
import {
  allOrNothing,
  type Connection,
  openAsyncChannels,
  receivePassed,
  takesNone,
} from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import {
  encode,
  type FileDescriptor,
  type HandleFailure,
  Socket,
  type Task,
} from "@rsyscall/handle";
import { InvalidStateError, oneLine } from "@rsyscall/near";
import { CHANNELS_AT_MOST } from "@rsyscall/wire";
import { Effect, type Scope, Semaphore } from "effect";
import type { Multiplexer } from "./Multiplexer.ts";

/**
 * A connection to a task at the far side of a multiplexed stream. The process that carries the stream opens channels
 * and passes their far ends to the task. Descriptors cannot be passed between the two sides.
 */
export class MultiplexedConnection implements Connection {
  /** See `Connection.accessTask` of @rsyscall/connection. */
  readonly accessTask: Task;
  /** See `Connection.accessEpoller` of @rsyscall/connection. */
  readonly accessEpoller: Epoller;
  readonly canPass = false;
  readonly #multiplexer: Multiplexer;
  readonly #access: Socket;
  readonly #task: Socket;
  /** Keeps the messages and calls of other fibers from coming between a message and the call that receives it. */
  readonly #lock = Semaphore.makeUnsafe(1);
  #lastId = 0;

  /**
   * @param access the near end of a channel of the multiplexer
   * @param task the far end, in the task
   */
  constructor(multiplexer: Multiplexer, access: Socket, accessEpoller: Epoller, task: Socket) {
    this.accessTask = access.task;
    this.accessEpoller = accessEpoller;
    this.#multiplexer = multiplexer;
    this.#access = access;
    this.#task = task;
  }

  isCut(access: Socket): boolean {
    return this.#multiplexer.isCut(access);
  }

  relay(access: Socket) {
    return this.#multiplexer.relay(access);
  }

  openChannels(
    count: number,
  ): Effect.Effect<ReadonlyArray<[access: Socket, task: Socket]>, HandleFailure, Scope.Scope> {
    const batches = Array.from({ length: Math.ceil(count / CHANNELS_AT_MOST) }, (_, i) =>
      Math.min(CHANNELS_AT_MOST, count - i * CHANNELS_AT_MOST),
    );
    return Effect.uninterruptible(
      this.#lock.withPermits(1)(
        allOrNothing(
          Effect.map(
            Effect.forEach(batches, (batch) => this.#openBatch(batch)),
            (opened) => opened.flat(),
          ),
        ),
      ),
    );
  }

  #openBatch(
    count: number,
  ): Effect.Effect<ReadonlyArray<[access: Socket, task: Socket]>, HandleFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const id = ++this.#lastId;
      const ours = yield* this.#multiplexer
        .open(this.#access, count, encode(Uint32, id))
        .pipe(Effect.catchTag("SyscallSendError", (cause) => takesNone(this.#task.task, cause)));
      // The message may still be in the stream: the task waits for it.
      const flags = MSG.WAITALL;
      const theirs = yield* receivePassed(this.#task, { peer: this.#task.task, id, count, flags });
      // The process that carries the stream has made them for this connection only.
      for (const fd of theirs) fd.isShared = false;
      return yield* Effect.forEach(ours, (access, i) =>
        Effect.map((theirs[i] as FileDescriptor).reclassify(Socket), (far): [Socket, Socket] => [
          access,
          far,
        ]),
      );
    });
  }

  openAsyncChannels(count: number) {
    return openAsyncChannels(this, count);
  }

  extendTo(access: Socket, task: Socket) {
    return new MultiplexedConnection(this.#multiplexer, access, this.accessEpoller, task);
  }

  passTo(fds: ReadonlyArray<FileDescriptor>) {
    return cannotPass("passTo", fds);
  }

  passFrom(fds: ReadonlyArray<FileDescriptor>) {
    return cannotPass("passFrom", fds);
  }
}

oneLine(MultiplexedConnection, ({ accessTask }) => `from process ${accessTask.pid}`);

const cannotPass = (
  syscall: string,
  fds: ReadonlyArray<FileDescriptor>,
): Effect.Effect<ReadonlyArray<FileDescriptor>, InvalidStateError> =>
  fds.length === 0
    ? Effect.succeed([])
    : Effect.fail(
        new InvalidStateError({
          syscall,
          subject: "a connection through a stream",
          problem: "carries bytes, and no descriptors",
          remedy: "see `canPass`, and open files in the task itself",
        }),
      );
