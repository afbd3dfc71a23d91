import { AF, MSG, SOCK, Uint32 } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import {
  encode,
  type FileDescriptor,
  type HandleFailure,
  Socket,
  type Task,
} from "@rsyscall/handle";
import { catchErrno, oneLine } from "@rsyscall/near";
import { Effect, type Scope, Semaphore } from "effect";
import type { Connection } from "./Connection.ts";
import { openAsyncChannels } from "./channels.ts";
import {
  allOrNothing,
  endWith,
  FDS_AT_MOST,
  isEagain,
  receivePassed,
  takesNone,
} from "./passing.ts";

/** A connection over a Unix socket pair, through which descriptors are passed (SCM_RIGHTS). */
export class FdPassConnection implements Connection {
  /** See {@link Connection.accessTask}. */
  readonly accessTask: Task;
  /** See {@link Connection.accessEpoller}. */
  readonly accessEpoller: Epoller;
  readonly canPass = true;
  readonly #access: Socket;
  readonly #task: Socket;
  #lock: Semaphore.Semaphore | undefined;
  /** Of the messages: one that could not be taken for want of memory must not pass for the next. */
  #lastId = 0;

  /**
   * @param access the end in the access task
   * @param task the end in the task
   */
  constructor(access: Socket, accessEpoller: Epoller, task: Socket) {
    this.accessTask = access.task;
    this.accessEpoller = accessEpoller;
    this.#access = access;
    this.#task = task;
  }

  openChannels(count: number) {
    const open = Effect.gen({ self: this }, function* () {
      const pairs = yield* Effect.replicateEffect(
        Effect.map(Socket.pair(this.accessTask, AF.UNIX, SOCK.STREAM), (pair) => {
          for (const end of pair) end.closeOnFork = true;
          return pair;
        }),
        count,
      );
      const passed = yield* this.passTo(pairs.map(([, far]) => far));
      yield* Effect.forEach(pairs, ([, far]) => far.close(), { discard: true });
      return yield* Effect.forEach(pairs, ([access], i) =>
        Effect.map((passed[i] as FileDescriptor).reclassify(Socket), (far): [Socket, Socket] => [
          access,
          far,
        ]),
      );
    });
    return allOrNothing(open);
  }

  openAsyncChannels(count: number) {
    return openAsyncChannels(this, count);
  }

  extendTo(access: Socket, task: Socket) {
    return new FdPassConnection(access, this.accessEpoller, task);
  }

  passTo(fds: ReadonlyArray<FileDescriptor>) {
    return this.#pass(this.#access, this.#task, fds);
  }

  passFrom(fds: ReadonlyArray<FileDescriptor>) {
    return this.#pass(this.#task, this.#access, fds);
  }

  /** No other fiber may send or take a message between the two calls of this one. */
  #alone<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    this.#lock ??= Semaphore.makeUnsafe(1);
    return this.#lock.withPermits(1)(effect);
  }

  #pass(
    from: Socket,
    to: Socket,
    fds: ReadonlyArray<FileDescriptor>,
  ): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> {
    if (fds.length === 0) return Effect.succeed([]);
    const batches = Array.from({ length: Math.ceil(fds.length / FDS_AT_MOST) }, (_, i) =>
      fds.slice(i * FDS_AT_MOST, (i + 1) * FDS_AT_MOST),
    );
    const passBatch = (batch: ReadonlyArray<FileDescriptor>) =>
      Effect.suspend(() => {
        const id = ++this.#lastId;
        const peer = this.#task.task;
        // Neither call may wait. A message that was sent can be taken at once, because it never leaves this
        // kernel; and a peer that leaves hundreds of messages unread is hung up on.
        const flags = MSG.DONTWAIT;
        const send = Effect.catchIf(from.sendFds(encode(Uint32, id), batch, flags), isEagain, () =>
          endWith(peer, "sendmsg", "the task takes no descriptors"),
        );
        const receive = receivePassed(to, { peer, id, count: batch.length, flags });
        return Effect.andThen(
          from === this.#access
            ? catchErrno(["EPIPE", "ECONNRESET"], (cause) => takesNone(peer, cause))(send)
            : send,
          Effect.map(receive, (passed) => {
            // We have sent them ourselves: other processes have the open file only if they had it before.
            for (const [i, fd] of passed.entries()) fd.isShared = batch[i]?.isShared ?? true;
            return passed;
          }),
        );
      });
    return Effect.uninterruptible(
      this.#alone(
        allOrNothing(Effect.map(Effect.forEach(batches, passBatch), (passed) => passed.flat())),
      ),
    );
  }
}

oneLine(FdPassConnection, ({ accessTask }) => `from process ${accessTask.pid}`);
