import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { execute, it } from "@rsyscall/harness";
import { assert, describe } from "vitest";

const tests = fileURLToPath(new URL("../../stub-c/test", import.meta.url));

/** Why the tests cannot run here: the C compiler does not link a program with sanitizers. */
const withoutSanitizers = (): string | undefined => {
  const args = ["-fsanitize=address,undefined", "-x", "c", "-", "-o", "/dev/null"];
  const { status } = spawnSync("cc", args, { input: "int main(void) { return 0; }" });
  return status === 0 ? undefined : "needs cc with -fsanitize=address,undefined";
};

/** The multiplexer, the socket server, the ring and the answers of stub-c, on a kernel that the tests play. */
describe("stub-c on a fake kernel, with sanitizers", () => {
  it.skipIf(withoutSanitizers())(
    "passes its tests, and its fuzz targets on their corpora",
    function* () {
      const { status, stderr } = yield* execute("make", ["-s", "-j2", "-C", tests, "test"]);
      assert.equal(status, 0, stderr.toString());
    },
    120_000, // it compiles four programs the first time
  );
});
