import type { NamespaceMismatchError } from "@rsyscall/far";
import type { OutOfSpaceError } from "@rsyscall/memory";
import type { SyscallFailure } from "@rsyscall/near";
import { Data } from "effect";

/** A handle was used after it was closed, moved, freed or consumed. */
export class UseAfterFreeError extends Data.TaggedError("UseAfterFreeError")<{
  /** What was used, as in "fd 7" or "pointer to Bytes". */
  readonly subject: string;
}> {
  override get message(): string {
    return `${this.subject} was used after it was closed, moved or consumed`;
  }
}

/** A value does not fit: into memory, or into what the kernel takes. */
export class SizeError extends Data.TaggedError("SizeError")<{
  readonly subject: string;
  /** Bytes that the value needs. */
  readonly needed: number;
  /** Bytes that there are. */
  readonly available: number;
}> {
  override get message(): string {
    return `${this.subject} needs ${this.needed} bytes, and there are ${this.available}`;
  }
}

/** An fd is of another kind than the conversion asked for. */
export class WrongKindError extends Data.TaggedError("WrongKindError")<{
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
}> {
  override get message(): string {
    return `${this.subject} is a ${this.actual}, not a ${this.expected}`;
  }
}

/** All that can go wrong with an operation on a handle. */
export type HandleFailure =
  | SyscallFailure
  | UseAfterFreeError
  | NamespaceMismatchError
  | OutOfSpaceError
  | SizeError
  | WrongKindError;
