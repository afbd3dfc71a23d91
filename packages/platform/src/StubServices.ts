import type { StubCall } from "@rsyscall/stub-server";
import {
  Cause,
  ConfigProvider,
  Console,
  Effect,
  Exit,
  type FileSystem,
  Layer,
  type Path,
  type PlatformError,
  Runtime,
  Stdio,
  Stream,
  Terminal,
} from "effect";
import { Prompt, TerminalCapabilities } from "effect/cli";
import type { ChildProcessSpawner } from "effect/process";
import * as ThreadChildProcessSpawner from "./ChildProcessSpawner.ts";
import * as ThreadFileSystem from "./FileSystem.ts";
import * as ThreadPath from "./Path.ts";
import * as StubStdio from "./Stdio.ts";
import * as StubTerminal from "./Terminal.ts";

/** The services that Effect's layers for Node give a program, and those that `effect/cli` needs. */
export type StubServices =
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
  | Stdio.Stdio
  | Terminal.Terminal;

/**
 * All services of a program that called a stub, so that a program of Effect can be the mock. Output of its
 * Terminal, Stdio and Console arrives in the order in which it was written. Whether it may use colours and
 * ask questions depends on the caller's terminal and environment (`TerminalCapabilities`, `Prompt.Theme`).
 *
 * The ConfigProvider stays that of this process: a caller must not be able to configure the server.
 *
 * @example
 * ```ts
 * import { StubServices } from "@rsyscall/platform";
 * import { StubServer } from "@rsyscall/stub-server";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Console, Effect } from "effect";
 * import { Command, Flag } from "effect/cli";
 *
 * // A program of Effect that knows nothing of stubs
 * const greet = Command.make("greet", { name: Flag.String("name") }, ({ name }) =>
 *   Console.log(`Hello, ${name}!`),
 * );
 * const main = Command.run(greet, { version: "1.0.0" });
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* StubServer.make(yield* LocalThread, "/tmp/mocks", "greet");
 *   yield* server.serve((call) => StubServices.run(call, main));
 * });
 * ```
 */
export const layer = (call: StubCall): Layer.Layer<StubServices, PlatformError.PlatformError> => {
  const { thread } = call;
  const terminal = Layer.effect(
    Terminal.Terminal,
    Effect.flatMap(Stdio.Stdio, (stdio) =>
      StubTerminal.make(call, (text) => Stream.run(Stream.make(text), stdio.stdout())),
    ),
  );
  const environment = ConfigProvider.layer(
    ConfigProvider.fromEnv({ env: thread.environ.toRecord() }),
  );
  const capabilities = Layer.provide(TerminalCapabilities.layer, environment);
  const theme = Layer.effect(
    Prompt.Theme,
    Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) =>
      Prompt.makeTheme({ colors: canColor }),
    ),
  );
  return Layer.mergeAll(
    ThreadChildProcessSpawner.layer(thread),
    ThreadFileSystem.layer(thread),
    ThreadPath.layer(thread),
    Layer.mergeAll(terminal, Layer.provideMerge(theme, capabilities)).pipe(
      Layer.provideMerge(StubStdio.layer(call)),
    ),
  );
};

/**
 * Runs a program with these services as Node's `runMain` would, and gives its exit status: 0; 130 when it
 * interrupts itself, as a command does when its user quits a prompt; otherwise the status that the error
 * carries (`Runtime.errorExitCode`), or 1. Errors are written to the caller's stderr, unless they say that
 * they were reported already.
 */
export const run = <A, E, R>(
  call: StubCall,
  program: Effect.Effect<A, E, R>,
): Effect.Effect<number, PlatformError.PlatformError, Exclude<R, StubServices>> =>
  Effect.exit(program).pipe(
    Effect.tap(
      Exit.match({
        onSuccess: () => Effect.void,
        onFailure: (cause) =>
          !Cause.hasInterruptsOnly(cause) && Runtime.getErrorReported(Cause.squash(cause))
            ? Console.error(Cause.pretty(cause))
            : Effect.void,
      }),
    ),
    Effect.map((exit) => {
      let status = 1;
      Runtime.defaultTeardown(exit, (code) => {
        status = code;
      });
      return status;
    }),
    Effect.provide(layer(call)),
  );
