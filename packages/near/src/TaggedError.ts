import { Data } from "effect";
import { addUserFrames, waitingPrograms } from "./userFrames.ts";

const inspection = Symbol.for("nodejs.util.inspect.custom");

type Inspect = (value: unknown, options: object) => string;

/**
 * `Data.TaggedError`, for all errors of these packages. Its stack begins with the lines of the program
 * that failed (see `addUserFrames`), and it prints with its message.
 *
 * A message names the subject, the problem and the remedy. Text from peers and users is escaped by
 * `printable`.
 */
export const TaggedError = <Tag extends string>(
  tag: Tag,
): ReturnType<typeof Data.TaggedError<Tag>> => {
  class Tagged extends (Data.TaggedError(tag) as new (
    fields: object,
  ) => Error & { toJSON(): object }) {
    constructor(fields: object) {
      const waiting = waitingPrograms();
      const limit = Error.stackTraceLimit;
      // The stack is captured once: here, or in `addUserFrames`.
      if (waiting !== undefined) Error.stackTraceLimit = 0;
      super(fields);
      if (waiting === undefined) return;
      Error.stackTraceLimit = limit;
      addUserFrames(this, waiting);
    }

    override toJSON(): object {
      return { ...super.toJSON(), message: this.message };
    }

    [inspection](depth: number, options: object, inspect: Inspect): string {
      if (depth < 0) return `[${this.name}: ${this.message}]`;
      return `${this.stack} ${inspect({ ...this }, options)}`;
    }
  }
  return Tagged as unknown as ReturnType<typeof Data.TaggedError<Tag>>;
};
