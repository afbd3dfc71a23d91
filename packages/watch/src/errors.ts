import { printable, TaggedError } from "@rsyscall/near";

/** A policy file cannot be used. */
export class PolicyError extends TaggedError("PolicyError")<{
  readonly path: string;
  readonly problem: string;
  readonly cause?: unknown;
}> {
  override get message(): string {
    const { path, problem, cause } = this;
    const detail = cause instanceof Error ? `: ${cause.message}` : "";
    return `policy ${printable(path)}: ${problem}${detail}`;
  }
}

/** A file for a report or a log cannot be written. */
export class OutputError extends TaggedError("OutputError")<{
  readonly path: string;
  readonly cause: unknown;
}> {
  override get message(): string {
    const { path, cause } = this;
    return `cannot write ${printable(path)}: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
