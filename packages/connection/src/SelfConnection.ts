import type { Epoller } from "@rsyscall/epoller";
import { type FileDescriptor, Socket, type Task } from "@rsyscall/handle";
import { oneLine } from "@rsyscall/near";
import { Effect } from "effect";
import type { Connection } from "./Connection.ts";
import { openAsyncChannels } from "./channels.ts";
import { FdPassConnection } from "./FdPassConnection.ts";

/** The connection of a task with itself: a channel is a socket pair. */
export class SelfConnection implements Connection {
  /** See {@link Connection.accessTask}. */
  readonly accessTask: Task;
  /** See {@link Connection.accessEpoller}. */
  readonly accessEpoller: Epoller;
  readonly canPass = true;

  constructor(task: Task, epoller: Epoller) {
    this.accessTask = task;
    this.accessEpoller = epoller;
  }

  openChannels(count: number) {
    const channel = Effect.map(Socket.pair(this.accessTask), (pair) => {
      pair[0].closeOnFork = true;
      return pair;
    });
    return Effect.replicateEffect(channel, count);
  }

  openAsyncChannels(count: number) {
    return openAsyncChannels(this, count);
  }

  extendTo(access: Socket, task: Socket) {
    return new FdPassConnection(access, this.accessEpoller, task);
  }

  passTo(fds: ReadonlyArray<FileDescriptor>) {
    return Effect.forEach(fds, (fd) => fd.dup());
  }

  passFrom(fds: ReadonlyArray<FileDescriptor>) {
    return Effect.forEach(fds, (fd) => fd.dup());
  }
}

oneLine(SelfConnection, ({ accessTask }) => `from process ${accessTask.pid}`);
