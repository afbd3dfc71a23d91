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
import { catchErrno, oneLine, SyscallError } from "@rsyscall/near";
import { CHANNELS_AT_MOST } from "@rsyscall/wire";
import { Effect, type Scope, Semaphore } from "effect";
import type { Multiplexer } from "./Multiplexer.ts";

/**
 * A connection to a task at the far side of a multiplexed stream. Channels are opened there, and their far ends
 * passed to the task by the process that carries them. No descriptor gets from one side to the other.
 */
export class MultiplexedConnection implements Connection {
  readonly accessTask: Task;
  readonly accessEpoller: Epoller;
  readonly canPass = false;
  readonly #multiplexer: Multiplexer;
  readonly #access: Socket;
  readonly #task: Socket;
  /** A message and the call that takes it must not be parted by those of another fiber. */
  readonly #lock = Semaphore.makeUnsafe(1);
  #lastId = 0;

  /**
   * @param access our end of a channel of the multiplexer
   * @param task the other end, in the task
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
        .pipe(catchErrno("EPIPE", (cause) => takesNone(this.#task.task, cause)));
      // It may still be on its way through the stream: the task waits for it.
      const flags = MSG.WAITALL;
      const theirs = yield* receivePassed(this.#task, { peer: this.#task.task, id, count, flags });
      // The process that carries them has made them for us.
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
    return cannotPass(fds);
  }

  passFrom(fds: ReadonlyArray<FileDescriptor>) {
    return cannotPass(fds);
  }
}

oneLine(MultiplexedConnection, ({ accessTask }) => `from process ${accessTask.pid}`);

const cannotPass = (
  fds: ReadonlyArray<FileDescriptor>,
): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure> =>
  fds.length === 0
    ? Effect.succeed([])
    : Effect.fail(
        SyscallError.of("sendmsg", "EOPNOTSUPP", "descriptors cannot be passed through a stream"),
      );
