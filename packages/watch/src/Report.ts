import type { ErrnoName } from "@rsyscall/abi";

/** The version of {@link Report}. It changes when a program that reads reports has to change. */
export const REPORT_VERSION = 1;

/** What a command has run: the JSON of `rsyscall watch --json`. docs/watching.md describes it. */
export interface Report {
  /** Marks the format. */
  readonly format: "rsyscall-watch";
  /** The version of the format. */
  readonly version: typeof REPORT_VERSION;
  /** The command with its arguments. */
  readonly command: ReadonlyArray<string>;
  /** When it began: ISO 8601. All other times are milliseconds from then on, with fractions. */
  readonly start: string;
  /** When the last event was. */
  readonly duration: number;
  /** In the order in which they asked for their first exec. The first is the command itself. */
  readonly processes: ReadonlyArray<ProcessReport>;
  /** Processes beyond the limit, which are not in the list. */
  readonly dropped: number;
}

/** A process that has executed programs. One that only forks is not seen: its children are its parent's. */
export interface ProcessReport {
  /** Its number in the pid namespace of the controller. The kernel may give it again later. */
  readonly pid: number;
  /** The index of the nearest ancestor in `processes`; null for the command, and if that is unknown. */
  readonly parent: number | null;
  /** When it asked for its first exec. */
  readonly start: number;
  /** When it ended; null if that was not seen. */
  readonly end: number | null;
  /** How it ended; both null if that is unknown. */
  readonly exitStatus: number | null;
  /** The name of the signal that has ended it. */
  readonly signal: string | null;
  /** The programs that it became, one after the other. Attempts along PATH are one. */
  readonly execs: ReadonlyArray<ExecReport>;
}

/** A program that a process has become, or was not allowed to become. */
export interface ExecReport {
  /** When the process asked for it. */
  readonly time: number;
  /** The file, made absolute. */
  readonly path: string;
  /** The name by which the program was called, and its arguments. */
  readonly argv: ReadonlyArray<string>;
  /** Whether arguments are missing, because there are many or because they could not be read. */
  readonly isCut: boolean;
  /** Null if it was allowed. */
  readonly denied: { readonly errno: ErrnoName; readonly message: string | null } | null;
}
