import type { StubCall } from "@rsyscall/stub-server";
import type { Thread } from "@rsyscall/thread";
import type { CallRecord } from "./record.ts";
import type { Reply } from "./replyData.ts";

/** What the caller gives to the program. Each method reads it to its end, and can be called again. */
export interface CallInput {
  /** All bytes up to the end of the stream. */
  readonly bytes: () => Promise<Uint8Array>;
  /** The same as text in UTF-8. */
  readonly text: () => Promise<string>;
  /** The same as a value of JSON. It rejects if the text is none. */
  // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse.
  readonly json: () => Promise<any>;
  /** The lines as they come, without their newlines. */
  readonly lines: () => AsyncIterableIterator<string>;
  /** The bytes as they come. */
  readonly stream: () => AsyncIterableIterator<Uint8Array>;
}

/** What the program gives to the caller. */
export interface CallOutput {
  /** Writes all of it. Waits until the reader has room. */
  readonly write: (text: string | Uint8Array) => Promise<void>;
}

/** A call of a mock, as its handler has it. The process that called is still there, and waits for the answer. */
export interface Call
  extends Pick<
    CallRecord,
    "program" | "path" | "argv" | "env" | "cwd" | "pid" | "ppid" | "parent" | "index"
  > {
  /** The arguments without argv[0]. */
  readonly args: ReadonlyArray<string>;
  /** The caller's stdin. */
  readonly stdin: CallInput;
  /** The caller's stdout, while the handler runs. */
  readonly stdout: CallOutput;
  /** The caller's stderr, while the handler runs. */
  readonly stderr: CallOutput;
  /** Aborts when the process has ended, or the handler's time is up. */
  readonly signal: AbortSignal;
  /** The process itself, for all that is not here: system calls in it, its descriptors, programs in its place. */
  readonly thread: Thread;
  /** The call of the stub server behind it. */
  readonly stubCall: StubCall;
}

/**
 * A function that answers calls: with a reply, or a promise of one. Nothing is status 0. What it throws fails the test,
 * and gives 70 to the caller.
 */
export type CallHandler = (call: Call) => Reply | void | Promise<Reply | void>;
