import { TextDecoder } from "node:util";
import { MockError } from "./errors.ts";
import type { CallRecord, Outcome } from "./record.ts";

/*
 * The log of calls: a line of JSON when a call comes, before it is answered, and one when more is known of it. Lines have
 * a version, so that a reader knows when it does not understand them. docs/command-line.md has the fields.
 */

const VERSION = 1;

/** A call as the log has it. */
export interface LoggedCall
  extends Pick<CallRecord, "index" | "program" | "path" | "argv" | "cwd" | "pid" | "ppid"> {
  /** When it came: ISO 8601. */
  readonly time: string;
  /** The command line of the process that waits for this one. */
  readonly parent: string | undefined;
  /** What has become of the call. */
  readonly outcome: Outcome;
  /** What is wrong, if something is. */
  readonly problem: string | undefined;
  /** Exit status, where it is known. */
  readonly status: number | undefined;
  /** The number of the signal that has ended it. */
  readonly signal: number | undefined;
}

/** Bytes as a field of JSON: text, or base64 in a field of another name if they are no text. */
export const bytesField = (
  name: string,
  bytes: Uint8Array | undefined,
): Readonly<Record<string, string>> => {
  if (bytes === undefined) return {};
  try {
    return { [name]: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString("base64") };
  }
};

const line = (fields: object): string => `${JSON.stringify({ rsyscall: VERSION, ...fields })}\n`;

/** What the log says when a call comes. Its environment may have secrets, and is left out. */
export const startLine = (record: Omit<CallRecord, "env">): string =>
  line({
    event: "call",
    call: record.index,
    time: new Date(record.time).toISOString(),
    program: record.program,
    path: record.path,
    argv: record.argv,
    cwd: record.cwd,
    pid: record.pid,
    ppid: record.ppid,
    parent: record.parent,
    outcome: record.outcome,
    problem: record.problem,
    status: record.status,
    ...bytesField("stdin", record.stdin),
  });

/** What the log says when more is known of a call. */
export const endLine = (index: number, changes: Partial<CallRecord>): string => {
  const { outcome, problem, status, signal, stdin, stdout, stderr } = changes;
  return line({
    event: "outcome",
    call: index,
    outcome,
    problem,
    status,
    signal,
    ...bytesField("stdin", stdin),
    ...bytesField("stdout", stdout),
    ...bytesField("stderr", stderr),
  });
};

/** The calls of a log, in their order. The last line may be in the middle of being written. */
export const readLog = (text: string, name: string): ReadonlyArray<LoggedCall> => {
  const calls: Array<LoggedCall> = [];
  const lines = text.split("\n");
  lines.forEach((source, at) => {
    if (source === "") return;
    let fields: Record<string, unknown>;
    try {
      fields = JSON.parse(source) as Record<string, unknown>;
    } catch {
      if (at === lines.length - 1) return;
      throw new MockError([`${name}:${at + 1}: this is no line of JSON: it is no log of calls`]);
    }
    if (fields === null || fields["rsyscall"] !== VERSION)
      throw new MockError([
        `${name}:${at + 1}: this is no log of calls of version ${VERSION}: write it by rsyscall mock --log of the same version`,
      ]);
    const {
      rsyscall: _,
      event,
      call,
      ...rest
    } = fields as unknown as {
      readonly rsyscall: number;
      readonly event: string;
      readonly call: number;
    } & LoggedCall;
    // JSON has no undefined: what is not known is missing in it.
    const known = calls[call];
    if (event === "call" || known !== undefined) calls[call] = { ...known, ...rest, index: call };
  });
  return calls.filter((call) => call !== undefined);
};
