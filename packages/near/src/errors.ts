import { inspect } from "node:util";
import { Errno, type ErrnoName, errnoMessage, errnoName } from "@rsyscall/abi";
import { Effect } from "effect";
import { dual } from "effect/Function";
import { explanationOf } from "./explanations.ts";
import { printable } from "./printable.ts";
import { TaggedError } from "./TaggedError.ts";

/**
 * A system call was performed, and the kernel refused it. What is refused here, before anything is sent, is an
 * {@link InvalidArgumentError} or an {@link InvalidStateError}.
 *
 * Three answers come from here under an errno. EPROTO: the task answered what no kernel answers. EOVERFLOW: no
 * JavaScript number holds the kernel's answer. And what the kernel would answer as well, where it is known without
 * asking: ESRCH for a child that was waited for.
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
   * By the name of the errno.
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
 * For `exit_group` and `execve` this is what success looks like: see `leaving`.
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
 * A call was refused here, before anything was sent or changed, because the kernel would take an argument for
 * something else, or not at all: a NaN, a negative size, a path with a NUL in it. The kernel was not asked. It is an
 * error of the program: the same call fails again.
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
  /** The argument, as its label in the function's signature: `length`. */
  readonly argument: string;
  readonly value: unknown;
  /** What would be right, as in "a size from 0 to 9007199254740991". */
  readonly expected: string;
  /** What is wrong with a part of the value, as the codec of its type says it. */
  readonly cause?: unknown;
}> {
  override get message(): string {
    const { syscall, argument, value, expected, cause } = this;
    const detail = cause instanceof Error ? ` (${printable(cause.message, SHOWN)})` : "";
    return `${syscall}: ${argument} is ${shown(value)}, and must be ${expected}${detail}`;
  }
}

/** Characters of a value in a message. */
const SHOWN = 200;

/** A value of any type, on one line. */
const shown = (value: unknown): string =>
  typeof value === "string"
    ? `"${printable(value, SHOWN)}"`
    : printable(inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 8 }), SHOWN);

/**
 * A call was refused here, before anything was sent or changed, because of the state of what it is about: the
 * connection to the task passes no descriptors, or the task is busy with what excludes it. The arguments are right,
 * and the kernel was not asked.
 */
export class InvalidStateError extends TaggedError("InvalidStateError")<{
  /** The call, as its man page or method is named: `passTo`. */
  readonly syscall: string;
  /** What is in that state, as in "the connection to process 7". */
  readonly subject: string;
  /** The state, as in "carries bytes only, and no descriptors". */
  readonly problem: string;
  /** What helps. */
  readonly remedy: string;
}> {
  override get message(): string {
    const { syscall, subject, problem, remedy } = this;
    return `${syscall}: ${printable(subject)} ${printable(problem)}: ${remedy}`;
  }
}

/** The way to the task is gone, for good. */
export type ConnectionError = SyscallHangup | SyscallSendError;

/** What a system call can fail with. */
export type SyscallFailure = SyscallError | InvalidArgumentError | ConnectionError;

const isErrno = (error: unknown, names: ReadonlyArray<ErrnoName>): error is SyscallError =>
  error instanceof SyscallError && names.includes(error.errno);

/**
 * Recovers from a {@link SyscallError} with one of these errnos; other errors pass, and so does a SyscallError with
 * another errno. Both ways, as Effect's own combinators: on an effect, or in a pipe.
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
