import { Cause, Console, Effect, Exit, FileSystem, Layer, Path, Stdio, Terminal } from "effect";
import { CliConfig, CliOutput, Command, GlobalFlag, TerminalCapabilities } from "effect/cli";
import { ChildProcessSpawner } from "effect/process";
import { version } from "../../package.json";
import { hasColours } from "./colours.ts";
import { decompile } from "./commands/decompile.ts";
import { expect } from "./commands/expect.ts";
import { fleet } from "./commands/fleet.ts";
import { guard } from "./commands/guard.ts";
import { mock } from "./commands/mock.ts";
import { watch } from "./commands/watch.ts";

/*
 * The command line. A subcommand is a file in commands/, which has its options and its help, and a file in run/, which
 * has what it does and is loaded when it is called: so that help comes at once.
 */

const rsyscall = Command.make("rsyscall").pipe(
  Command.withDescription(
    "Mocks programs, shows and decides what programs run, and runs commands on many hosts. The callback is the process.",
  ),
  Command.withSubcommands([mock, expect, watch, guard, decompile, fleet]),
  Command.withExamples([
    {
      command: "rsyscall mock --on 'sendmail -t:status=75' -- ./deploy.sh",
      description: "Run a script whose mail fails",
    },
    {
      command: "rsyscall expect calls.jsonl 'git push' --times 1",
      description: "Look at the calls that came",
    },
  ]),
);

/** Wrong usage: a line for each error, and where the help is. */
const present: CliOutput.Presenter["present"] = Effect.fnUntraced(function* (event) {
  if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event);
  for (const error of event.errors)
    yield* Console.error(`${event.commandPath[0]}: ${error.message}`);
  if (event.errors.some(({ _tag }) => _tag === "UnrecognizedOption"))
    yield* Console.error(
      "A command comes behind --, with its own options. A value that begins with - is joined: --OPTION='-VALUE'.",
    );
  yield* Console.error(`See ${event.commandPath.join(" ")} --help.`);
});

/** No command of ours asks or reads anything by these: the options that would are not there. */
const services = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Stdio.layerTest({}),
  Layer.succeed(
    Terminal.Terminal,
    Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: Effect.die("unused"),
      readInput: Effect.die("unused"),
      readLine: Effect.die("unused"),
      display: () => Effect.void,
    }),
  ),
  Layer.succeed(
    ChildProcessSpawner.ChildProcessSpawner,
    ChildProcessSpawner.make(() => Effect.die("unused")),
  ),
);

// The outputs may end, or be full. Nothing can be said of stderr.
process.stderr.on("error", () => {});
process.stdout.once("error", (error: Error) => {
  process.stdout.on("error", () => {});
  process.stderr.write(`rsyscall: stdout cannot be written: ${error.message}\n`);
  process.on("exit", (status) => {
    if (status === 0) process.exitCode = 1;
  });
});

const exit = await Effect.runPromiseExit(
  Command.runWith(rsyscall, { version })(process.argv.slice(2)).pipe(
    Effect.provideService(CliOutput.Presenter, { present }),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canColor: hasColours(process.stdout),
      canAnimate: false,
      canPrompt: false,
    }),
    Effect.provide(
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
    ),
    Effect.provide(services),
  ),
);
if (Exit.isFailure(exit)) {
  const error = Cause.squash(exit.cause);
  const isUsage = error instanceof Error && "errors" in error;
  if (!isUsage) console.error(error);
  // `rsyscall` alone shows its help, and is not wrong.
  process.exitCode =
    isUsage && (error.errors as ReadonlyArray<unknown>).length === 0 ? 0 : isUsage ? 2 : 1;
}
