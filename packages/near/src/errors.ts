import { inspect } from "node:util";
import { Errno, type ErrnoName, errnoMessage, errnoName } from "@rsyscall/abi";
import { Effect } from "effect";
import { dual } from "effect/Function";
import { explanationOf } from "./explanations.ts";
import { printable } from "./printable.ts";
import { TaggedError } from "./TaggedError.ts";

/**
 * A system call was performed, and the kernel refused it. A call that this library refuses before anything is sent
 * fails with an {@link InvalidArgumentError} or an {@link InvalidStateError}.
 *
 * The library itself makes three kinds of these errors. EPROTO: the task gave an answer that no kernel gives.
 * EOVERFLOW: no JavaScript number holds the kernel's answer. And errors that the kernel would give as well, where
 * that is known without asking: ESRCH for a child that was waited for.
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
  /** The name of the errno, such as `ENOENT`. (In Node's errors `errno` is a negative number.) */
  readonly errno: ErrnoName;
  /** The subject of the call, as in the message: a path, a descriptor, ids. */
  readonly subject: string | undefined;
  /** The cause and the remedy, if more is known than the errno. Default: the text of `explanationOf`. */
  readonly explanation?: string;
}> {
  /** The path of the call, if it has one. As in the errors of Node. */
  declare path?: string;
  /** The second path, of calls that have two. As in the errors of Node. */
  declare dest?: string;

  /** Makes the error from a raw result: `-errno`. */
  static from(syscall: string, result: number, subject?: string): SyscallError {
    const number = -result;
    return new SyscallError({ syscall, number, errno: errnoName(number) as ErrnoName, subject });
  }

  /**
   * Makes the error from the name of the errno.
   *
   * @param explanation the cause and the remedy, if more is known than the errno
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

  /** The name of the errno, as in the errors of Node. */
  get code(): ErrnoName {
    return this.errno;
  }

  /**
   * Adds a path to the error, which also becomes its subject if it has none. If there are two paths, add the second
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

  /** Returns the same error with an explanation: the cause and the remedy. */
  because(explanation: string): SyscallError {
    const { syscall, errno, subject } = this;
    return SyscallError.of(syscall, errno, subject, explanation);
  }
}

/**
 * The call was sent, and the connection ended before its result came: it may have been performed or not.
 * `exit_group` and `execve` succeed in this way: see `leaving`.
 */
export class SyscallHangup extends TaggedError("SyscallHangup")<{
  readonly syscall: string;
  readonly cause?: unknown;
  /**
   * Whether the task closed its end of the connection, as it does when it ends or executes a program. Otherwise
   * this side closed the connection, or the connection was cut.
   */
  readonly byTask?: boolean;
  /** Names the process and says how it ended, if that is known by now: "pid 7, which was killed by SIGKILL". */
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
 * This library refused a call before anything was sent or changed, because the kernel would misread an argument or
 * refuse it: a NaN, a negative size, a path with a NUL in it. It is an error of the program: the same call fails
 * again.
 *
 * @example
 * ```ts
 * import { InvalidArgumentError } from "@rsyscall/near";
 *
 * const error = new InvalidArgumentError({
 *   syscall: "ftruncate",
 *   argument: "length",
 *   value: Number.NaN,
 *   expected: "a size from 0 to 9007199254740991",
 * });
 * console.log(error.message);
 * // ftruncate: length is NaN, and must be a size from 0 to 9007199254740991
 * ```
 */
export class InvalidArgumentError extends TaggedError("InvalidArgumentError")<{
  /** The call, as its man page or method is named: `ftruncate`. */
  readonly syscall: string;
  /** The argument, as it is called in the function's signature: `length`. */
  readonly argument: string;
  readonly value: unknown;
  /** The valid values, as in "a size from 0 to 9007199254740991". */
  readonly expected: string;
  /** The error of the codec, if a part of the value is wrong. */
  readonly cause?: unknown;
}> {
  override get message(): string {
    const { syscall, argument, value, expected, cause } = this;
    const detail = cause instanceof Error ? ` (${printable(cause.message, SHOWN)})` : "";
    return `${syscall}: ${argument} is ${shown(value)}, and must be ${expected}${detail}`;
  }
}

/** The maximum number of characters of a value in a message. */
const SHOWN = 200;

/** Formats a value of any type on one line. */
const shown = (value: unknown): string =>
  typeof value === "string"
    ? `"${printable(value, SHOWN)}"`
    : printable(inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 8 }), SHOWN);

/**
 * This library refused a call before anything was sent or changed, because of the state of its subject: the
 * connection to the task cannot pass descriptors, or the task is busy with an operation that excludes the call. The
 * arguments are right, and the kernel was not asked.
 */
export class InvalidStateError extends TaggedError("InvalidStateError")<{
  /** The call, as its man page or method is named: `passTo`. */
  readonly syscall: string;
  /** The thing that is in that state, as in "the connection to process 7". */
  readonly subject: string;
  /** The state, as the rest of the sentence: "carries bytes only, and no descriptors". */
  readonly problem: string;
  /** What the caller can do instead. */
  readonly remedy: string;
}> {
  override get message(): string {
    const { syscall, subject, problem, remedy } = this;
    return `${syscall}: ${printable(subject)} ${printable(problem)}: ${remedy}`;
  }
}

/** The connection to the task has ended, for good. */
export type ConnectionError = SyscallHangup | SyscallSendError;

/** The errors of a system call. */
export type SyscallFailure = SyscallError | InvalidArgumentError | ConnectionError;

const isErrno = (error: unknown, names: ReadonlyArray<ErrnoName>): error is SyscallError =>
  error instanceof SyscallError && names.includes(error.errno);

/**
 * Recovers from a {@link SyscallError} with one of these errnos. Other errors pass, and so does a SyscallError with
 * another errno. It takes the effect as its first argument, or stands in a pipe.
 *
 * @example
 * ```ts
 * import { catchErrno, SyscallError } from "@rsyscall/near";
 * import { Effect } from "effect";
 *
 * const missing = Effect.fail(SyscallError.of("open", "ENOENT", "/etc/motd"));
 * const first = catchErrno(missing, "ENOENT", () => Effect.succeed("no motd"));
 * const last = missing.pipe(catchErrno(["ENOENT", "ENOTDIR"], () => Effect.succeed("no motd")));
 * console.log(Effect.runSync(first), Effect.runSync(last)); // no motd no motd
 * ```
 */
export const catchErrno: {
  <A2, E2, R2>(
    errno: ErrnoName | ReadonlyArray<ErrnoName>,
    recover: (error: SyscallError) => Effect.Effect<A2, E2, R2>,
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | A2, E | E2, R | R2>;
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    errno: ErrnoName | ReadonlyArray<ErrnoName>,
    recover: (error: SyscallError) => Effect.Effect<A2, E2, R2>,
  ): Effect.Effect<A | A2, E | E2, R | R2>;
} = dual(
  3,
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    errno: ErrnoName | ReadonlyArray<ErrnoName>,
    recover: (error: SyscallError) => Effect.Effect<A2, E2, R2>,
  ): Effect.Effect<A | A2, E | E2, R | R2> => {
    const names = typeof errno === "string" ? [errno] : errno;
    return Effect.catch(
      self,
      (error: E): Effect.Effect<A2, E | E2, R2> =>
        isErrno(error, names) ? recover(error) : Effect.fail(error),
    );
  },
);
