import { SIG } from "@rsyscall/abi";
import { it, mock, program, python, quietly, seen, shell } from "@rsyscall/harness";
import type { StubCall } from "@rsyscall/stub-server";
import { Console, Effect, PlatformError, Stdio, Stream } from "effect";
import { assert, describe } from "vitest";
import { StubStdio } from "../src/index.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Mocks a program by one of Effect that knows nothing of stubs. */
const mocked = <A extends number | void, E>(effect: Effect.Effect<A, E, Stdio.Stdio>) =>
  mock((call: StubCall) => Effect.provide(effect, StubStdio.layer(call)));

describe("the Stdio of a stub", () => {
  it("is that of the program which was called", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { args, stdin, stdout, stderr } = yield* Stdio.Stdio;
        const text = yield* Stream.mkString(Stream.decodeText(stdin));
        yield* Stream.run(Stream.make(`${(yield* args).join("|")}:`, encode(text)), stdout());
        yield* Stream.run(Stream.make("err"), stderr());
        // They stay open.
        yield* Stream.run(Stream.make("!"), stdout());
        return 3;
      }),
    );
    assert.deepEqual(seen(yield* program(path, ["a", "b c", ""], { input: "input" })), {
      status: 3,
      stdout: "a|b c|:input!",
      stderr: "err",
    });
  });

  it("passes on what is big, as fast as it is read", function* () {
    const { path } = yield* mocked(
      Effect.flatMap(Stdio.Stdio, ({ stdin, stdout }) => Stream.run(stdin, stdout())),
    );
    const ended = yield* shell('head -c 8000000 /dev/zero | "$1" | wc -c', [path]);
    assert.equal(seen(ended).stdout.trim(), "8000000");
  });

  it("ends its output when it is told to", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { stdin, stdout } = yield* Stdio.Stdio;
        yield* Stream.run(Stream.make("end"), stdout({ endOnDone: true }));
        const late = Stream.run(Stream.make("late"), stdout());
        const { reason } = yield* Effect.flip(late);
        assert.equal(reason._tag, "BadResource");
        assert.equal(reason.method, "stdout");
        // Only then does the caller close its end.
        yield* Stream.runDrain(stdin);
      }),
    );
    const code =
      "a, b = os.pipe(); c, d = os.pipe()\npid = os.posix_spawn(p, [p], {}, file_actions=[(os.POSIX_SPAWN_DUP2, c, 0), (os.POSIX_SPAWN_DUP2, b, 1)])\nos.close(b); os.close(c)\ngot = os.read(a, 99); assert os.read(a, 99) == b''\nos.close(d)\nprint(got, os.waitpid(pid, 0)[1])";
    assert.equal(seen(yield* python(code, [path])).stdout, "b'end' 0\n");
  });

  it("is a program whose reader is gone", function* () {
    const { path } = yield* mocked(
      Effect.flatMap(Stdio.Stdio, ({ stdout }) =>
        Effect.flip(Stream.run(Stream.forever(Stream.make("y\n")), stdout())).pipe(
          Effect.map((error) => assert.isTrue(PlatformError.isPlatformError(error))),
        ),
      ),
    );
    const { stdout, stderr } = seen(
      yield* quietly(shell('{ "$1"; echo $? >&2; } | head -n1', [path])),
    );
    assert.equal(stdout, "y\n");
    assert.equal(stderr, `${128 + SIG.PIPE}\n`);
  });

  it("knows its terminals", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const stdio = yield* Stdio.Stdio;
        const answers = [
          yield* stdio.stdinIsTerminal,
          yield* stdio.stdoutIsTerminal,
          yield* stdio.stderrIsTerminal,
        ];
        return answers.reduce((sum, answer, i) => sum + (answer ? 1 << i : 0), 0);
      }),
    );
    const code = (n: number) =>
      `m, s = os.openpty()\npid = os.posix_spawn(p, [p], {}, file_actions=[(os.POSIX_SPAWN_DUP2, s, ${n})])\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    for (const n of [0, 1, 2])
      assert.equal(seen(yield* python(code(n), [path])).stdout, `${1 << n}\n`);
    assert.equal(seen(yield* shell('"$1" <&- 2>&1 | cat; "$1" </dev/null', [path])).status, 0);
  });

  it("has the console in its order", function* () {
    const { path } = yield* mocked(
      Effect.gen(function* () {
        const { stdout } = yield* Stdio.Stdio;
        for (let i = 0; i < 100; i++) {
          yield* Console.log("log", i);
          if (i % 10 === 0) yield* Stream.run(Stream.make(`out ${i}\n`), stdout());
        }
        yield* Console.error("x".repeat(200_000));
        yield* Console.log("end");
      }),
    );
    const ended = seen(yield* program(path, []));
    const lines = Array.from({ length: 100 }, (_, i) => [
      `log ${i}`,
      ...(i % 10 === 0 ? [`out ${i}`] : []),
    ]).flat();
    assert.deepEqual(ended.stdout.split("\n"), [...lines, "end", ""]);
    assert.equal(ended.stderr.length, 200_001);
    assert.equal(ended.status, 0);
  });
});
