import type { Abi } from "@rsyscall/abi";
import type { Word, Words } from "@rsyscall/native";
import type { Effect } from "effect";
import type { ConnectionError, InvalidArgumentError, SyscallFailure } from "./errors.ts";
import type { Address, Fd } from "./identifiers.ts";
import type { PendingCall } from "./PendingCall.ts";
import type { PendingEvents } from "./PendingEvents.ts";

export type { Word, Words } from "@rsyscall/native";

/**
 * A way to make system calls in a task and to reach its memory. All packages are built on this interface.
 *
 * Operations are performed in the order in which they were submitted, and complete in that order.
 * Any number may be in flight. A submitted operation is always waited for, even if its fiber is
 * interrupted, so no result is ever lost.
 */
export interface SyscallInterface {
  /** Numbers and layouts of the machine that the task runs on. */
  readonly abi: Abi;

  /**
   * Makes a system call and gives the kernel's result, `-errno` included. `call` in this package
   * turns that into a SyscallError. Words that are not given are 0. If a word is not an integer of 64 bits, the
   * call is refused and nothing is sent.
   */
  readonly syscall: (
    number: number,
    ...words: Words
  ) => Effect.Effect<Word, ConnectionError | InvalidArgumentError>;

  /** Optional fast path without an Effect per call. */
  readonly direct?: DirectCalls | undefined;

  /** Optional: waits for events in the task that do not delay other calls. */
  readonly waits?: EventWaits | undefined;

  /**
   * Copies `length` bytes out of the task's memory.
   *
   * @param into an array of this length that may be overwritten. The result is this array where that saves a copy, and
   *   else a new one: see `readInto`.
   */
  readonly read: (
    address: Address,
    length: number,
    into?: Uint8Array,
  ) => Effect.Effect<Uint8Array, SyscallFailure>;

  /**
   * Copies bytes into the task's memory. Completes as soon as it is submitted: every later operation
   * on this interface sees the bytes as they were then.
   */
  readonly write: (address: Address, bytes: Uint8Array) => Effect.Effect<void, ConnectionError>;

  /** Optional: copies between files of this process and the task's memory. */
  readonly transfers?: FileTransfers | undefined;

  /**
   * The last write, while it is in flight. Until it is done, freed memory must not be reused by other tasks of the
   * address space, nor by code that accesses the memory directly.
   */
  readonly lastWrite?: PendingWrite | undefined;

  /** Completes when all that was submitted before has been performed. */
  readonly barrier: () => Effect.Effect<void, ConnectionError>;

  /** Ends the interface. Pending calls fail with SyscallHangup, later ones with SyscallSendError. */
  readonly close: () => Effect.Effect<void>;

  /**
   * A descriptor in the task that is readable while requests are waiting. A caller that makes a blocking call in
   * the task while other callers use the task must watch it too. None if calls are made directly.
   */
  readonly activityFd: Fd | undefined;

  /** The interface that this one decorates. See `decorated`. */
  readonly inner?: SyscallInterface | undefined;
}

/**
 * Copies bytes between files of this process and the memory of a task, a part at a time: what is on its way takes no
 * memory here. Each copy has its place in the order of the operations when its effect begins, as a system call has,
 * and is not interruptible. The connection carries as many bytes as were announced, also if the file fails.
 */
export interface FileTransfers {
  /**
   * Copies bytes of a file to the task. Zeros stand for those that the file does not have. Later operations see the
   * bytes, as after `write`.
   *
   * @param file its descriptor in this process
   * @returns how many bytes the file had, when the last byte has left
   */
  readonly send: <E>(
    file: Effect.Effect<Fd, E>,
    offset: number,
    address: Address,
    length: number,
  ) => Effect.Effect<number, E | SyscallFailure>;

  /** Copies bytes of the task into a file. Completes when the last one is written. */
  readonly receive: <E>(
    address: Address,
    length: number,
    file: Effect.Effect<Fd, E>,
    offset: number,
  ) => Effect.Effect<void, E | SyscallFailure>;
}

/** A write to the memory of a task that is in flight. */
export interface PendingWrite {
  /** Calls back when this write and all earlier ones have arrived, or never will. Any number may be registered. */
  readonly whenDone: (onDone: () => void) => void;
}

/** Submits calls synchronously. */
export interface DirectCalls {
  /**
   * Submits a call. Returns the result if it is available immediately. After its calls, the caller must call
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
   * Waits for the calls that complete within microseconds, and lets the event loop complete the others
   * later.
   */
  readonly settle: () => void;
}

/** Waits for events of an epoll instance of the task. */
export interface EventWaits {
  /**
   * Submits a wait for at most `most` events. It completes when there are events, and also, perhaps
   * without events, as soon as any other operation is submitted, so it never delays one. Another wait
   * ends it too, so there should be one at a time. The wait alone does not keep the event loop of
   * this process alive.
   */
  readonly awaitEvents: (epoll: Fd, most: number) => PendingEvents;
}
