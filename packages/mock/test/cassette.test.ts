import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, it } from "vitest";
import { type CassetteOptions, MockError, mock, readCassette } from "../src/index.ts";
import { directory, make, programs, run, sh } from "./mocks.ts";

/** A program whose answers differ each time. */
const COUNTER = (file: string) => `
n=$(cat ${file} 2>/dev/null || echo 0); n=$((n + 1)); echo $n > ${file}
case $1 in
binary) printf '\\000\\377\\n' ;;
input) read line; echo "got $line"; cat > /dev/null ;;
die) kill -TERM $$ ;;
*) echo "$n $*"; echo "secret-$n" >&2; exit 3 ;;
esac`;

const setUp = () => {
  const files = directory();
  const bin = programs({ tool: COUNTER(join(files, "count")) });
  const file = join(files, "sub", "calls.json");
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
  return {
    file,
    make: (options: Partial<CassetteOptions> = {}) =>
      make({ env, cassette: { file, programs: ["tool"], ...options } }),
  };
};

const problem = async (run: () => Promise<unknown>): Promise<string> => {
  try {
    await run();
  } catch (error) {
    assert.instanceOf(error, MockError);
    return error.message;
  }
  assert.fail("nothing has failed");
};

const SCRIPT =
  "tool a b; tool a b; tool binary | od -An -c; echo in | tool input; tool die; echo $?";

describe("a cassette", () => {
  it("is recorded if it is not there, and answers from then on", async () => {
    const { file, make } = setUp();
    const first = await make({ env: ["LANG"] });
    const recorded = sh(first, SCRIPT, { env: { LANG: "C" } });
    assert.isFalse(existsSync(file));
    await first.close();
    const second = await make();
    assert.deepEqual(sh(second, SCRIPT), recorded);
    await second.close();
    const calls = readCassette(file)?.calls ?? [];
    assert.deepEqual(
      calls.map(({ argv, status, signal }) => [
        argv.slice(1).join(" "),
        status ?? `signal ${signal}`,
      ]),
      [
        ["a b", 3],
        ["a b", 3],
        ["binary", 0],
        ["input", 0],
        ["die", "signal 15"],
      ],
    );
    assert.deepEqual(calls[0]?.env, { LANG: "C" });
    const content = readFileSync(file, "utf8");
    assert.match(content, /"format": "rsyscall cassette",\n {2}"version": 1,/);
    assert.match(content, /"stdout": "1 a b\\n"/);
    assert.match(content, /"base64": "AP8K"/);
  });

  it("fails with a diff if calls are not in it, or did not come", async () => {
    const { make } = setUp();
    const first = await make();
    sh(first, "tool a 1; tool b 2; tool c 3");
    await first.close();
    const second = await make();
    const { stderr, stdout } = sh(second, "tool a 1; tool b two; echo $?; tool c 3; tool c 3");
    assert.match(stdout, /^1 a 1\n127\n3 c 3\n$/);
    assert.match(
      stderr,
      /unexpected command: tool b two \(pid .*: it is not in cassette .*; nearest: tool b 2\n/,
    );
    assert.match(stderr, /cassette .* has it once, and it came once more\n/);
    const message = await problem(() => second.close());
    assert.include(message, "  tool a 1\n- tool b 2\n+ tool b two\n  tool c 3\n+ tool c 3");
  });

  it("compares input that a program has read to its end", async () => {
    const { make } = setUp();
    const first = await make();
    sh(first, "echo one | tool input; echo two | tool input");
    await first.close();
    const second = await make({ mode: "none" });
    assert.equal(
      sh(second, "echo two | tool input; echo one | tool input").stdout,
      "got two\ngot one\n",
    );
    await second.close();
    const third = await make({ mode: "none" });
    assert.match(sh(third, "echo three | tool input").stderr, /it is not in cassette/);
  });

  it("compares input of any bytes, also of one that has no end", async () => {
    const file = join(directory(), "calls.json");
    const cassette = { file, programs: ["wc", "cat"] };
    const script = "printf '\\377\\n' | wc -c; echo 1 | cat; yes | cat | head -1";
    const first = await make({ cassette });
    const recorded = sh(first, script);
    assert.equal(recorded.stdout, "2\n1\ny\n");
    await first.close();
    const second = await make({ cassette });
    assert.deepEqual(sh(second, script), recorded);
    await second.close();
  });

  it("refuses a file that is none, and a directory that cannot be made", async () => {
    const at = (file: string) => problem(async () => (await make({ cassette: { file } })).close());
    assert.match(await at("/dev/full"), /no regular file/);
    assert.match(await at("/proc/dir/x.json"), /cannot be written/);
  });

  it("says that a call differs by its input alone", async () => {
    const cassette = { file: join(directory(), "calls.json"), programs: ["cat"] };
    const first = await make({ cassette });
    sh(first, "echo a | cat");
    await first.close();
    const second = await make({ cassette });
    assert.match(sh(second, "echo b | cat").stderr, /nearest: cat, which had another input/);
  });

  it("gets what is new, or all anew", async () => {
    const { file, make } = setUp();
    const record = async (mode: CassetteOptions["mode"], script: string) => {
      const m = await make(mode === undefined ? {} : { mode });
      const { stdout } = sh(m, script);
      await m.close();
      return stdout;
    };
    assert.equal(await record("new", "tool a"), "1 a\n");
    assert.equal(await record("new", "tool a; tool b"), "1 a\n2 b\n");
    assert.equal(await record("none", "tool b; tool a"), "2 b\n1 a\n");
    assert.equal(await record("all", "tool a"), "3 a\n");
    assert.equal(readCassette(file)?.calls.length, 1);
  });

  it("has nothing that is redacted, and replays all the same", async () => {
    for (const redact of [
      ["hush", /secret-\d/],
      [(text: string) => text.replace(/hush|secret-\d/g, "***")],
    ]) {
      const { file, make } = setUp();
      const first = await make({ redact });
      const recorded = sh(first, "tool --token=hush x; printf 'hu'; echo hush | tool input");
      await first.close();
      assert.notMatch(readFileSync(file, "utf8"), /hush|secret-/);
      const second = await make({ redact });
      const { stdout } = await run("/bin/sh", ["-c", "tool --token=hush x; printf 'hu'; true"], {
        env: second.env,
      });
      assert.equal(`${stdout}got <redacted>\n`.slice(0, 10), recorded.stdout.slice(0, 10));
      await second.close({ verify: false });
    }
  });

  it("leaves calls for which there is a rule to the rule", async () => {
    const { file, make } = setUp();
    const m = await make();
    m.tool("ruled").reply("by rule\n");
    assert.equal(sh(m, "tool ruled; tool a").stdout, "by rule\n1 a\n");
    await m.close();
    assert.equal(readCassette(file)?.calls.length, 1);
  });

  it("is refused in words if it is broken, of another version, or something else", async () => {
    const file = join(directory(), "file.json");
    const refusal = async (content: string, mode: CassetteOptions["mode"] = "once") => {
      writeFileSync(file, content);
      const message = await problem(() => mock({ cassette: { file, mode } }));
      assert.equal(readFileSync(file, "utf8"), content);
      return message;
    };
    assert.match(
      await refusal("{"),
      /^cassette .*: it is no JSON .*: remove it to record it again$/,
    );
    assert.match(
      await refusal("{}"),
      /has no "format": "rsyscall cassette": give another file name/,
    );
    assert.match(await refusal('{"name":"a package"}', "all"), /give another file name/);
    assert.match(
      await refusal('{"format":"rsyscall cassette","version":2}'),
      /it is of version 2, and this is for version 1: record it again/,
    );
    assert.match(
      await refusal(
        '{"format":"rsyscall cassette","version":1,"calls":[{"program":"a","argv":["a",7],"output":[],"status":0}]}',
      ),
      /it is broken: call 1, argv\[1\] must be text/,
    );
    assert.match(
      await problem(() => mock({ cassette: { file: `${file}.not`, mode: "none" } })),
      /there is no such file: record it with mode "once" or "all"/,
    );
  });
});
