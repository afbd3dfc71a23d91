import { Data } from "effect";

/** Whoever wanted to become a Thread was turned away before it did. */
export class HandshakeError extends Data.TaggedError("HandshakeError")<{
  /** What the client is told, if it still listens. */
  readonly problem: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    return this.problem;
  }
}
