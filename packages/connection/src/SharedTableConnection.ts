import type { Epoller } from "@rsyscall/epoller";
import {
  type FileDescriptor,
  type HandleFailure,
  type Socket,
  type Task,
  unshareFiles,
} from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { Connection } from "./Connection.ts";
import { openAsyncChannels } from "./channels.ts";

/** The connection of a task that shares its descriptor table with another task: it has what the other one gets. */
export class SharedTableConnection implements Connection {
  /** See {@link Connection.accessTask}. */
  readonly accessTask: Task;
  /** See {@link Connection.accessEpoller}. */
  readonly accessEpoller: Epoller;
  readonly #other: Connection;
  readonly #otherTask: Task;
  readonly #task: Task;
  /** Used once the task has a table of its own. */
  #own: Connection | undefined;

  /**
   * @param other the connection of the other task
   * @param task the task that this connection is to
   */
  constructor(other: Connection, otherTask: Task, task: Task) {
    this.accessTask = other.accessTask;
    this.accessEpoller = other.accessEpoller;
    this.#other = other;
    this.#otherTask = otherTask;
    this.#task = task;
  }

  get canPass(): boolean {
    return this.#other.canPass;
  }

  isCut(access: Socket): boolean {
    return this.#other.isCut?.(access) ?? false;
  }

  relay(access: Socket) {
    return this.#other.relay?.(access);
  }

  /** unshare(2) with CLONE_FILES, after which descriptors have to be passed. */
  unshareFiles(): Effect.Effect<void, HandleFailure, Scope.Scope> {
    return Effect.suspend(() => {
      if (this.#own !== undefined || this.#task.fdTable.isOnlyOf(this.#task)) return Effect.void;
      return Effect.flatMap(this.openChannels(1), (channels) => {
        const [access, own] = channels[0] as [Socket, Socket];
        own.closeOnFork = true;
        return Effect.map(unshareFiles(this.#task), () => {
          this.#own = this.#other.extendTo(access, own);
        });
      });
    });
  }

  openChannels(
    count: number,
  ): Effect.Effect<ReadonlyArray<[access: Socket, task: Socket]>, HandleFailure, Scope.Scope> {
    if (this.#own !== undefined) return this.#own.openChannels(count);
    return Effect.flatMap(this.#other.openChannels(count), (channels) =>
      Effect.forEach(channels, ([access, far]) =>
        Effect.map(far.move(this.#task), (mine): [Socket, Socket] => [access, mine]),
      ),
    );
  }

  openAsyncChannels(count: number) {
    return openAsyncChannels(this, count);
  }

  extendTo(access: Socket, task: Socket) {
    return this.#other.extendTo(access, task);
  }

  passTo(
    fds: ReadonlyArray<FileDescriptor>,
  ): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> {
    if (this.#own !== undefined) return this.#own.passTo(fds);
    return Effect.flatMap(this.#other.passTo(fds), (passed) =>
      Effect.forEach(passed, (fd) => fd.move(this.#task)),
    );
  }

  passFrom(
    fds: ReadonlyArray<FileDescriptor>,
  ): Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope> {
    if (this.#own !== undefined) return this.#own.passFrom(fds);
    return Effect.flatMap(
      Effect.forEach(fds, (fd) => fd.forTask(this.#otherTask)),
      (theirs) => this.#other.passFrom(theirs),
    );
  }
}

oneLine(SharedTableConnection, ({ accessTask }) => `from process ${accessTask.pid}`);
