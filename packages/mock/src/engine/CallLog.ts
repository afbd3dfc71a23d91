import { appendFileSync } from "node:fs";
import { endLine, startLine } from "../log.ts";
import type { FromEngine, PostedCall, PostedRecord } from "../messages.ts";

type Logged = PostedCall | (FromEngine & { readonly type: "outcome" });

/** A file with a line of JSON for each call of a mock. It is written before the call is answered. */
export class CallLog {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Logs a message. If that fails, it is a problem of the call, so that the test fails. */
  logged<A extends Logged>(message: A): A {
    const lines =
      message.type === "call" ? linesOf(message.record) : endLine(message.index, message.changes);
    try {
      // At once, so that no other line comes between their parts.
      appendFileSync(this.#path, lines);
      return message;
    } catch (error) {
      if (message.type !== "call") return message;
      const { record } = message;
      const problem = record.problem ?? `the log cannot be written: ${(error as Error).message}`;
      return { ...message, record: { ...record, problem } };
    }
  }
}

/** What the log says of a call that comes: of one whose outcome is known at once, that too. */
const linesOf = (record: PostedRecord): string =>
  record.outcome === "replied" || record.outcome === "passed"
    ? startLine({ ...record, outcome: "pending", status: undefined, signal: undefined }) +
      endLine(record.index, record)
    : startLine(record);
