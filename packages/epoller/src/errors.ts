import { printable, TaggedError } from "@rsyscall/near";

/** Characters of what was read in a message. */
const SHOWN = 200;

/** A stream ended in the middle of something. */
export class EndOfFileError extends TaggedError("EndOfFileError")<{
  /** What was being read. */
  readonly reading: string;
  /** Bytes that there were of it. */
  readonly available: number;
}> {
  override get message(): string {
    return `The stream ended after ${this.available} bytes of ${printable(this.reading, SHOWN)}`;
  }
}

/** What is announced is larger than the reader is willing to take. */
export class TooLongError extends TaggedError("TooLongError")<{
  readonly reading: string;
  /** Bytes. */
  readonly limit: number;
}> {
  override get message(): string {
    return `${printable(this.reading, SHOWN)} is longer than ${this.limit} bytes`;
  }
}

/** What was read is not what it should be. */
export class MalformedError extends TaggedError("MalformedError")<{
  readonly reading: string;
  /** What there was instead. */
  readonly found: string;
}> {
  override get message(): string {
    return `${JSON.stringify(printable(this.found, SHOWN))} is not part of ${printable(this.reading, SHOWN)}`;
  }
}
