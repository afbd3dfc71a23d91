import { tmpdir } from "node:os";
import { assert, describe, it } from "vitest";
import { MockError, spy, transcript } from "../src/index.ts";
import { directory, make, programs, sh } from "./mocks.ts";

describe("what a test is told", () => {
  it("is a diff of what was expected and what came", async () => {
    const m = await make();
    m.git("push", "origin").once();
    m.git("status").any();
    m("sendmail").once();
    sh(m, "git status; git status; git push upstream");
    let message = "";
    try {
      m.verify();
    } catch (error) {
      assert.instanceOf(error, MockError);
      message = error.message;
    }
    assert.include(
      message,
      [
        "expected:",
        "- git push origin (once): not called",
        "  git status (any number of times): called twice",
        "- sendmail (once): not called",
        "came:",
        "  git status",
        "  git status",
        "+ git push upstream (unexpected) → 127",
        "           ^^^^^^^^ origin was expected",
      ].join("\n"),
    );
    assert.match(
      message,
      /unexpected command: git push upstream \(pid \d+, started by \/bin\/sh -c .*, in .*\); nearest: git push origin\n/,
    );
  });

  it("is a transcript for snapshots, in which pids, temporary paths and times are the same", async () => {
    const bin = programs({
      tool: 'cat; echo "$$ in $1"; date; date +%s; date -Is; echo err >&2; exit 3',
    });
    const m = await make({ env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` } });
    m.tool.reply(spy);
    m.git.reply("x");
    const [one, two] = [directory(), directory()];
    sh(
      m,
      `git commit -m 'a b' ""; echo in | tool ${one}/f; git add ${two} ${one}; kill -0 $$; git $$`,
    );
    const lines = m.transcript.split("\n");
    assert.deepEqual(lines.slice(0, 3), [
      "git commit -m 'a b' ''",
      "tool <tmp 1>/f → 3",
      "    < in",
    ]);
    assert.match(
      lines.slice(3).join("\n"),
      /^ {4}\| in\n {4}\| \d+ in <tmp 1>\/f\n {4}\| <time>\n {4}\| <time>\n {4}\| <time>\n {4}! err\ngit add <tmp 2> <tmp 1>\ngit <pid 1>\n$/,
    );
    assert.equal(
      transcript(m.calls, { output: false, status: false, replace: [[/<tmp \d>/, "T"]] }).split(
        "\n",
      )[1],
      "tool T/f",
    );
    assert.include(transcript(m.calls, { normalise: false }), `${tmpdir()}/`);
  });
});
