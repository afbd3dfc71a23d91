import type { Abi } from "@rsyscall/abi";
import type { Word, Words } from "@rsyscall/native";
import type { Effect } from "effect";
import type { ConnectionError, InvalidArgumentError, SyscallFailure } from "./errors.ts";
import type { Address, Fd } from "./identifiers.ts";
import type { PendingCall } from "./PendingCall.ts";
import type { PendingEvents } from "./PendingEvents.ts";

export type { Word, Words } from "@rsyscall/native";

/**
 * The one seam under everything: a way to make system calls in some task and to reach its memory.
 *
 * Operations are performed in the order in which they were submitted, and complete in that order.
 * Any number may be in flight. An operation that was submitted is waited for, whatever happens to
 * the fiber that waits, so no result is ever lost.
 */
export interface SyscallInterface {
  /** Numbers and layouts of the machine that the task runs on. */
  readonly abi: Abi;

  /**
   * Makes a system call and gives what the kernel returned, `-errno` included. `call` in this
   * package turns that into a SyscallError. Words that are not given are 0; what is no integer of 64 bits
   * is refused, and nothing is sent.
   */
  readonly syscall: (
    number: number,
    ...words: Words
  ) => Effect.Effect<Word, ConnectionError | InvalidArgumentError>;

  /** The same without an Effect for every call, from who can do it so. */
  readonly direct?: DirectCalls | undefined;

  /** Waits in the task that hold nothing back, from who can do it so. */
  readonly waits?: EventWaits | undefined;

  /** Copies `length` bytes out of the task's memory. */
  readonly read: (address: Address, length: number) => Effect.Effect<Uint8Array, SyscallFailure>;

  /**
   * Copies bytes into the task's memory. Completes as soon as it is submitted: every later operation
   * on this interface sees the bytes as they were then.
   */
  readonly write: (address: Address, bytes: Uint8Array) => Effect.Effect<void, ConnectionError>;

  /**
   * The last write, as long as it is on its way. Memory that is given back must not be used again before
   * it is done: not by other tasks of the address space, and by nobody who touches the memory directly.
   */
  readonly lastWrite?: PendingWrite | undefined;

  /** Completes when all that was submitted before has been performed. */
  readonly barrier: () => Effect.Effect<void, ConnectionError>;

  /** Ends the interface. Pending calls fail with SyscallHangup, later ones with SyscallSendError. */
  readonly close: () => Effect.Effect<void>;

  /**
   * A descriptor in the task that is readable while requests wait for it: whoever makes a blocking
   * call in the task on behalf of others must watch it too. None where calls are made directly.
   */
  readonly activityFd: Fd | undefined;

  /** The interface that this one decorates. See `decorated`. */
  readonly inner?: SyscallInterface | undefined;
}

/** Bytes on their way to the memory of a task. */
export interface PendingWrite {
  /** Calls back, each who asks, when these and all that were submitted before have arrived, or never will. */
  readonly whenDone: (onDone: () => void) => void;
}

/** Calls that are submitted here and now. */
export interface DirectCalls {
  /**
   * Submits a call. The result, if it is there at once. Whoever has submitted calls then says
   * `settle`.
   */
  readonly submit: (
    number: number,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ) => Word | PendingCall;

  /**
   * Waits for the calls that are done within microseconds, and lets the others complete later, by the
   * event loop.
   */
  readonly settle: () => void;
}

/** Waits for events of an epoll instance of the task. */
export interface EventWaits {
  /**
   * Submits a wait for at most so many events. It is done when there are some, and also as soon as
   * any other operation is submitted, perhaps with none: nothing is ever held back by it. That is
   * true of another wait as well, so there should be one at a time. Alone, it does not keep the event
   * loop of this process going.
   */
  readonly awaitEvents: (epoll: Fd, most: number) => PendingEvents;
}
