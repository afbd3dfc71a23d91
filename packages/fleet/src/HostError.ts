import { printable } from "@rsyscall/near";
import { Schema } from "effect";

/** What went wrong with a host. */
export type HostProblem =
  /** The inventory of the runner has no host of this name. */
  | "UnknownHost"
  /** The host could not be reached, or did not let us in. */
  | "Open"
  /** The program failed, with an error that is none of its `error` schema. */
  | "Program"
  /** The connection to the host ended while the program ran. */
  | "Cut"
  /** The runner that owned the host ended, or gave it to another one, while the program ran. */
  | "Moved"
  /** The runner has no program of this name: it runs other code than the caller. */
  | "UnknownProgram";

/**
 * A program could not be run on a host, or failed there in a way that its `error` schema does not name. It can be sent
 * between runners.
 */
export class HostError extends Schema.TaggedError<HostError>()("HostError", {
  host: Schema.String,
  problem: Schema.Literals(["UnknownHost", "Open", "Program", "Cut", "Moved", "UnknownProgram"]),
  /** The name of the error beneath: `SshError`, `SyscallError`, `SyscallHangup` ... */
  error: Schema.String,
  /** The message of the error beneath. */
  detail: Schema.String,
  /**
   * Whether the program may have done something on the host. False is certain: nothing of it was begun. Only then is it
   * safe to run it again without thinking.
   */
  mayHaveRun: Schema.Boolean,
}) {
  override get message(): string {
    const { host, detail, mayHaveRun, problem } = this;
    const cut = problem === "Cut" || problem === "Moved";
    const unsure =
      cut && mayHaveRun ? "; the program may have been performed, wholly or in part" : "";
    return `${printable(host)}: ${detail}${unsure}`;
  }
}
