import { EX } from "@rsyscall/abi";
import { AsyncPty } from "@rsyscall/epoller";
import { loginTty, openpty } from "@rsyscall/handle";
import { it, mock, program, seen, start, tempDirectory } from "@rsyscall/harness";
import { LocalThread, Command as Program } from "@rsyscall/thread";
import {
  Console,
  Data,
  Effect,
  FileSystem,
  Path,
  Runtime,
  Scope,
  Stdio,
  Stream,
  Terminal,
} from "effect";
import { Argument, Command, Flag, Prompt } from "effect/cli";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import { assert, describe } from "vitest";
import { StubServices } from "../src/index.ts";

/** An error that chooses its exit status. */
class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 75;
}

/* A program of effect/cli, which knows nothing of stubs. */

const send = Command.make(
  "send",
  {
    from: Flag.String("from").pipe(Flag.withAlias("f"), Flag.withDefault("nobody")),
    verbose: Flag.Boolean("verbose").pipe(Flag.withDefault(false)),
    to: Argument.String("to"),
  },
  ({ from, verbose, to }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const path = yield* Path.Path;
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
      const { stdin } = yield* Stdio.Stdio;
      if (to === "refused") return yield* new Refused({ message: "mailbox full" });
      if (to === "crash") return yield* Effect.die(new Error("crashed"));
      const text = yield* Stream.mkString(Stream.decodeText(stdin));
      yield* fs.writeFileString(path.resolve("sent"), text);
      if (verbose) yield* Console.error(`${from} to ${to}`);
      yield* (yield* Terminal.Terminal).display(yield* spawner.string(ChildProcess.make`cat sent`));
      yield* Console.log("sent");
    }),
).pipe(Command.withDescription("Sends a message"));

const ask = Command.make(
  "ask",
  {
    name: Flag.String("name").pipe(
      Flag.withFallbackPrompt(Prompt.String({ message: "Your name" })),
    ),
  },
  ({ name }) =>
    Effect.gen(function* () {
      const colour = yield* Prompt.Select({
        message: "Colour",
        choices: ["red", "green", "blue"].map((value) => ({ title: value, value })),
      });
      const word = yield* Prompt.Confirm({ message: "Sure" });
      yield* Console.log(`${name} takes ${colour}: ${word}`);
    }),
);

const main = Command.make("mail").pipe(
  Command.withSubcommands([send, ask]),
  Command.run({ version: "1.2.3" }),
);

const mail = mock((call) => StubServices.run(call, main));

/** Runs the program in a terminal of its own, whose user the test is. */
const inTerminal = (path: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const [master, terminal] = yield* openpty(thread.task, {
      rows: 30,
      columns: 100,
      width: 0,
      height: 0,
    });
    const child = yield* thread.fork();
    yield* loginTty(yield* terminal.inherit(child.task), [child.stdin, child.stdout, child.stderr]);
    const { text: name } = yield* master.ptsname();
    const modes = Effect.map(program("stty", ["-F", name, "-g"]), (ended) => seen(ended).stdout);
    const before = yield* modes;
    yield* child.exec(Program.make(path, ...args).env({ TERM: "xterm", NO_COLOR: undefined }));
    const pty = yield* AsyncPty.make(yield* thread.epoller(), master);
    let screen = "";
    return {
      process: child.process,
      before,
      modes,
      type: (text: string) => pty.writeAllBytes(new TextEncoder().encode(text)),
      /** Waits until the terminal shows this, and gives all until there, from the last time on. */
      shows: (text: string) =>
        Effect.gen(function* () {
          while (!screen.includes(text)) screen += new TextDecoder().decode(yield* pty.readBytes());
          const until = screen.indexOf(text) + text.length;
          const shown = screen.slice(0, until);
          screen = screen.slice(until);
          return shown;
        }),
    };
  });

describe("a program of effect/cli", () => {
  it("is the mock: its files, programs, input and output are those of its process", function* () {
    const { path } = yield* mail;
    const cwd = yield* tempDirectory;
    const args = ["send", "-f", "me", "--verbose", "you"];
    assert.deepEqual(seen(yield* program(path, args, { input: "hello\n", cwd })), {
      status: 0,
      stdout: "hello\nsent\n",
      stderr: "me to you\n",
    });
    assert.equal(seen(yield* program("cat", ["sent"], { cwd })).stdout, "hello\n");
  });

  it("shows its help and its version to its caller", function* () {
    const { path } = yield* mail;
    const help = seen(yield* program(path, ["send", "--help"]));
    assert.equal(help.status, 0);
    assert.include(help.stdout, "Sends a message");
    assert.include(help.stdout, "mail send [flags] <to>");
    // No colours: stdout is no terminal.
    assert.notInclude(help.stdout, "\x1b");
    assert.equal(help.stderr, "");
    const version = seen(yield* program(path, ["--version"]));
    assert.deepEqual(version, { status: 0, stdout: "mail v1.2.3\n", stderr: "" });
  });

  it("tells its caller what is wrong with its arguments", function* () {
    const { path } = yield* mail;
    for (const [args, problem] of [
      [["send"], "Missing required argument: to"],
      [["send", "--fast", "you"], "--fast"],
      [["sned", "you"], "sned"],
      // There is no terminal to ask at.
      [["ask"], "--name"],
    ] as const) {
      const { status, stdout, stderr } = seen(yield* program(path, args));
      assert.equal(status, 1);
      assert.include(stdout, "USAGE");
      assert.include(stderr, problem);
    }
  });

  it("fails with the status that its error says, and shows what is unexpected", function* () {
    const { path } = yield* mail;
    const refused = seen(yield* program(path, ["send", "refused"]));
    assert.deepEqual([refused.status, refused.stdout], [75, ""]);
    assert.include(refused.stderr, "mailbox full");
    const crash = seen(yield* program(path, ["send", "crash"]));
    assert.deepEqual([crash.status, crash.stdout], [1, ""]);
    assert.include(crash.stderr, "Error: crashed");
  });

  it("asks the user of its caller's terminal, in colours", function* () {
    const { path } = yield* mail;
    const { shows, type, before, modes, process } = yield* inTerminal(path, "ask");
    assert.include(yield* shows("Your name"), "\x1b[");
    yield* type("me\x7fy\r");
    yield* shows("Colour");
    yield* type("\x1b[B");
    yield* shows("green");
    yield* type("\r");
    yield* shows("Sure");
    yield* type("y");
    yield* shows("my takes green: true\r\n");
    yield* process.check();
    assert.equal(yield* modes, before);
  });

  it("takes what was typed before it has asked", function* () {
    const { path } = yield* mail;
    const { shows, type, process } = yield* inTerminal(path, "ask", "--name", "x");
    yield* type("\x1b[B\x1b[B\ry");
    yield* shows("x takes blue: true\r\n");
    yield* process.check();
  });

  it("ends as if by Ctrl-C when its user quits", function* () {
    const { path } = yield* mail;
    const { shows, type, before, modes, process } = yield* inTerminal(path, "ask", "--name", "x");
    yield* shows("Colour");
    yield* type("\x03");
    assert.equal((yield* process.wait()).exitStatus, 130);
    assert.equal(yield* modes, before);
  });

  it("does not ask where the input ends", function* () {
    const { path } = yield* mail;
    const { status, stdout } = seen(yield* program(path, ["ask", "--name", "x"]));
    assert.equal(status, 130);
    assert.include(stdout, "Colour");
  });

  it("is interrupted when its server stops, and does not exit by itself then", function* () {
    const outer = yield* Effect.scope;
    const caller = yield* Effect.scoped(
      Effect.gen(function* () {
        const waiting = Effect.andThen(Console.log("ready"), Effect.never);
        const { path } = yield* mock((call) => StubServices.run(call, waiting));
        const caller = yield* Scope.provide(start(path), outer);
        yield* caller.line((line) => line === "ready");
        return caller;
      }),
    );
    assert.equal((yield* caller.ended).status, EX.UNAVAILABLE);
  });
});
