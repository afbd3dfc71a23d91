import { AF, O, SO_DOMAIN, SO_TYPE, SOCK } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import { type FileDescriptor, type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect, Scope, Semaphore } from "effect";
import type { Connection } from "./Connection.ts";
import { openAsyncChannels } from "./channels.ts";
import { FdPassConnection } from "./FdPassConnection.ts";
import { endWith } from "./passing.ts";

/** A lifeline, and what is known of the process at its other end. */
export interface Lifeline {
  /** Our end. */
  readonly access: Socket;
  /** The end of the task. */
  readonly task: Socket;
  /** A number that the task has reserved for the socket by which it gets descriptors. */
  readonly reserved: Socket;
  /** The pid of the process, as the kernel tells it to us. */
  readonly pid: number;
  /** That socket is open until this closes. */
  readonly scope: Scope.Scope;
}

/**
 * A connection to a task that has a lifeline to us. Descriptors of the task come over that. Nothing is ever sent over it
 * the other way, because the kernel would tell the task so by a signal, which may interrupt a call of it. For descriptors
 * that go to the task, it makes a socket pair when that is first needed, and gives us one end.
 */
export class LifelineConnection implements Connection {
  /** See {@link Connection.accessTask}. */
  readonly accessTask: Task;
  /** See {@link Connection.accessEpoller}. */
  readonly accessEpoller: Epoller;
  readonly canPass = true;
  readonly #lifeline: Lifeline;
  // Most tasks never need these.
  #fromTask: FdPassConnection | undefined;
  #toTask: FdPassConnection | undefined;
  #opening: Semaphore.Semaphore | undefined;

  constructor(lifeline: Lifeline, accessEpoller: Epoller) {
    this.accessTask = lifeline.access.task;
    this.accessEpoller = accessEpoller;
    this.#lifeline = lifeline;
  }

  openChannels(count: number) {
    return count === 0
      ? Effect.succeed([])
      : Effect.flatMap(this.#open(), (connection) => connection.openChannels(count));
  }

  openAsyncChannels(count: number) {
    return openAsyncChannels(this, count);
  }

  extendTo(access: Socket, task: Socket) {
    return new FdPassConnection(access, this.accessEpoller, task);
  }

  passTo(fds: ReadonlyArray<FileDescriptor>) {
    return fds.length === 0
      ? Effect.succeed([])
      : Effect.flatMap(this.#open(), (connection) => connection.passTo(fds));
  }

  passFrom(fds: ReadonlyArray<FileDescriptor>) {
    const { access, task } = this.#lifeline;
    this.#fromTask ??= new FdPassConnection(access, this.accessEpoller, task);
    return this.#fromTask.passFrom(fds);
  }

  /** The connection over the socket of its own, which is made now if there is none yet. */
  #open(): Effect.Effect<FdPassConnection, HandleFailure> {
    return Effect.suspend(() => {
      if (this.#toTask !== undefined) return Effect.succeed(this.#toTask);
      this.#opening ??= Semaphore.makeUnsafe(1);
      return Effect.uninterruptible(
        this.#opening.withPermits(1)(
          Effect.suspend(() =>
            this.#toTask === undefined ? this.#make() : Effect.succeed(this.#toTask),
          ),
        ),
      );
    });
  }

  #make(): Effect.Effect<FdPassConnection, HandleFailure> {
    const { scope, task, reserved } = this.#lifeline;
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const [own, end] = yield* Socket.pair(task.task, AF.UNIX, SOCK.STREAM);
        const [passed] = yield* this.passFrom([end]);
        const socket = yield* (passed as FileDescriptor).reclassify(Socket);
        yield* this.#confirm(socket);
        yield* own.dup3(reserved, O.CLOEXEC);
        const access = yield* Scope.provide(socket.moveToScope(), scope);
        access.closeOnFork = true;
        this.#toTask = new FdPassConnection(access, this.accessEpoller, reserved);
        return this.#toTask;
      }),
    );
  }

  /**
   * Hangs up on a task that gives us anything else than an end of a Unix stream socket whose other end its own process
   * has made. Otherwise it could have us write to a server, which would take us for its client: with a message the kernel
   * gives our ids (SCM_CREDENTIALS).
   */
  #confirm(socket: Socket): Effect.Effect<void, HandleFailure> {
    const { task, pid } = this.#lifeline;
    const isRight = Effect.gen(function* () {
      return (
        (yield* socket.getOption(SO_DOMAIN)) === AF.UNIX &&
        (yield* socket.getOption(SO_TYPE)) === SOCK.STREAM &&
        (yield* socket.peerCredentials()).pid === pid
      );
    });
    return Effect.flatMap(
      Effect.catchTag(isRight, "SyscallError", () => Effect.succeed(false)),
      (right) =>
        right
          ? Effect.void
          : endWith(task.task, "recvmsg", "the task gave a socket that is not its own"),
    );
  }
}

oneLine(LifelineConnection, ({ accessTask }) => `from process ${accessTask.pid}`);
