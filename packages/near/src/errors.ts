import { Errno, type ErrnoName, errnoMessage, errnoName } from "@rsyscall/abi";
import { Effect } from "effect";
import { explanationOf } from "./explanations.ts";
import { printable } from "./printable.ts";
import { TaggedError } from "./TaggedError.ts";

/**
 * A system call was performed, and the kernel refused it.
 *
 * @example
 * ```ts
 * import { catchErrno, SyscallError } from "@rsyscall/near";
 * import { Effect } from "effect";
 *
 * const missing = Effect.fail(SyscallError.of("open", "ENOENT", "/etc/motd"));
 * const text = missing.pipe(catchErrno("ENOENT", (error) => Effect.succeed(error.message)));
 * console.log(Effect.runSync(text)); // open(/etc/motd): ENOENT: No such file or directory
 * ```
 */
export class SyscallError extends TaggedError("SyscallError")<{
  /** The name of the call, as syscalls(2) has it: `openat`. */
  readonly syscall: string;
  /** The errno as a positive number. */
  readonly number: number;
  /** The errno as its name, `ENOENT`. What Node calls `errno` is a negative number. */
  readonly errno: ErrnoName;
  /** What the call was about, as the message has it: a path, a descriptor, ids. */
  readonly subject: string | undefined;
  /** What is known beyond the errno: the cause, and what helps. Default: what `explanationOf` knows. */
  readonly explanation?: string;
}> {
  /** The path that the call was about, if it was about one. As in the errors of Node. */
  declare path?: string;
  /** The second path, of calls that have two. As in the errors of Node. */
  declare dest?: string;

  /** From a raw result: `-errno`. */
  static from(syscall: string, result: number, subject?: string): SyscallError {
    const number = -result;
    return new SyscallError({ syscall, number, errno: errnoName(number) as ErrnoName, subject });
  }

  /**
   * For what the kernel would misread, such as a path with a NUL in it.
   *
   * @param explanation what is wrong, and what helps: more than the errno says
   */
  static of(
    syscall: string,
    errno: ErrnoName,
    subject?: string,
    explanation?: string,
  ): SyscallError {
    return new SyscallError({
      syscall,
      number: Errno[errno],
      errno,
      subject,
      ...(explanation !== undefined && { explanation }),
    });
  }

  /** The errno as its name: as in the errors of Node. */
  get code(): ErrnoName {
    return this.errno;
  }

  /**
   * The same error with a path, which is what it is about if nothing else is known. Of two paths, give the second
   * one first.
   */
  isAbout(path: string): void {
    const error = this as { subject: string | undefined };
    if (this.subject === undefined) error.subject = path;
    else if (this.subject === this.path) error.subject = `${path} to ${this.path}`;
    if (this.path !== undefined) this.dest = this.path;
    this.path = path;
  }

  override get message(): string {
    const subject = this.subject === undefined ? "" : `(${printable(this.subject)})`;
    const { syscall, errno } = this;
    const known = this.explanation ?? explanationOf(syscall, errno, this.subject);
    const explanation = known === undefined ? "" : ` (${known})`;
    return `${syscall}${subject}: ${errno}: ${errnoMessage(errno)}${explanation}`;
  }

  /** The same error with what was found out about its cause, and what helps. */
  because(explanation: string): SyscallError {
    const { syscall, errno, subject } = this;
    return SyscallError.of(syscall, errno, subject, explanation);
  }
}

/**
 * The call was sent, and the connection ended before its result came: it may have been performed or not.
 * For `exit` and `execve` this is what success looks like.
 */
export class SyscallHangup extends TaggedError("SyscallHangup")<{
  readonly syscall: string;
  readonly cause?: unknown;
  /**
   * Whether it was the task that let go of its end, as it does when it ends or executes a program. Otherwise
   * the connection was closed here, or the way to the task was cut.
   */
  readonly byTask?: boolean;
  /** Says which process it was and what is known of its end by now: "pid 7, which was killed by SIGKILL". */
  readonly describe?: (() => string) | undefined;
}> {
  override get message(): string {
    const subject = this.describe?.() ?? "the task";
    return `${this.syscall}: ${subject}${subject.includes(",") ? "," : ""} hung up before the result came; the call may have been performed`;
  }
}

/** The call was certainly not sent: the connection to the task had ended before. */
export class SyscallSendError extends TaggedError("SyscallSendError")<{
  readonly syscall: string;
  readonly cause?: unknown;
  /** As of {@link SyscallHangup}. */
  readonly describe?: (() => string) | undefined;
}> {
  override get message(): string {
    const subject = this.describe?.() ?? "the task";
    return `${this.syscall}: not sent, because the connection to ${subject}${subject.includes(",") ? "," : ""} has ended`;
  }
}

/**
 * A call was refused before anything was sent or changed, because an argument cannot mean what it says: a NaN,
 * a negative size, a path with a NUL in it. The kernel was not asked. An error of the program, which a retry
 * does not mend.
 */
export class InvalidArgumentError extends TaggedError("InvalidArgumentError")<{
  /** The call, as its man page or method is named: `ftruncate`. */
  readonly syscall: string;
  /** The argument, as its label in the function's signature: `length`. */
  readonly argument: string;
  readonly value: unknown;
  /** What would be right, as in "a size from 0 to 9007199254740991". */
  readonly expected: string;
}> {
  override get message(): string {
    const { syscall, argument, value, expected } = this;
    return `${syscall}: ${argument} is ${printable(shown(value))}, and must be ${expected}`;
  }
}

/** A value of any type, in few words. */
const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
};

/** The way to the task is gone, for good. */
export type ConnectionError = SyscallHangup | SyscallSendError;

/** All that can go wrong with a system call. */
export type SyscallFailure = SyscallError | InvalidArgumentError | ConnectionError;

const isErrno = (error: unknown, names: ReadonlyArray<ErrnoName>): error is SyscallError =>
  error instanceof SyscallError && names.includes(error.errno);

/** Recovers from a {@link SyscallError} with one of these errnos; other errors pass. */
export const catchErrno =
  <A2, E2, R2>(
    errno: ErrnoName | ReadonlyArray<ErrnoName>,
    recover: (error: SyscallError) => Effect.Effect<A2, E2, R2>,
  ) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | A2, E | E2, R | R2> => {
    const names = typeof errno === "string" ? [errno] : errno;
    return Effect.catch(
      self,
      (error: E): Effect.Effect<A2, E | E2, R2> =>
        isErrno(error, names) ? recover(error) : Effect.fail(error),
    );
  };
