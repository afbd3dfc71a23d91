import type { ErrnoName } from "@rsyscall/abi";
import type { Pid } from "@rsyscall/near";

/** A process of the tree that has executed a program, for messages about its children. */
export interface ExecParent {
  readonly pid: Pid;
  readonly path: string;
  /** The first arguments, cut if they are long. */
  readonly argv: ReadonlyArray<string>;
}

/**
 * A process asks the kernel to become a program: execve(2) or execveat(2). All of it is as the process says it: its
 * other threads, and processes that share its memory, can change the arguments until the kernel reads them.
 *
 * Text is decoded by `fsDecode` of @rsyscall/abi, which loses no byte. Numbers of processes are those of the pid
 * namespace of the controller.
 */
export interface ExecCall {
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
   * links are not followed. Below a chroot, it is as the process sees it if it was given as an absolute path.
   */
  readonly path: string;
  /** The file as the process gave it; empty if a descriptor alone says which it is (AT_EMPTY_PATH). */
  readonly pathname: string;
  readonly argv: ReadonlyArray<string>;
  /** The variables that `env` of the options asks for. Of two with one name, the first. */
  readonly env: Readonly<Record<string, string>>;
  /** The working directory; undefined if the kernel does not tell. */
  readonly cwd: string | undefined;
  /** Milliseconds since the epoch, with a fraction. */
  readonly time: number;
  /**
   * Whether the same thread made the last call from the same place, with the same arguments: that call has failed.
   * execvp(3) does so for each directory of PATH.
   */
  readonly isRetry: boolean;
  /**
   * Why `path`, `argv` or `env` are not complete: the errno of reading the memory, or E2BIG if they are larger than
   * the bounds. EPERM: the kernel does not let the controller read the process.
   */
  readonly problem: ErrnoName | undefined;
}
