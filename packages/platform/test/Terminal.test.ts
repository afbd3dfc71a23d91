import { POLL, SIG } from "@rsyscall/abi";
import { AsyncPty } from "@rsyscall/epoller";
import { loginTty, openpty, pollNow } from "@rsyscall/handle";
import { it, mock, program, python, seen, shell, start, turn } from "@rsyscall/harness";
import type { StubCall } from "@rsyscall/stub-server";
import { Command, LocalThread } from "@rsyscall/thread";
import { Deferred, Effect, Fiber, Option, Queue, type Scope, Terminal } from "effect";
import { assert, describe } from "vitest";
import { StubTerminal } from "../src/index.ts";

/** A program in a terminal of its own, of which the test is the user. */
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
    yield* child.exec(Command.make(path, ...args));
    const pty = yield* AsyncPty.make(yield* thread.epoller(), master);
    let screen = "";
    return {
      master,
      process: child.process,
      /** What the terminal does with what is typed, by stty(1): before the program, and now. */
      before,
      modes,
      type: (text: string) => pty.writeAllBytes(new TextEncoder().encode(text)),
      /** Waits until the terminal shows this, from where the last wait has found its text. */
      shows: (text: string) =>
        Effect.gen(function* () {
          while (!screen.includes(text)) screen += new TextDecoder().decode(yield* pty.readBytes());
          screen = screen.slice(screen.indexOf(text) + text.length);
        }),
    };
  });

/** Mocks a program by one of Effect that knows nothing of stubs. */
const mocked = <A extends number | void, E>(
  effect: Effect.Effect<A, E, Terminal.Terminal | Scope.Scope>,
) => mock((call: StubCall) => Effect.provide(effect, StubTerminal.layer(call)));

/** A key as one would say it. */
const said = ({ input, key }: Terminal.UserInput) =>
  `${key.ctrl ? "^" : ""}${key.meta ? "M-" : ""}${key.shift ? "S-" : ""}${key.name || Option.getOrElse(input, () => "?")}`;

/** Shows keys as they come, until there are no more. */
const showKeys = Effect.gen(function* () {
  const { readInput, display } = yield* Terminal.Terminal;
  const keys = yield* readInput;
  yield* display("ready\n");
  yield* Effect.forever(Effect.flatMap(Queue.take(keys), (key) => display(`<${said(key)}>`))).pipe(
    Effect.catchTag("Done", () => display("<end>")),
  );
});

describe("the Terminal of a stub", () => {
  it("has the size of the caller's terminal, also when it changes", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const terminal = yield* Terminal.Terminal;
        yield* terminal.display(`${yield* terminal.columns}x${yield* terminal.rows}\n`);
        const sizes = yield* terminal.size;
        for (let i = 0; i < 2; i++) {
          const { columns, rows } = yield* Queue.take(sizes);
          yield* terminal.display(`${i}: ${columns}x${rows}\n`);
        }
      }),
    );
    const { shows, master, process } = yield* inTerminal(path);
    yield* shows("100x30");
    yield* shows("0: 100x30");
    yield* master.setWinsize({ rows: 31, columns: 101, width: 0, height: 0 });
    yield* shows("1: 101x31");
    yield* process.check();
  });

  it("reads keys in raw mode, and gives the terminal back as it was", function* () {
    const { path } = yield* mocked(Effect.scoped(showKeys));
    const { shows, type, before, modes, process } = yield* inTerminal(path);
    yield* shows("ready");
    assert.notEqual(yield* modes, before);
    yield* type("aB\r\x1b[A\x1b[1;5C\x1bf\x01\t€😀");
    // Nothing of it is echoed.
    yield* shows("\r\n<a><S-b><return><up><^right><M-f><^a><tab><€><😀>");
    yield* type("\x1b");
    yield* shows("<M-escape><end>");
    yield* process.check();
    assert.equal(yield* modes, before);
  });

  for (const [name, typed] of [
    ["Ctrl-C", "\x03"],
    ["Ctrl-D", "\x04"],
  ] as const)
    it(`ends the keys at ${name}, which is no signal`, function* () {
      const { path } = yield* mocked(Effect.as(Effect.scoped(showKeys), 7));
      const { shows, type, process } = yield* inTerminal(path);
      yield* shows("ready");
      yield* type(typed);
      yield* shows(`<^${typed === "\x03" ? "c" : "d"}><end>`);
      assert.equal((yield* process.wait()).exitStatus, 7);
    });

  it("gives the terminal back when a reader is interrupted", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const terminal = yield* Terminal.Terminal;
        const reading = yield* Effect.forkChild(Effect.scoped(showKeys), {
          startImmediately: true,
        });
        const line = Effect.scoped(Effect.flatMap(terminal.readInput, (keys) => Queue.take(keys)));
        yield* line;
        yield* Fiber.interrupt(reading);
        yield* terminal.display("interrupted\n");
        yield* terminal.display(`line: ${yield* terminal.readLine}\n`);
      }),
    );
    const { shows, type, before, modes, process } = yield* inTerminal(path);
    yield* shows("ready");
    yield* type("x");
    yield* shows("interrupted");
    assert.equal(yield* modes, before);
    yield* type("edited\x7f\n");
    yield* shows("line: edite");
    yield* process.check();
  });

  it("gives what was not taken to the next reader", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readInput, readLine, display } = yield* Terminal.Terminal;
        const first = Effect.scoped(Effect.flatMap(readInput, (keys) => Queue.take(keys)));
        const taken: Array<string> = [];
        taken.push(said(yield* first), said(yield* first), said(yield* first));
        taken.push(yield* readLine, said(yield* first), yield* readLine);
        yield* display(JSON.stringify(taken));
      }),
    );
    const rest = "a line that is longer than sixteen keys";
    const input = `y\x1b[B\x1bf${rest}\r\nnlast`;
    assert.equal(
      seen(yield* program(path, [], { input })).stdout,
      JSON.stringify(["y", "down", "M-f", rest, "n", "last"]),
    );
  });

  it("reads lines of any kind of stdin, and is told of the end", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readLine, display, columns, rows } = yield* Terminal.Terminal;
        yield* display(`${yield* columns}x${yield* rows}`);
        const line = Effect.flatMap(readLine, (line) => display(`<${line}>`));
        yield* Effect.forever(line).pipe(
          Effect.catchTag("QuitError", (error) =>
            display(Terminal.isQuitError(error) ? "quit" : "?"),
          ),
        );
        assert.equal((yield* Effect.flip(readLine))._tag, "QuitError");
      }),
    );
    for (const [input, lines] of [
      ["", ""],
      ["one\ntwo\r\n\nthr€e\rfour\n", "<one><two><><thr€e><four>"],
      ["no newline", "<no newline>"],
    ] as const)
      assert.equal(seen(yield* program(path, [], { input })).stdout, `0x0${lines}quit`);
    // However it is cut: a read of this pipe gives what one write has written.
    const packets =
      "r, w = os.pipe2(os.O_DIRECT)\nfor part in [b'a', b'b', b'\\r', b'\\n', b'c', b'\\n', b'\\xe2', b'\\x82', b'\\xac']: os.write(w, part)\nos.set_inheritable(w, False); os.dup2(r, 0); os.execv('/bin/sh', ['sh', '-c', 'exec \"$1\"', 'sh', p])";
    assert.equal(seen(yield* python(packets, [path])).stdout, "0x0<ab><c><€>quit");
    const closed = seen(yield* shell('"$1" <&-', [path]));
    assert.deepEqual(closed, { status: 0, stdout: "0x0quit", stderr: "" });
  });

  it("gives a line that is too long in pieces, and keeps no more of it", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readLine, display } = yield* Terminal.Terminal;
        for (let i = 0; i < 4; i++) yield* display(`${(yield* readLine).length} `);
        yield* display(yield* readLine);
      }),
    );
    const input = `${"x".repeat(3 * 1024 * 1024 + 5)}\nnext\n`;
    assert.equal(seen(yield* program(path, [], { input })).stdout, `${"1048576 ".repeat(3)}5 next`);
    const endless = `exec "$1" < /dev/zero`;
    const pieces = seen(yield* shell(endless, [path])).stdout;
    assert.equal(pieces, `${"1048576 ".repeat(4)}${"\0".repeat(1024 * 1024)}`);
  });

  it("ends the keys with the input", function* () {
    const { path } = yield* mocked(Effect.scoped(showKeys));
    for (const [input, keys] of [
      ["", ""],
      ["ab\n", "<a><b><enter>"],
      ["a\x1b", "<a><M-escape>"],
      ["a\x1b[", "<a>"],
    ] as const)
      assert.equal(seen(yield* program(path, [], { input })).stdout, `ready\n${keys}<end>`);
  });

  it("gives every key to all readers", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readInput, display } = yield* Terminal.Terminal;
        const ready = yield* Deferred.make<void>();
        const read = (before: Effect.Effect<unknown>) =>
          Effect.scoped(
            Effect.gen(function* () {
              const keys = yield* readInput;
              yield* before;
              return [said(yield* Queue.take(keys)), said(yield* Queue.take(keys))].join("");
            }),
          );
        const other = yield* Effect.forkChild(read(Deferred.await(ready)), {
          startImmediately: true,
        });
        const mine = yield* read(Deferred.succeed(ready, undefined));
        yield* display(`${mine} ${yield* Fiber.join(other)}`);
      }),
    );
    const { shows, type, process } = yield* inTerminal(path);
    yield* type("12");
    yield* shows("12 12");
    yield* process.check();
  });

  it("ends the keys of its readers when its user quits, and not of the next one", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readInput, display } = yield* Terminal.Terminal;
        const first = yield* readInput;
        yield* display("ready\n");
        yield* display(said(yield* Queue.take(first)));
        yield* Effect.flip(Queue.take(first));
        const next = yield* readInput;
        yield* display(said(yield* Queue.take(next)));
      }).pipe(Effect.scoped),
    );
    const { shows, type, process } = yield* inTerminal(path);
    yield* shows("ready");
    yield* type("\x03x");
    yield* shows("^cx");
    yield* process.check();
  });

  it("leaves Ctrl-C in a line to the terminal, and notices that its process is gone", function* () {
    const ended = yield* Deferred.make<string>();
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const { readLine, display } = yield* Terminal.Terminal;
        // The process may be gone before it could say that it has written.
        yield* Effect.ignore(display("name? "));
        yield* Deferred.succeed(ended, (yield* Effect.flip(readLine))._tag);
      }).pipe(Effect.provide(StubTerminal.layer(call))),
    );
    // The shell goes on, and so does the terminal.
    const script = 'trap : INT; "$1"; echo "status $?"; read line';
    const { shows, type } = yield* inTerminal("/bin/sh", "-c", script, "sh", path);
    yield* shows("name? ");
    yield* type("me\x03");
    yield* shows(`status ${128 + SIG.INT}`);
    assert.equal(yield* Deferred.await(ended), "QuitError");
    yield* type("\n");
  });

  it("at the end of input in a terminal may be asked again", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { readLine, display } = yield* Terminal.Terminal;
        yield* display("first? ");
        yield* Effect.flip(readLine);
        yield* display("again? ");
        yield* display(yield* readLine);
      }),
    );
    const { shows, type, process } = yield* inTerminal(path);
    yield* shows("first? ");
    yield* type("\x04");
    yield* shows("again? ");
    yield* type("yes\n");
    yield* shows("yes\r\nyes");
    yield* process.check();
  });

  it("fails to display where nothing can be shown", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { display } = yield* Terminal.Terminal;
        const { reason } = yield* Effect.flip(display("text"));
        assert.deepInclude(
          { ...reason },
          { _tag: "Unknown", module: "Terminal", method: "display" },
        );
      }),
    );
    assert.equal(seen(yield* shell('"$1" >/dev/full', [path])).status, 0);
  });

  it("does not read ahead of its readers for ever", function* () {
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        const keys = yield* (yield* Terminal.Terminal).readInput;
        yield* Queue.take(keys);
        for (let i = 0; i < 2000; i++) yield* turn;
        return yield* pollNow(call.thread.stdin, POLL.IN);
      }).pipe(Effect.scoped, Effect.provide(StubTerminal.layer(call))),
    );
    const caller = yield* start(path);
    // More than one read takes, and the end is not there yet.
    caller.stdin?.write("x".repeat(70_000));
    assert.equal((yield* caller.ended).status, POLL.IN);
  });
});
