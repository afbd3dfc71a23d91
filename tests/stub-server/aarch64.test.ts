import { fileURLToPath } from "node:url";
import { O } from "@rsyscall/abi";
import { open } from "@rsyscall/handle";
import { execute, it, missing, start, tempDirectory } from "@rsyscall/harness";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { assert, describe } from "vitest";

const stubC = fileURLToPath(new URL("../../stub-c", import.meta.url));
const compiler = "aarch64-linux-gnu-gcc";
const emulator = "qemu-aarch64-static";

/** Numbers, layouts and flags are those of the task's machine, whatever the controller's. */
describe("a stub on another machine", () => {
  it.skipIf(missing(compiler) ?? missing(emulator))(
    "is driven by its own numbers, layouts and flags",
    function* () {
      const directory = yield* tempDirectory;
      const built = yield* execute("make", [
        ...["-C", stubC, "ARCH=aarch64", `CC=${compiler}`, `OUT=${directory}`],
      ]);
      assert.equal(built.status, 0, built.stderr.toString());

      const socket = `${directory}/socket`;
      const server = yield* StubServer.listenOn(yield* LocalThread, socket);
      const caller = yield* start(emulator, [`${directory}/rsyscall-unix-stub`, "an argument"], {
        env: { ...process.env, RSYSCALL_UNIX_STUB_SOCK_PATH: socket },
        input: "from x86-64",
      });
      const { argv, thread } = yield* server.accept();
      assert.equal(argv[1], "an argument");
      assert.equal(thread.task.abi.machine, "aarch64");
      const opened = yield* open(thread.task, directory, O.DIRECTORY);
      assert.isTrue(((yield* opened.statusFlags()) & O.DIRECTORY) !== 0);
      assert.equal((yield* opened.fstat()).mode & 0o170000, 0o040000);
      assert.equal(yield* thread.readTextToEof(thread.stdin), "from x86-64");
      yield* thread.exit(9);
      assert.equal((yield* caller.ended).status, 9);
    },
  );
});
