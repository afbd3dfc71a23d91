/** What became of a call. */
export type Outcome =
  /** It got a reply. */
  | "replied"
  /** The real program ran in its place. */
  | "passed"
  /** No rule was for it, or one that must not be called any more. */
  | "unexpected"
  /** Its handler has failed. */
  | "failed"
  /** It is not decided yet. */
  | "pending";

/** A call of a mock. */
export interface CallRecord {
  /** Counts the calls of a mock, from 0. */
  readonly index: number;
  /** The name that was called, without its directory. */
  readonly program: string;
  /** The path by which the caller executed it. */
  readonly path: string;
  /** The arguments, argv[0] first. */
  readonly argv: ReadonlyArray<string>;
  readonly env: Readonly<Record<string, string>>;
  /** The working directory; undefined when it was removed. */
  readonly cwd: string | undefined;
  readonly pid: number;
  readonly ppid: number;
  /** The command line of the process that waits for this one; undefined where it is not known. */
  readonly parent: string | undefined;
  /** In milliseconds since the epoch. */
  readonly time: number;
  /** The number of the rule that has decided; undefined if none has. */
  readonly rule: number | undefined;
  readonly outcome: Outcome;
  /** What is wrong, if something is. */
  readonly problem: string | undefined;
  /** Exit status, where it is known. */
  readonly status: number | undefined;
  /** The number of the signal that has ended it. */
  readonly signal: number | undefined;
  /** What it has read, and written, where that was recorded. */
  readonly stdin: Uint8Array | undefined;
  readonly stdout: Uint8Array | undefined;
  readonly stderr: Uint8Array | undefined;
}
