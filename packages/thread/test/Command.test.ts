import { writeFileSync } from "node:fs";
import { it, missing, tempDirectory } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe, test } from "vitest";
import { Command } from "../src/index.ts";

/** Runs a command, and gives its stdout. */
const output = (command: Command) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.spawn(command, { stdout: writer });
    yield* writer.close();
    const bytes = yield* thread.readToEof(reader);
    yield* child.check();
    return Buffer.from(bytes);
  });

const odd = [
  "plain",
  "",
  "two words",
  "it's",
  '"quoted" $HOME `id` \\ * ? [a] {b} ~ # ! & | ; < > ( )',
  "two\nlines\n",
  "-n",
  "ünïcode",
  Uint8Array.of(0xff, 0xfe, 0x27),
];

describe("Command", () => {
  test("is immutable", () => {
    const first = Command.make("/bin/echo", "a");
    const second = first.args("b").env({ A: "1" }).argv0("other");
    assert.deepEqual(first.argv, ["/bin/echo", "a"]);
    assert.equal(first.envUpdates.size, 0);
    assert.deepEqual(second.argv, ["other", "a", "b"]);
    assert.deepEqual(
      [...second.env({ A: undefined, B: "2" }).envUpdates],
      [
        ["A", undefined],
        ["B", "2"],
      ],
    );
    assert.deepEqual([...second.envUpdates], [["A", "1"]]);
  });

  it("gives the program no variables but its own, as env -i does", function* () {
    const { environ } = yield* LocalThread;
    assert.isAbove(environ.strings.length, 1);
    const bare = Command.make("/usr/bin/env").emptyEnv();
    assert.deepEqual(yield* output(bare), Buffer.of());
    const own = Command.make("/usr/bin/env").env({ A: "1", PATH: undefined }).emptyEnv();
    assert.equal((yield* output(own.env({ B: "2" }))).toString(), "A=1\nB=2\n");
    assert.equal(own.args("-x").toShell(), "env -i A=1 /usr/bin/env -x");
    assert.equal(bare.toString(), "env -i /usr/bin/env");
    const child = yield* (yield* LocalThread).fork();
    yield* child.exec(
      child.environ.sh.args("-c", 'test -z "$HOME" && test "$A" = 1').emptyEnv().env({ A: "1" }),
    );
    yield* child.process.check();
    const shell = yield* (yield* LocalThread).run(child.environ.sh.args("-c", own.toShell()));
    assert.isTrue(shell.clean);
  });

  it("gives the program exactly its arguments and variables", function* () {
    const command = Command.make("/usr/bin/printf", "%s\\0", ...odd);
    const expected = Buffer.concat(
      odd.flatMap((arg) => [Buffer.from(arg as string), Buffer.of(0)]),
    );
    assert.deepEqual(yield* output(command), expected);
    const env = Command.make("/usr/bin/env", "-0").env({
      PATH: undefined,
      "ODD NAME": "a=b\nc",
      BYTES: Uint8Array.of(0xff, 0x3d),
    });
    const strings = (yield* output(env)).toString("latin1").split("\0");
    assert.includeMembers(strings, ["ODD NAME=a=b\nc", "BYTES=\xff="]);
    assert.isFalse(strings.some((string) => string.startsWith("PATH=")));
  });

  for (const shell of ["dash", "bash", "sh"])
    it.skipIf(missing(shell))(`means the same to ${shell}`, function* () {
      const bytes = Uint8Array.from({ length: 255 }, (_, i) => i + 1);
      const command = Command.make("/usr/bin/printf", "%s\\0", ...odd, bytes);
      const direct = yield* output(command);
      assert.deepEqual(
        yield* output(Command.make(`/bin/${shell}`, "-c", command.toShell())),
        direct,
      );
      const env = Command.make(
        "/bin/sh",
        "-c",
        `printf "%s|%s|%s" "$A" "\${B-unset}" "$1"`,
        "x",
        "'",
      )
        .env({ A: "it's\n'", B: undefined })
        .toShell();
      const inside = Command.make(`/bin/${shell}`, "-c", `B=set; export B; ${env}`);
      assert.equal((yield* output(inside)).toString(), "it's\n'|unset|'");

      // Names that look like options, and programs that look like assignments or are found in PATH.
      const directory = yield* tempDirectory;
      const names = ["a=b", "-n", "true", "it's"];
      for (const name of names)
        writeFileSync(
          `${directory}/${name}`,
          '#!/bin/sh\nprintf "%s|" "$1" "$(printenv B || echo unset)"; tr "\\0" "\\n" </proc/$$/environ | grep -a "^[-=]"\n',
          { mode: 0o755 },
        );
      for (const name of names)
        for (const path of [name, `${directory}/${name}`]) {
          const plain = Command.make(path, "-1");
          for (const [it, expected] of [
            [plain, "-1|set|"],
            [plain.env({ B: "=" }), "-1|=|"],
            [plain.env({ B: undefined, "-x y": "=1" }), "-1|unset|-x y==1\n"],
          ] as const) {
            const script = `cd ${directory}; B=set; export B; ${it.toShell()} || :`;
            const result = yield* output(Command.make(`/bin/${shell}`, "-c", script));
            assert.equal(result.toString(), expected, it.toShell());
          }
        }
    });
});
