/** What a descriptor of a program under test is. */
export type Stdio =
  /** That of this process with the same number. */
  | "inherit"
  /** /dev/null */
  | "ignore"
  /** A descriptor of this process. It must stay open until the program has started. */
  | number;

/** A program that the engine is to run. */
export interface RunRequest {
  readonly command: string;
  readonly args: ReadonlyArray<string>;
  readonly argv0: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Bytes are what it reads. */
  readonly stdin: Stdio | Uint8Array;
  readonly stdout: Stdio | "pipe";
  readonly stderr: Stdio | "pipe";
  /** In milliseconds. */
  readonly timeout: number | undefined;
  /** Whether it stays in the session and process group of this process. */
  readonly foreground: boolean;
  /** The places that are mocked. */
  readonly places: ReadonlyArray<string>;
}

/** What became of a program. */
export interface Ran {
  readonly pid: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** The time was up before it had ended. */
  readonly isLate: boolean;
  readonly status: number | undefined;
  /** The name of the signal that has ended it. */
  readonly signal: string | undefined;
  /** Why it was not seen what it has called around the mock, where that was to be seen. */
  readonly unseen?: string | undefined;
}

/** Why a program could not run. */
export interface NotRun {
  readonly problem: string;
  /** The exit status that a shell has for it: 127 if the program is not there, 126 if it cannot be executed. */
  readonly status?: 126 | 127 | undefined;
}
