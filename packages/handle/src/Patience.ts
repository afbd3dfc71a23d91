import type { EPOLL } from "@rsyscall/abi";
import type { Fd } from "@rsyscall/near";
import type { Effect } from "effect";
import type { IoFailure } from "./errors.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";

/** What a descriptor is waited for. */
export type Direction = typeof EPOLL.IN | typeof EPOLL.OUT;

/**
 * How calls wait in a task that must not: in Node's own process, where a call that waits stops the whole
 * program, and its timeouts with it. A descriptor is waited for in the event loop, interruptibly, and the
 * call is made when it no longer waits. Other tasks have none: there a call waits in the kernel.
 */
export interface Patience {
  /** The most bytes that a call may take now without waiting; 0 if it would wait. */
  readonly room: (fd: Fd, direction: Direction) => number;
  /** Waits until a call may not wait. */
  readonly wait: (fd: FileDescriptor, direction: Direction) => Effect.Effect<void, IoFailure>;
}
