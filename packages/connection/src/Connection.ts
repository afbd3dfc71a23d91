import type { AsyncFileDescriptor, Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Socket, Task } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";

/**
 * A way to open more channels between two tasks: the access task, which drives, and the task that is
 * driven. They may be the same.
 */
export interface Connection {
  readonly accessTask: Task;
  readonly accessEpoller: Epoller;

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

  /** Duplicates of descriptors of the access task, in the task. */
  readonly passTo: (
    fds: ReadonlyArray<FileDescriptor>,
  ) => Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope>;

  /** Duplicates of descriptors of the task, in the access task. */
  readonly passFrom: (
    fds: ReadonlyArray<FileDescriptor>,
  ) => Effect.Effect<ReadonlyArray<FileDescriptor>, HandleFailure, Scope.Scope>;
}
