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
  /** Its caller was killed, or has ended otherwise, before it had its answer. */
  | "killed"
  /** It is not decided yet. */
  | "pending";

/** A piece of output, as it came. */
export interface OutputChunk {
  /** stdout (1) or stderr (2). */
  readonly fd: 1 | 2;
  /** The bytes, as they were written. */
  readonly bytes: Uint8Array;
  /** Milliseconds since the program was started. */
  readonly time: number;
}

/** A call of a mock. */
export interface CallRecord {
  /** Counts the calls of a mock, from 0. */
  readonly index: number;
  /** The name that was called, without its directory. */
  readonly program: string;
  /** The path by which the caller executed it; of a mocked path, that path, with the links of its directory resolved. */
  readonly path: string;
  /** The arguments, argv[0] first. */
  readonly argv: ReadonlyArray<string>;
  /** The caller's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The working directory; undefined when it was removed. */
  readonly cwd: string | undefined;
  /** The caller's process id. */
  readonly pid: number;
  /** The process id of its parent. */
  readonly ppid: number;
  /** The command line of the process that waits for this one; undefined where it is not known. */
  readonly parent: string | undefined;
  /** In milliseconds since the epoch. */
  readonly time: number;
  /** The number of the rule that has decided; undefined if none has. */
  readonly rule: number | undefined;
  /** What has become of the call. */
  readonly outcome: Outcome;
  /** What is wrong, if something is. */
  readonly problem: string | undefined;
  /**
   * Exit status, where it is known. Of a reply: the one that the caller was told to end with; one that was killed, or
   * that could not write its output (74), has ended otherwise.
   */
  readonly status: number | undefined;
  /** The number of the signal that has ended it. */
  readonly signal: number | undefined;
  /** What it has read, and written, where that was recorded. */
  readonly stdin: Uint8Array | undefined;
  /** What it has written to stdout, where that was recorded. */
  readonly stdout: Uint8Array | undefined;
  /** What it has written to stderr, where that was recorded. */
  readonly stderr: Uint8Array | undefined;
  /** Of a spy: what it has written to both, in the order in which it came. */
  readonly chunks?: ReadonlyArray<OutputChunk>;
  /** Of a spy: streams that were longer than its limit, of which only the beginning was recorded. */
  readonly cut?: ReadonlyArray<"stdin" | "stdout" | "stderr">;
  /** Of a spy: whether it has read its input to the end. */
  readonly readAll?: boolean;
  /** Of a spy: how long it ran, in milliseconds. */
  readonly duration?: number;
  /** Of a mock with a cassette: the number of the recorded call that was its answer; `new` if it was recorded. */
  readonly cassette?: number | "new";
}
