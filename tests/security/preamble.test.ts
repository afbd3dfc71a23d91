import { it, missing, start } from "@rsyscall/harness";
import { assert, describe } from "vitest";

/*
 * Output of a command before the shell behind it begins. The controller is a process of its own: a blocked one could
 * not report that. The output makes a repeated search from the beginning slow: 64 KiB in as many parts as possible,
 * full of near matches.
 */

const parts = (text: string, count: number) =>
  `import os, time\nfor i in range(${count}): os.write(1, ${text}); time.sleep(0.0002)\ntime.sleep(60)`;

const fixture = new URL("../fixtures/preamble.mjs", import.meta.url).pathname;

describe("a command that says something before a shell begins", () => {
  const preambles: ReadonlyArray<[what: string, script: string]> = [
    ["the same words for ever", parts('b"rsyscall-ready " * (4000 if i == 0 else 0) + b"."', 4000)],
    ["many lines", parts('b"rsyscall-refused\\n" * (3000 if i == 0 else 0) + b"\\n"', 4000)],
    ["a line without end", parts('b"x" * (60000 if i == 0 else 0) + b"x"', 4000)],
  ];
  for (const [what, script] of preambles)
    it.skipIf(missing("python3"))(`holds up no other client: ${what}`, function* () {
      const controller = yield* start(process.execPath, [fixture, script, "700 millis"]);
      const { stdout, stderr } = yield* controller.ended;
      const { took, longest, exit } = JSON.parse(stdout.toString() || stderr.toString());
      assert.match(exit, /no answer within 700ms|no shell has begun behind it/);
      // Both leave room for a busy machine. Without the fix they were 5,500 and 4,000.
      assert.isBelow(took, 2500);
      assert.isBelow(longest, 500);
    });
});
