import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { assert, describe } from "vitest";
import { execute, it, tempDirectory } from "../harness/index.ts";

const tests = fileURLToPath(new URL("../../stub-c/test", import.meta.url));

/** Why a test cannot run here: a compiler that does not link a program with these sanitizers. */
const withoutSanitizers = (
  compiler: string,
  sanitizers: string,
  program: string,
): string | undefined => {
  const args = [`-fsanitize=${sanitizers}`, "-x", "c", "-", "-o", "/dev/null"];
  const { status } = spawnSync(compiler, args, { input: program });
  return status === 0 ? undefined : `needs ${compiler} with -fsanitize=${sanitizers}`;
};

const gcc = withoutSanitizers("cc", "address,undefined", "int main(void) { return 0; }");
const clang = withoutSanitizers(
  "clang",
  "fuzzer,address,undefined",
  "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return !data && size; }",
);

const make = (...args: ReadonlyArray<string>) => execute("make", ["-s", "-C", tests, ...args]);

/** The multiplexer, the socket server and the ring of stub-c, on a kernel of the tests' own. */
describe("stub-c on a fake kernel, with sanitizers", () => {
  it.skipIf(gcc)("passes its tests, and whatever was found before", function* () {
    const { status, stderr } = yield* make("-j2", "test");
    assert.equal(status, 0, stderr.toString());
  });

  it.skipIf(clang)("stands a few seconds of fuzzing", function* () {
    const directory = yield* tempDirectory;
    // New inputs are for those who fuzz on purpose.
    const { status, stderr } = yield* make(
      ...["-j2", "fuzz", "RUNS=3000", "SECONDS=2", `FOUND=${directory}`],
    );
    assert.equal(status, 0, stderr.toString());
  });
});
