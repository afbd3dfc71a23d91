import { SIG } from "@rsyscall/abi";
import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { catchErrno, InvalidArgumentError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import type { End, Output } from "@rsyscall/transport";
import { Effect } from "effect";

/** Output of one descriptor. */
export type ReplyChunk =
  | { readonly stdout: string | Uint8Array }
  | { readonly stderr: string | Uint8Array };

/**
 * What a caller gets: output, and how its process ends. Text is written as UTF-8.
 *
 * What is written to a descriptor that is closed, or to a pipe without readers, is lost if the caller ignores SIGPIPE;
 * otherwise that signal ends the process, as any program.
 */
export interface Reply {
  /** What goes to stdout, before `stderr`. */
  readonly stdout?: string | Uint8Array;
  /** Written behind `stdout`. */
  readonly stderr?: string | Uint8Array;
  /** Output of both, in this order, behind `stdout` and `stderr`. */
  readonly chunks?: Iterable<ReplyChunk>;
  /** The exit status, from 0 to 255. Default 0. */
  readonly status?: number;
  /**
   * The signal that ends the process, in place of a status. If it does not (SIGCHLD; or the process is the first one of
   * a pid namespace), the status is 128 and the signal. The caller's limit decides whether there is a core dump.
   */
  readonly signal?: number;
}

const invalid = (argument: string, value: unknown, expected: string) =>
  Effect.fail(new InvalidArgumentError({ syscall: "reply", argument, value, expected }));

const encoder = new TextEncoder();

const bytesOf = (data: unknown): Uint8Array | undefined =>
  typeof data === "string" ? encoder.encode(data) : data instanceof Uint8Array ? data : undefined;

/** Checks a reply. */
export const checkReply = (
  reply: Reply,
): Effect.Effect<readonly [output: ReadonlyArray<Output>, end: End], InvalidArgumentError> =>
  Effect.suspend((): Effect.Effect<readonly [ReadonlyArray<Output>, End], InvalidArgumentError> => {
    const { stdout, stderr, chunks = [], status, signal } = reply;
    const output: Array<Output> = [];
    const parts: Array<readonly [fd: 1 | 2, argument: string, data: unknown]> = [];
    if (stdout !== undefined) parts.push([1, "stdout", stdout]);
    if (stderr !== undefined) parts.push([2, "stderr", stderr]);
    for (const chunk of chunks) {
      if ("stdout" in chunk) parts.push([1, "chunks.stdout", chunk.stdout]);
      else parts.push([2, "chunks.stderr", chunk.stderr]);
    }
    for (const [fd, argument, data] of parts) {
      const bytes = bytesOf(data);
      if (bytes === undefined) return invalid(argument, data, "text or a Uint8Array");
      if (bytes.length > 0) output.push({ fd, bytes });
    }
    if (signal === undefined) {
      const exit = status ?? 0;
      return Number.isInteger(exit) && exit >= 0 && exit <= 255
        ? Effect.succeed([output, { status: exit }] as const)
        : invalid("status", status, "a whole number from 0 to 255");
    }
    if (status !== undefined) return invalid("status", status, "absent if there is a signal");
    return Number.isInteger(signal) && signal >= 1 && signal <= SIG.RTMAX
      ? Effect.succeed([output, { signal }] as const)
      : invalid("signal", signal, `a signal of SIG, from 1 to ${SIG.RTMAX}`);
  });

/** What a shell adds to the number of a signal for the status of a command. */
const SIGNAL_STATUS = 128;

/** Does through a Thread what a process does by itself that takes a reply. */
export const replyThrough = (
  thread: Thread,
  output: ReadonlyArray<Output>,
  end: End,
): Effect.Effect<void, HandleFailure> =>
  Effect.gen(function* () {
    const lost = new Set<number>();
    for (const { fd, bytes } of output) {
      const to: FileDescriptor = fd === 1 ? thread.stdout : thread.stderr;
      if (lost.has(fd)) continue;
      yield* thread
        .writeAll(to, bytes)
        .pipe(catchErrno(["EPIPE", "EBADF"], () => Effect.sync(() => void lost.add(fd))));
    }
    if ("status" in end) return yield* thread.exit(end.status);
    yield* thread.raise(end.signal);
    // It is alive.
    yield* Effect.ignore(thread.exit(SIGNAL_STATUS + end.signal));
  });
