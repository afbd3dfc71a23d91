import type { HandleFailure } from "@rsyscall/handle";
import type { ExecutableNotFoundError, Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import type { OutputError } from "./errors.ts";
import { openOutput } from "./internal/output.ts";
import { type CommandLine, shellStatus, supervise } from "./internal/supervise.ts";
import { Live } from "./Live.ts";
import { pageOf } from "./page.ts";
import { Recorder } from "./Recorder.ts";
import type { Report } from "./Report.ts";
import { treeText } from "./text.ts";

/** Options of `watch`. */
export interface WatchOptions {
  /** The program and its arguments. */
  readonly command: CommandLine;
  /** Files for the report: as JSON, as a page of HTML, as text. */
  readonly json?: string | undefined;
  /** A file for the report as a page of HTML. */
  readonly html?: string | undefined;
  /** A file for the report as text. */
  readonly text?: string | undefined;
  /** Whether the tree is printed on stderr at the end. Default: if no file is asked for. */
  readonly print?: boolean | undefined;
  /**
   * How the tree is shown on stderr while it grows: "lines", a line for each process; "picture", those that run now,
   * drawn anew all the time, for a command that writes nothing to the terminal. Default: lines if stderr is a terminal.
   */
  readonly live?: "lines" | "picture" | "off" | undefined;
  /** Whether processes that the command leaves behind are killed. Default: they are waited for. */
  readonly killRest?: boolean | undefined;
  /** Whether the command is in a pid namespace of its own: see `ExecWatchOptions`. */
  readonly contain?: boolean | undefined;
}

/** What has become of a watched command. */
export interface Watched {
  /** Its exit status, as a shell gives it: 128 and the signal if one has ended it. */
  readonly status: number;
  /** What the command has run. */
  readonly report: Report;
}

/** What `watch` can fail with. */
export type WatchFailure = HandleFailure | ExecutableNotFoundError | OutputError;

/**
 * Runs a command in the foreground, and shows and writes down every program that it runs: the command
 * `rsyscall watch`. docs/watching.md describes it.
 *
 * @example
 * ```ts
 * import { LocalThread } from "@rsyscall/thread";
 * import { watch } from "@rsyscall/watch";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const { status, report } = yield* watch(yield* LocalThread, {
 *     command: ["sh", "-c", "(cd /; ls > /dev/null); exit 3"],
 *     print: false,
 *   });
 *   console.log(status, report.processes.length); // 3 2
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const watch = (
  thread: Thread,
  options: WatchOptions,
): Effect.Effect<Watched, WatchFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { command, json, html, text, contain = false } = options;
      const files = yield* Effect.forEach(
        [
          { path: json, of: (report: Report) => `${JSON.stringify(report, null, 1)}\n` },
          { path: html, of: pageOf },
          { path: text, of: treeText },
        ],
        ({ path, of }) =>
          path === undefined
            ? Effect.succeed(undefined)
            : Effect.map(openOutput(path, "w"), (output) => ({ output, of })),
      );
      const recorder = new Recorder(command);
      const { stderr } = process;
      const mode = options.live ?? (stderr.isTTY ? "lines" : "off");
      const live =
        mode === "off"
          ? undefined
          : yield* Effect.acquireRelease(
              Effect.sync(() => new Live(recorder, stderr, mode)),
              (live) => Effect.sync(() => live.close()),
            );
      const state = yield* supervise(
        thread,
        command,
        {
          onEvent: (event) => recorder.add(event),
          contain,
          rest: options.killRest ? "kill" : "wait",
        },
        (pids) =>
          stderr.write(
            `rsyscall watch: ${command[0]} has ended; waiting for what it has left: pid ${pids.join(", ")}\n`,
          ),
      );
      live?.close();
      const report = recorder.report();
      for (const file of files) file?.output.write(file.of(report));
      if (options.print ?? files.every((file) => file === undefined))
        stderr.write(treeText(report));
      return { status: shellStatus(state), report };
    }),
  );
