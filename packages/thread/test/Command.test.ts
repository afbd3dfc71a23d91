import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe, test } from "vitest";
import { it, missing } from "../../../tests/harness/index.ts";
import { Command } from "../src/index.ts";

/** Runs a command, and gives its stdout. */
const output = (command: Command) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.spawn(command, { stdout: writer });
    yield* writer.close;
    const bytes = yield* thread.readToEof(reader);
    yield* child.check;
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
      // A shell gets text: what is not UTF-8 cannot be in it.
      const args = odd.filter((arg) => typeof arg === "string");
      const command = Command.make("/usr/bin/printf", "%s\\0", ...args);
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
    });
});
