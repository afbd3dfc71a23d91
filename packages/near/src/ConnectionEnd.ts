import { Exit } from "effect";
import type { SyscallSendError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";

/**
 * Why a scope closes: the connection to the task that it was for has ended. What the scope gives back then
 * fails its later users with the end of the connection, because none of them has closed anything.
 */
export class ConnectionEnd {
  /** The error of an operation after the end, by the operation's name. */
  readonly sendError: (operation: string) => SyscallSendError;

  constructor(sendError: (operation: string) => SyscallSendError) {
    this.sendError = sendError;
  }

  /** What a scope closes with, if that is the end of a connection. */
  static of(exit: Exit.Exit<unknown, unknown>): ConnectionEnd | undefined {
    if (Exit.isSuccess(exit)) return undefined;
    for (const reason of exit.cause.reasons)
      if (reason._tag === "Fail" && reason.error instanceof ConnectionEnd) return reason.error;
    return undefined;
  }
}

oneLine(ConnectionEnd, ({ sendError }) => sendError("any operation").message);
