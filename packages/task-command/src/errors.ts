import { printable, TaggedError } from "@rsyscall/near";

/** The stream to a command's stdin and stdout has come to its end. */
export class StreamError extends TaggedError("StreamError")<{
  readonly problem: string;
  /** Whether it was not in order: by bytes that mean nothing, or an error of the kernel. */
  readonly isBroken?: boolean;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return printable(this.problem);
  }
}
