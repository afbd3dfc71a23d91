import { basename } from "node:path";
import type { ErrnoName } from "@rsyscall/abi";
import type { ReplyOptions } from "@rsyscall/mock";
import { type Deny, deny as denyExec, type ExecCall, type ExecParent } from "@rsyscall/seccomp";
import { shellWords } from "../text.ts";

/** The question whether a call may go on, put to the user at the terminal. */
export interface Ask {
  readonly _tag: "Ask";
  /** A remark that is shown with the call. */
  readonly message: string | undefined;
}

/** A call gets an answer, and no program is executed. */
export interface Replied {
  readonly _tag: "Reply";
  /** What the caller gets. */
  readonly reply: ReplyOptions;
}

/** What a program is called with in place of what its caller has given: what is left out stays. */
export interface OtherCommand {
  /** Another program: a name that is looked for in PATH, or a path. */
  readonly program?: string;
  /** Other arguments, without argv[0]. */
  readonly args?: ReadonlyArray<string>;
  /** Changes to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A call becomes another one. */
export interface Rewritten {
  readonly _tag: "Rewrite";
  /** What is executed in place of the call. */
  readonly command: OtherCommand;
}

/** A program runs outside of the guard, with the caller's stdin, stdout, stderr and directory. */
export interface RunOutside {
  readonly _tag: "Outside";
  /** What runs, where it differs from the call. */
  readonly command: OtherCommand;
}

/** Verdicts for calls of names that the policy exports, in `names`, which come by PATH. */
export type Answer = Replied | Rewritten | RunOutside;

/** What a policy says of a call. */
export type Verdict = "allow" | "ask" | Ask | Deny | Answer;

/** Answers a call in place of the program: with output, and a status or signal. */
export const reply = (reply: ReplyOptions): Replied => ({ _tag: "Reply", reply });

/** Executes another command line in place of the call, in the same process. It is not decided again. */
export const rewrite = (command: OtherCommand): Rewritten => ({ _tag: "Rewrite", command });

/** Runs the program, or another one, outside of the guard: it may do what the tree may not, and is not watched. */
export const outside = (command: OtherCommand = {}): RunOutside => ({ _tag: "Outside", command });

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
  /** The process that makes the call. */
  readonly pid: number;
  /** Its parent; 0 if that is unknown. */
  readonly ppid: number;
  /** The nearest ancestor that has executed a program under this guard. Undefined for the command itself. */
  readonly parent: ExecParent | undefined;
  /** The call itself. */
  readonly exec: ExecCall;
}

/**
 * The call that a policy gets. What is slow to read is read at the first use.
 *
 * @param path of the program, if the call is of a link that leads to us
 */
export const guarded = (exec: ExecCall, path = exec.path): GuardedCall => ({
  path,
  name: basename(path),
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
