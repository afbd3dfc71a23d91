import type { NamespaceMismatchError } from "@rsyscall/far";
import type { OutOfSpaceError } from "@rsyscall/memory";
import {
  type InvalidStateError,
  printable,
  type SyscallFailure,
  type SyscallSendError,
  TaggedError,
} from "@rsyscall/near";

/** A handle was used after it was closed, moved, freed or consumed. */
export class UseAfterFreeError extends TaggedError("UseAfterFreeError")<{
  /** What was used, as in "fd 7" or "pointer to Bytes". */
  readonly subject: string;
}> {
  override get message(): string {
    return `${printable(this.subject)} was used after it was closed, moved, freed or consumed, or its scope was closed`;
  }
}

/** A handle is no longer valid: the program has given it up, or the connection to its task has ended. */
export type InvalidHandleError = UseAfterFreeError | SyscallSendError;

/** A value does not fit: into memory, or into what the kernel takes. */
export class SizeError extends TaggedError("SizeError")<{
  readonly subject: string;
  /** Bytes that the value needs. */
  readonly needed: number;
  /** Bytes that are available. */
  readonly available: number;
}> {
  override get message(): string {
    return `${printable(this.subject)} needs ${this.needed} bytes, and there are ${this.available}`;
  }
}

const withArticle = (noun: string): string => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

/** An fd is of another kind than the conversion asked for. */
export class WrongKindError extends TaggedError("WrongKindError")<{
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
}> {
  override get message(): string {
    return `${printable(this.subject)} is ${withArticle(this.actual)}, not ${withArticle(this.expected)}`;
  }
}

/** Errors of malloc, and of a call that needs memory in the task, for a path or a result. */
export type MallocFailure = SyscallFailure | OutOfSpaceError;

/** Errors of ptr. */
export type PtrFailure = MallocFailure | SizeError;

/** Errors of a call through a descriptor. */
export type FdFailure = SyscallFailure | InvalidHandleError;

/** Errors of a call through a descriptor that needs memory in the task, as reads and writes do. */
export type IoFailure = FdFailure | MallocFailure;

/** Errors of the use of a handle through another task: `borrow`. */
export type BorrowFailure = InvalidHandleError | NamespaceMismatchError;

/** All errors of operations. An operation that can fail with fewer of them says so. */
export type HandleFailure =
  | IoFailure
  | BorrowFailure
  | PtrFailure
  | WrongKindError
  | InvalidStateError;
