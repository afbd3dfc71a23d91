import { printable, TaggedError } from "@rsyscall/near";

/** The stream to a command's stdin and stdout has ended. */
export class StreamError extends TaggedError("StreamError")<{
  readonly problem: string;
  /** Whether the stream is broken, by invalid bytes or an error of the kernel. */
  readonly isBroken?: boolean;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return printable(this.problem);
  }
}
