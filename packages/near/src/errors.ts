import { Errno, type ErrnoName, errnoMessage, errnoName } from "@rsyscall/abi";
import { Data, Effect } from "effect";

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
export class SyscallError extends Data.TaggedError("SyscallError")<{
  /** The man page name of the call. */
  readonly syscall: string;
  /** The errno as a positive number. */
  readonly number: number;
  /** The errno as its name, `ENOENT`. */
  readonly errno: ErrnoName;
  /** The path or descriptor that the call was about. */
  readonly subject: string | undefined;
  /** Where the errno alone misleads: why the kernel has refused, and what helps. A sentence without its dot. */
  readonly hint?: string | undefined;
}> {
  /** From a raw result: `-errno`. */
  static from(syscall: string, result: number, subject?: string): SyscallError {
    const number = -result;
    return new SyscallError({ syscall, number, errno: errnoName(number) as ErrnoName, subject });
  }

  /** For what the kernel would misread, such as a path with a NUL in it. */
  static of(syscall: string, errno: ErrnoName, subject?: string): SyscallError {
    return new SyscallError({ syscall, number: Errno[errno], errno, subject });
  }

  override get message(): string {
    const subject = this.subject === undefined ? "" : `(${this.subject})`;
    const hint = this.hint === undefined ? "" : `; ${this.hint}`;
    return `${this.syscall}${subject}: ${this.errno}: ${errnoMessage(this.errno)}${hint}`;
  }

  /** The same error with a hint. */
  because(hint: string): SyscallError {
    const { syscall, number, errno, subject } = this;
    return new SyscallError({ syscall, number, errno, subject, hint });
  }
}

/**
 * The call was sent, and the connection ended before its result came: nobody knows whether it was
 * performed. For `exit` and `execve` this is what success looks like.
 */
export class SyscallHangup extends Data.TaggedError("SyscallHangup")<{
  readonly syscall: string;
  readonly cause?: unknown;
  /** Says which process it was and what is known of its end by now: "pid 7, which was killed by SIGKILL". */
  readonly describe?: (() => string) | undefined;
}> {
  override get message(): string {
    const subject = this.describe?.() ?? "the task";
    return `${this.syscall}: ${subject}${subject.includes(",") ? "," : ""} hung up before the result came; the call may have been performed`;
  }
}

/** The call was certainly not sent: the connection to the task had ended before. */
export class SyscallSendError extends Data.TaggedError("SyscallSendError")<{
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

/** The way to the task is gone, for good. */
export type ConnectionError = SyscallHangup | SyscallSendError;

/** All that can go wrong with a system call. */
export type SyscallFailure = SyscallError | ConnectionError;

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
