import type { EPOLL } from "@rsyscall/abi";
import type { Fd } from "@rsyscall/near";
import type { Effect } from "effect";
import type { IoFailure } from "./errors.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";

/** The readiness for which a call waits on a descriptor. */
export type Direction = typeof EPOLL.IN | typeof EPOLL.OUT;

/**
 * How calls wait in a task that must not block: that of Node's own process, where a call that blocks stops the
 * whole program and its timeouts. The event loop waits for the descriptor, interruptibly, and the call is made
 * once it does not block. Other tasks have no Patience: their calls wait in the kernel.
 */
export interface Patience {
  /** The most bytes that a call may take now without waiting; 0 if it would wait. */
  readonly room: (fd: Fd, direction: Direction) => number;
  /** Waits until a call may succeed without waiting. */
  readonly wait: (fd: FileDescriptor, direction: Direction) => Effect.Effect<void, IoFailure>;
}
