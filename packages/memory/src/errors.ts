import { TaggedError } from "@rsyscall/near";

/** No memory: the task's limit for our allocations, or what the kernel would give, is reached. */
export class OutOfSpaceError extends TaggedError("OutOfSpaceError")<{
  /** Bytes that were asked for. */
  readonly requested: number;
  /** Bytes that this allocator may map in all. */
  readonly limit: number;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return `No room for ${this.requested} bytes: the task's allocator may map ${this.limit} bytes in all; free what is no longer needed, or ask for less`;
  }
}
