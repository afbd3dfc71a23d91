import { fileURLToPath } from "node:url";
import { execute, it, slow, tempDirectory } from "@rsyscall/harness";
import { assert, describe } from "vitest";

const program = fileURLToPath(new URL("terminate.mjs", import.meta.url));

/** The activities in whose middle a worker is ended. */
const kinds = [
  "scope",
  "program",
  "programs",
  "forks",
  "calls",
  "watches",
  "descriptors",
  "memory",
  "stubs",
  "exits",
  "exitsAfter",
  "throws",
];
/** With RSYSCALL_SLOW=1, a thousand workers. */
const count = slow === undefined ? 1000 : kinds.length;

describe("a worker that ends in the middle of anything", () => {
  it(
    "leaves no descriptor and no child, and the process lives",
    function* () {
      const directory = yield* tempDirectory;
      const { stdout, stderr, status, signal } = yield* execute(process.execPath, [
        program,
        directory,
        String(count),
        ...kinds,
      ]);
      assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr.toString());
      const { descriptors, children } = JSON.parse(stdout.toString());
      assert.deepEqual({ descriptors, children }, { descriptors: [], children: [] });
    },
    30_000 + 1000 * count,
  );
});
