import { printable, TaggedError } from "@rsyscall/near";

/** The maximum number of characters of the input in a message. */
const SHOWN = 200;

/** A stream ended in the middle of an item. */
export class EndOfFileError extends TaggedError("EndOfFileError")<{
  /** The item that was being read. */
  readonly reading: string;
  /** The number of its bytes that arrived. */
  readonly available: number;
}> {
  override get message(): string {
    return `The stream ended after ${this.available} bytes of ${printable(this.reading, SHOWN)}`;
  }
}

/** An item is longer than the reader's limit. */
export class TooLongError extends TaggedError("TooLongError")<{
  readonly reading: string;
  /** The limit in bytes. */
  readonly limit: number;
}> {
  override get message(): string {
    return `${printable(this.reading, SHOWN)} is longer than ${this.limit} bytes`;
  }
}

/** The input does not have the expected form. */
export class MalformedError extends TaggedError("MalformedError")<{
  readonly reading: string;
  /** The input that was found instead. */
  readonly found: string;
}> {
  override get message(): string {
    return `${JSON.stringify(printable(this.found, SHOWN))} is not part of ${printable(this.reading, SHOWN)}`;
  }
}
