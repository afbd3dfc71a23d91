import type { AsyncFileDescriptor, Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Socket, Task } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";
import type { Relay } from "./SyscallConnection.ts";

/**
 * Opens channels between two tasks, the access task, which drives, and the task that is driven, and passes
 * descriptors between them. They may be the same.
 */
export interface Connection {
  /** The task that drives: it has the near ends of the channels. */
  readonly accessTask: Task;
  /** The epoller of the access task, in which asynchronous channels are registered. */
  readonly accessEpoller: Epoller;
  /** Whether descriptors can be passed. They cannot be passed to another host. */
  readonly canPass: boolean;

  /**
   * Whether a channel ended because the stream between its two ends was cut, and not because the other end was
   * closed. Undefined if there is no such stream.
   *
   * @param access our end
   */
  readonly isCut?: ((access: Socket) => boolean) | undefined;

  /**
   * What carries the bytes of a channel, if that is in this process.
   *
   * @param access our end
   */
  readonly relay?: ((access: Socket) => Relay | undefined) | undefined;

  /**
   * New stream sockets, connected to each other: our end, which is close-on-fork, and the task's.
   * Both block.
   */
  readonly openChannels: (
    count: number,
  ) => Effect.Effect<ReadonlyArray<[access: Socket, task: Socket]>, HandleFailure, Scope.Scope>;

  /** As `openChannels`, and our ends are non-blocking and registered. */
  readonly openAsyncChannels: (
    count: number,
  ) => Effect.Effect<
    ReadonlyArray<[access: AsyncFileDescriptor<Socket>, task: Socket]>,
    HandleFailure,
    Scope.Scope
  >;

  /**
   * The connection, of the same kind, from the access task to another that has one end of a channel.
   *
   * @param access our end
   * @param task the other end, in the other task
   */
  readonly extendTo: (access: Socket, task: Socket) => Connection;

  /** Duplicates of descriptors of the access task, in the task. */
  readonly passTo: (
    fds: ReadonlyArray<FileDescriptor>,
  ) => Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope>;

  /** Duplicates of descriptors of the task, in the access task. */
  readonly passFrom: (
    fds: ReadonlyArray<FileDescriptor>,
  ) => Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope>;
}
