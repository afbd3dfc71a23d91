import type { ErrnoName } from "@rsyscall/abi";
import { oneLine, type Pid } from "@rsyscall/near";

/** A process of the tree that has executed a program, for messages about its children. */
export interface ExecParent {
  /** Its number in the pid namespace of the controller. */
  readonly pid: Pid;
  /** The file that it has executed. */
  readonly path: string;
  /** The first arguments, cut if they are long. */
  readonly argv: ReadonlyArray<string>;
}

/** What a call says, as read at once. */
export interface ExecFacts {
  /** The process that makes the call. */
  readonly pid: Pid;
  /** The thread that makes the call: `pid` for a process with one thread. */
  readonly tid: Pid;
  /** The parent, as the kernel says; 0 if that is unknown. */
  readonly ppid: number;
  /**
   * The nearest ancestor that has executed a program in this tree: the parent, or that of a subshell. Undefined for
   * the command itself, and for a process whose parent has ended.
   */
  readonly parent: ExecParent | undefined;
  /**
   * The file, made absolute by the working directory or the descriptor that it is relative to. Not normalized, and
   * links are not followed. An absolute path is as the process gave it, also below a chroot.
   */
  readonly path: string;
  /** The file as the process gave it; empty if a descriptor alone says which it is (AT_EMPTY_PATH). */
  readonly pathname: string;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string>;
  /** Milliseconds since the epoch, with a fraction. */
  readonly time: number;
  /**
   * Whether the same thread made its last call from the same place, with the same arguments: that call has failed.
   * execvp(3) makes one for each directory of PATH.
   */
  readonly isRetry: boolean;
  /**
   * Why `path` and `argv` are not complete: the errno of reading the memory, or E2BIG if there are more than 32,768
   * arguments or more than 1 MiB of them. EPERM: the kernel does not let the controller read the process.
   */
  readonly problem: ErrnoName | undefined;
}

/** Reads more of a process, while it waits. */
export interface ExecSource {
  /** The working directory; undefined if it cannot be read. */
  readonly cwd: () => string | undefined;
  /** The environment of the new program, as `NAME=value`. */
  readonly env: () => ReadonlyArray<string>;
}

let end: (call: ExecCall) => void;

/** Notes that a call was answered: its process goes on, and nothing more can be read of it. */
export const answered = (call: ExecCall): void => end(call);

/**
 * A process asks the kernel to become a program: execve(2) or execveat(2). All of it is as the process says it: its
 * other threads, and processes that share its memory, can change the arguments until the kernel reads them.
 *
 * Text is decoded by `fsDecode` of @rsyscall/abi, which loses no byte. Numbers of processes are those of the pid
 * namespace of the controller.
 */
export class ExecCall implements ExecFacts {
  /** The process that makes the call. */
  readonly pid: Pid;
  readonly tid: Pid;
  readonly ppid: number;
  readonly parent: ExecParent | undefined;
  readonly path: string;
  readonly pathname: string;
  /** The name by which the program is called, and its arguments. */
  readonly argv: ReadonlyArray<string>;
  readonly time: number;
  readonly isRetry: boolean;
  readonly problem: ErrnoName | undefined;
  #source: ExecSource | undefined;
  #cwd: string | undefined;
  #env: Readonly<Record<string, string>> | undefined;

  static {
    end = (call) => {
      call.#source = undefined;
    };
  }

  constructor(facts: ExecFacts, source: ExecSource) {
    this.pid = facts.pid;
    this.tid = facts.tid;
    this.ppid = facts.ppid;
    this.parent = facts.parent;
    this.path = facts.path;
    this.pathname = facts.pathname;
    this.argv = facts.argv;
    this.time = facts.time;
    this.isRetry = facts.isRetry;
    this.problem = facts.problem;
    this.#source = source;
  }

  /**
   * The working directory, which is read at the first use: undefined if that is after the answer, or if the kernel does
   * not tell.
   */
  get cwd(): string | undefined {
    this.#cwd ??= this.#source?.cwd();
    return this.#cwd;
  }

  /**
   * The environment of the program, which is read at the first use: empty if that is after the answer. Of two
   * variables with one name, it has the first, as getenv(3) does.
   */
  get env(): Readonly<Record<string, string>> {
    if (this.#env !== undefined) return this.#env;
    const variables: Record<string, string> = Object.create(null);
    if (this.#source === undefined) return variables;
    for (const string of this.#source.env()) {
      const at = string.indexOf("=", 1);
      if (at > 0) variables[string.slice(0, at)] ??= string.slice(at + 1);
    }
    this.#env = variables;
    return variables;
  }
}

oneLine(ExecCall, ({ pid, path }) => `${path} by pid ${pid}`);
