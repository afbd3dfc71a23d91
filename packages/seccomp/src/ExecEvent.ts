import type { Pid } from "@rsyscall/near";
import type { Decision } from "./Decision.ts";
import type { ExecCall } from "./ExecCall.ts";

/** What has happened in a tree of processes. */
export type ExecEvent = Exec | End;

/**
 * A call was answered. An allowed one may still fail, because there is no such file: then its process makes another
 * call (`isRetry`) or ends.
 */
export interface Exec {
  readonly _tag: "Exec";
  /** The call. */
  readonly call: ExecCall;
  /** What its caller was told. */
  readonly decision: Decision;
  /**
   * Why the call was denied without the decision of the function: there was none in time, or it failed. Undefined if
   * the decision is that of the function.
   */
  readonly failure: string | undefined;
}

/** A process that has asked for an exec has ended. */
export interface End {
  readonly _tag: "End";
  /** The process. */
  readonly pid: Pid;
  /** When it ended: milliseconds since the epoch. */
  readonly time: number;
  /** How it ended. Undefined if the kernel does not tell (before Linux 6.15), or if its parent has not waited for it. */
  readonly status: EndStatus | undefined;
}

/** How a process ended: by an exit status, or by a signal. */
export type EndStatus =
  | { readonly exitStatus: number; readonly signal?: undefined }
  | { readonly exitStatus?: undefined; readonly signal: number };

/** Decodes what wait(2) gives. */
export const endStatus = (code: number): EndStatus =>
  (code & 0x7f) === 0 ? { exitStatus: (code >> 8) & 0xff } : { signal: code & 0x7f };
