import type { HandleFailure } from "@rsyscall/handle";
import { printable, TaggedError } from "@rsyscall/near";
import type { PathTakenError } from "@rsyscall/transport";

/** Why a server ends by itself: the thread that listens is gone. */
export type ServerFailure = HandleFailure;

/** Why a server could not be set up. */
export type StubServerErrorReason =
  | "DirectoryMissing"
  | "NotWritable"
  | "NameInvalid"
  | "NameTaken"
  | "StubMissing"
  | "StubNotExecutable"
  | "StubWrongMachine"
  | "StubOutdated";

/** A stub server could not be set up; the message says what to do about it. */
export class StubServerError extends TaggedError("StubServerError")<{
  readonly reason: StubServerErrorReason;
  /** The path that it is about. */
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
  readonly cause?: HandleFailure;
}> {
  override get message(): string {
    return `${printable(this.subject)} ${this.problem}: ${this.remedy}`;
  }
}

/** Why a handler gave its caller no status of its own. */
export type HandlerErrorReason = "StatusInvalid" | "NoEffect" | "DeadlineExceeded";

/**
 * A handler did not do what `serve` needs of it: it gave what is no exit status, returned neither an Effect nor a
 * Promise, or took longer than the deadline.
 */
export class HandlerError extends TaggedError("HandlerError")<{
  readonly reason: HandlerErrorReason;
  readonly problem: string;
}> {
  override get message(): string {
    return printable(this.problem);
  }
}

const step = (reason: StubServerErrorReason, problem: string, remedy: string) => ({
  reason,
  problem,
  remedy,
});

const byErrno = {
  ENOENT: step("DirectoryMissing", "is in a directory that does not exist", "create it first"),
  ENOTDIR: step(
    "DirectoryMissing",
    "is below something that is no directory",
    "give the path of a directory",
  ),
  EACCES: step("NotWritable", "cannot be created", "make the directory writable, or use another"),
  EPERM: step("NotWritable", "cannot be created", "make the directory writable, or use another"),
  EROFS: step(
    "NotWritable",
    "is on a read-only file system",
    "use a directory that can be written to",
  ),
  EEXIST: step(
    "NameTaken",
    "has just been taken by another server",
    "choose another name or directory",
  ),
  EAGAIN: step(
    "NameTaken",
    "is in a directory that another process has locked (flock)",
    "use a directory of your own",
  ),
  ENAMETOOLONG: step("NameInvalid", "is too long for the file system", "choose a shorter name"),
} as const;

/** Explains a failure to create a file at a path. Other errors stay as they are. */
export const creationError =
  (subject: string) =>
  (cause: HandleFailure | PathTakenError): HandleFailure | StubServerError => {
    if (cause._tag === "PathTakenError") {
      const { path, problem, remedy } = cause;
      return new StubServerError({ reason: "NameTaken", subject: path, problem, remedy });
    }
    const known =
      cause._tag === "SyscallError" && cause.errno in byErrno
        ? byErrno[cause.errno as keyof typeof byErrno]
        : undefined;
    return known === undefined ? cause : new StubServerError({ ...known, subject, cause });
  };
