import type { CallHandler } from "./Call.ts";
import type { MockCore } from "./MockCore.ts";
import { checkNames } from "./options.ts";
import type { ArgumentPattern } from "./pattern.ts";
import { commandLine } from "./pattern.ts";
import type { Rule } from "./Rule.ts";
import type { CallRecord } from "./record.ts";
import type { Reply } from "./replyData.ts";

/** How long to wait for a call. */
export interface NextOptions {
  /** Milliseconds. Default 4000. */
  readonly timeout?: number;
  /** Ends the wait before its time. */
  readonly signal?: AbortSignal;
}

/** A mocked program: its rules, and its calls. */
export class Program {
  readonly #mock: MockCore;
  /** The name, or the path, that is mocked. */
  readonly name: string;

  /** @internal */
  constructor(mock: MockCore, name: string) {
    this.#mock = mock;
    this.name = name;
  }

  /** A rule for calls whose arguments begin as these patterns say. */
  rule(...args: ReadonlyArray<ArgumentPattern>): Rule {
    return this.#mock.rule(this.name, args);
  }

  /** What calls get for which no other rule is. */
  otherwise(reply: Reply | CallHandler): Rule {
    return this.#mock.rule(this.name, [], true).reply(reply);
  }

  /** A rule for all its calls. */
  reply(reply: Reply | CallHandler): Rule {
    return this.rule().reply(reply);
  }

  /** Its calls until now. */
  get calls(): ReadonlyArray<CallRecord> {
    return this.#mock.records.filter(
      ({ program, path }) => program === this.name || path === this.name,
    );
  }

  /** Waits for its next call. */
  async next(options: NextOptions = {}): Promise<CallRecord> {
    checkNames("next", options, ["timeout", "signal"], "next");
    const { timeout, signal } = options;
    return this.#mock.next(
      ({ program, path }) => program === this.name || path === this.name,
      commandLine([this.name]),
      timeout,
      signal,
    );
  }
}
