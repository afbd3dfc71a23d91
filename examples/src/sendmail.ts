/*
 * Puts a TypeScript callback behind `sendmail`: programs send mail as usual, and the callback receives it.
 * Without arguments it runs two programs of its own; with arguments it runs that command with `sendmail` mocked,
 * and ends with the exit status of the command.
 */
import { Effect } from "effect";
import { LocalThread, StubServer } from "rsyscall";
import { gitCommit, shellScript } from "./callers.ts";
import { printCall } from "./printCall.ts";
import { runMain } from "./runMain.ts";
import { runProgram } from "./runProgram.ts";
import { temporaryDirectory } from "./temporaryDirectory.ts";

const usage = `Usage: npm start [-- COMMAND ARGS...]

Puts a TypeScript function behind the name 'sendmail' and runs programs that send mail.
Without COMMAND: a shell script, and 'git commit' with a second function as its editor.
With COMMAND: that command, with sendmail mocked; its exit status is the status of this one.
`;

const main = Effect.gen(function* () {
  const [command, ...args] = process.argv.slice(2);
  if (command === "--help" || command === "-h") {
    process.stdout.write(usage);
    return 0;
  }
  if (command?.startsWith("-")) {
    process.stderr.write(`Unknown option ${command}\n${usage}`);
    return 64;
  }

  const thread = yield* LocalThread;
  const directory = yield* temporaryDirectory;
  const server = yield* StubServer.make(thread, directory, "sendmail");
  yield* Effect.forkScoped(
    server.serve((call) =>
      Effect.gen(function* () {
        const message = yield* call.thread.readTextToEof(call.thread.stdin);
        yield* printCall(call, { message, status: 0 });
        return 0;
      }),
    ),
  );

  const env = { ...process.env, PATH: `${directory}:${process.env["PATH"] ?? ""}` };
  if (command !== undefined) return yield* runProgram(command, args, { env });
  const mailed = yield* shellScript(env);
  const committed = yield* gitCommit(thread, directory, env);
  return mailed !== 0 ? mailed : committed;
}).pipe(Effect.scoped, Effect.provide(LocalThread.layer));

runMain(main);
