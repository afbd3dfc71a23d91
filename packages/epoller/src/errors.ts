import { Data } from "effect";

/** A stream ended in the middle of something. */
export class EndOfFileError extends Data.TaggedError("EndOfFileError")<{
  /** What was being read. */
  readonly reading: string;
  /** Bytes that there were of it. */
  readonly available: number;
}> {
  override get message(): string {
    return `The stream ended after ${this.available} bytes of ${this.reading}`;
  }
}

/** What is announced is larger than the reader is willing to take. */
export class TooLongError extends Data.TaggedError("TooLongError")<{
  readonly reading: string;
  /** Bytes. */
  readonly limit: number;
}> {
  override get message(): string {
    return `${this.reading} is longer than ${this.limit} bytes`;
  }
}

/** What was read is not what it should be. */
export class MalformedError extends Data.TaggedError("MalformedError")<{
  readonly reading: string;
  /** What there was instead. */
  readonly found: string;
}> {
  override get message(): string {
    return `${JSON.stringify(this.found)} is not part of ${this.reading}`;
  }
}
