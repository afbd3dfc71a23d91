import { Exit } from "effect";
import type { SyscallSendError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";

/**
 * The reason why a scope closes: the connection to its task has ended. The resources of the scope then fail later
 * uses with the end of the connection, because the caller has not closed them.
 */
export class ConnectionEnd {
  /** The error of an operation after the end, by the operation's name. */
  readonly sendError: (operation: string) => SyscallSendError;

  constructor(sendError: (operation: string) => SyscallSendError) {
    this.sendError = sendError;
  }

  /** Returns the reason of a scope's exit, if it is the end of a connection. */
  static of(exit: Exit.Exit<unknown, unknown>): ConnectionEnd | undefined {
    if (Exit.isSuccess(exit)) return undefined;
    for (const reason of exit.cause.reasons)
      if (reason._tag === "Fail" && reason.error instanceof ConnectionEnd) return reason.error;
    return undefined;
  }
}

oneLine(ConnectionEnd, ({ sendError }) => sendError("any operation").message);
