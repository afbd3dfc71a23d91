import { TIOC, Winsize } from "@rsyscall/abi";
import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { ioctl } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import {
  type Cause,
  Effect,
  Layer,
  type PlatformError,
  Queue,
  RcRef,
  type Scope,
  Terminal,
} from "effect";
import { readKeys } from "./internal/keys.ts";
import { TerminalInput } from "./internal/terminalInput.ts";
import { platformError } from "./platformError.ts";

/**
 * Effect's Terminal of a program that called a stub: its stdin and stdout, which need not be a terminal. It
 * behaves as Effect's own service for Node:
 *
 * - `columns` and `rows` are those of stdout, and 0 if stdout is no terminal. `size` looks for a new size
 *   ten times a second.
 * - `readInput` gives keys. While at least one reader has it open, the terminal is in raw mode; then its
 *   former mode is restored, however the scope ends, unless the process was killed. Escape, Ctrl-C, Ctrl-D
 *   and the end of the input end the keys, and so fail a prompt with a QuitError.
 * - `readLine` does not change the terminal's mode: its user edits the line as usual, and Ctrl-C is SIGINT for
 *   the process. At the end of the input it fails with a QuitError. A line of more than a million characters
 *   comes in pieces.
 *
 * Typed input that no reader has taken is kept for the next one, whether that reads keys or a line. It is not
 * kept for Stdio: both read the same stdin, so use one of them.
 *
 * @example
 * ```ts
 * import { StubTerminal } from "@rsyscall/platform";
 * import { StubServer } from "@rsyscall/stub-server";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect, Terminal } from "effect";
 *
 * // An askpass, as a program of Effect that knows nothing of stubs
 * const ask = Effect.gen(function* () {
 *   const terminal = yield* Terminal.Terminal;
 *   yield* terminal.display("Who are you? ");
 *   return (yield* terminal.readLine) === "root" ? 0 : 1;
 * });
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* StubServer.make(yield* LocalThread, "/tmp/mocks", "askpass");
 *   yield* server.serve((call) => Effect.provide(ask, StubTerminal.layer(call)));
 * });
 * ```
 */
export const layer = (call: StubCall): Layer.Layer<Terminal.Terminal> =>
  Layer.effect(Terminal.Terminal, make(call));

/**
 * The service: see {@link layer}.
 *
 * @param display writes text; a caller passes its own to keep the text in order with its other output
 */
export const make: (
  call: StubCall,
  display?: Terminal.Terminal["display"],
) => Effect.Effect<Terminal.Terminal, never, Scope.Scope> = Effect.fnUntraced(function* (
  call,
  display = displayTo(call),
) {
  const { stdout } = call.thread;
  const input = new TerminalInput(call);
  const keyboard = yield* RcRef.make({ acquire: readKeys(input) });
  const size = Effect.match(sizeOf(stdout), { onSuccess: (size) => size, onFailure: () => none });
  return Terminal.make({
    columns: Effect.map(size, ({ columns }) => columns),
    rows: Effect.map(size, ({ rows }) => rows),
    size: sizes(size),
    readInput: Effect.gen(function* () {
      const readers = yield* RcRef.get(keyboard);
      return yield* readers.join();
    }),
    readLine: input.line(),
    display,
  });
});

const encoder = new TextEncoder();

const displayTo =
  ({ thread }: StubCall) =>
  (text: string): Effect.Effect<void, PlatformError.PlatformError> =>
    Effect.mapError(
      thread.writeAll(thread.stdout, encoder.encode(text)),
      platformError("Terminal", "display", thread.stdout.near),
    );

/** The size of what is no terminal. */
const none: Terminal.Size = { columns: 0, rows: 0 };

/** How often the size is polled: SIGWINCH goes to the foreground process group of the terminal alone. */
const SIZE_INTERVAL = "100 millis";

const sizeOf = (fd: FileDescriptor): Effect.Effect<Terminal.Size, HandleFailure> =>
  Effect.flatMap(fd.borrow(fd.task), (number) =>
    fd.task.withResult(Winsize, (at) => ioctl(fd.task.sysif, number, TIOC.GWINSZ, at)),
  );

/** Gives the size now, and every new one until the scope closes. */
const sizes = Effect.fnUntraced(function* (
  size: Effect.Effect<Terminal.Size>,
): Effect.fn.Return<Queue.Dequeue<Terminal.Size, Cause.Done>, never, Scope.Scope> {
  const queue = yield* Queue.sliding<Terminal.Size, Cause.Done>(1);
  yield* Effect.addFinalizer(() => Queue.end(queue));
  let last: Terminal.Size | undefined;
  const look = Effect.map(size, ({ columns, rows }) => {
    if (last?.columns === columns && last.rows === rows) return;
    last = { columns, rows };
    Queue.offerUnsafe(queue, last);
  });
  yield* look;
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SIZE_INTERVAL), look)));
  return queue;
});
