import type { Exec } from "@rsyscall/seccomp";

/** A line of the log: each decision, in the order in which processes got them. */
export interface LoggedDecision {
  /** When it was decided: ISO 8601. */
  readonly time: string;
  /** What was decided. */
  readonly decision: "allow" | "deny" | "reply" | "rewrite" | "outside";
  /** The errno that the caller got; null if it was allowed. */
  readonly errno: string | null;
  /** Why it was denied, if there is a reason. */
  readonly message: string | null;
  /** Whether there was no decision in time, or the policy failed. */
  readonly isFailure: boolean;
  /** The process that makes the call. */
  readonly pid: number;
  /** The file, made absolute. */
  readonly path: string;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string>;
  /** The working directory; null if it is unknown. */
  readonly cwd: string | null;
  /** The nearest ancestor that has executed a program; null for the command itself. */
  readonly parent: { readonly pid: number; readonly argv: ReadonlyArray<string> } | null;
}

/** The line for a call that was answered. @param allowed what was done in place of executing it; and its real path */
export const logged = (
  { call, decision, failure }: Exec,
  allowed: LoggedDecision["decision"] = "allow",
  path = call.path,
): LoggedDecision => ({
  time: new Date(call.time).toISOString(),
  decision: decision._tag === "Allow" ? allowed : "deny",
  errno: decision._tag === "Allow" ? null : decision.errno,
  message: decision._tag === "Allow" ? null : (failure ?? decision.message ?? null),
  isFailure: failure !== undefined,
  pid: call.pid,
  path,
  argv: call.argv,
  cwd: call.cwd ?? null,
  parent: call.parent === undefined ? null : { pid: call.parent.pid, argv: call.parent.argv },
});
