import { basename } from "node:path";
import type { ErrnoName } from "@rsyscall/abi";
import { type Deny, deny as denyExec, type ExecCall, type ExecParent } from "@rsyscall/seccomp";
import { shellWords } from "../text.ts";

/** The question whether a call may go on, put to the user at the terminal. */
export interface Ask {
  readonly _tag: "Ask";
  /** A remark that is shown with the call. */
  readonly message: string | undefined;
}

/** What a policy says of a call. */
export type Verdict = "allow" | "ask" | Ask | Deny;

/**
 * A policy: it is asked for each program that the command and its descendants want to execute, the command itself
 * as well, in the order of their calls. It may be an async function. What it throws is a denial.
 */
export type Policy = (call: GuardedCall) => Verdict | Promise<Verdict>;

/** Denies a call. @param message for the log and the terminal. @param errno that the caller gets. Default: EACCES */
export const deny = (message?: string, errno?: ErrnoName): Deny => denyExec(message, errno);

/** Asks the user. Without a terminal, it is a denial. */
export const ask = (message?: string): Ask => ({ _tag: "Ask", message });

/** A call as a policy sees it. Text is as the process gave it: a policy for honest programs. */
export interface GuardedCall {
  /** The file, made absolute. Links are not followed. */
  readonly path: string;
  /** The last part of the path: "git". */
  readonly name: string;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string>;
  /** The arguments without argv[0]. */
  readonly args: ReadonlyArray<string>;
  /** All of it in the syntax of a shell: "git push 'a b'". */
  readonly line: string;
  /** The working directory. */
  readonly cwd: string | undefined;
  /** The environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly ppid: number;
  /** The nearest ancestor that has executed a program under this guard. Undefined for the command itself. */
  readonly parent: ExecParent | undefined;
  /** The call itself. */
  readonly exec: ExecCall;
}

/** The call that a policy gets. What is slow to read is read at the first use. */
export const guarded = (exec: ExecCall): GuardedCall => ({
  path: exec.path,
  name: basename(exec.path),
  argv: exec.argv,
  args: exec.argv.slice(1),
  get line() {
    return shellWords(exec.argv.length === 0 ? [exec.path] : exec.argv);
  },
  get cwd() {
    return exec.cwd;
  },
  get env() {
    return exec.env;
  },
  pid: exec.pid,
  ppid: exec.ppid,
  parent: exec.parent,
  exec,
});
