import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { execute, it, tempDirectory } from "@rsyscall/harness";
import { Effect, Layer } from "effect";
import { assert, describe } from "vitest";
import { checkKernel, KernelTooOldError, LocalThread } from "../src/index.ts";

describe("LocalThread", () => {
  it("is this process", function* () {
    const { task, environ } = yield* LocalThread;
    assert.equal(Object.keys(task.namespaces).length, 8);
    assert.equal(task.pid, process.pid);
    assert.equal(environ.get("PATH"), process.env["PATH"]);
    for (const [kind, { id }] of Object.entries(task.namespaces))
      assert.equal(readlinkSync(`/proc/self/ns/${kind}`), `${kind}:[${id}]`);
  });

  it("writes and reads whole files", function* () {
    const thread = yield* LocalThread;
    const path = `${yield* tempDirectory}/file`;
    yield* thread.spit(path, "long enough to be cut");
    yield* thread.spit(path, "short");
    assert.equal(new TextDecoder().decode(yield* thread.slurp(path)), "short");
    const error = yield* Effect.flip(thread.slurp(`${path}/below`));
    assert.include(error.message, "ENOTDIR");
  });

  it("can be made again and again, and a program that has finished exits", function* () {
    const program = `
      import { LocalThread } from "@rsyscall/thread";
      import { Effect } from "effect";
      const use = Effect.scoped(Effect.flatMap(LocalThread, (thread) => Effect.gen(function* () {
        const [reader] = yield* thread.pipe();
        yield* Effect.timeoutOption((yield* thread.makeAfd(reader)).readBytes(), "5 millis");
      })));
      for (let i = 0; i < 20; i++)
        await Effect.runPromise(use.pipe(Effect.provide(LocalThread.layer)));
    `;
    const { status, stderr } = yield* execute(process.execPath, ["--input-type=module"], {
      input: program,
    });
    assert.equal(status, 0, stderr.toString());
  });
});

describe("LocalThread.layer", () => {
  const openFds = () => readdirSync("/proc/self/fd").length;
  /** What is put into memory: V8 and the C library may use the addresses again, but not for these bytes. */
  const bytes = new Uint8Array(1_000_000).fill(0xa5);
  const isThere = (address: number) => {
    const memory = openSync("/proc/self/mem", "r");
    try {
      const found = Buffer.alloc(4096);
      return (
        readSync(memory, found, 0, found.length, address) > 0 &&
        found.equals(bytes.subarray(0, 4096))
      );
    } catch {
      return false;
    } finally {
      closeSync(memory);
    }
  };

  it("leaves no descriptor and no memory, whatever was done and however it ended", function* () {
    const addresses = new Set<number>();
    const use = Effect.gen(function* () {
      const thread = yield* LocalThread;
      const [reader, writer] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const address = yield* (yield* thread.ptr(bytes)).address();
      assert.ok(isThere(address));
      addresses.add(address);
      yield* writer.writeAllText("text");
      yield* afd.readBytes();
      return yield* Effect.fail("as expected" as const);
    });
    const once = Effect.flip(
      Effect.scoped(use).pipe(Effect.provide(Layer.fresh(LocalThread.layer))),
    );
    yield* once;
    const before = openFds();
    for (let i = 0; i < 50; i++) assert.equal(yield* once, "as expected");
    assert.isAtMost(openFds(), before);
    assert.deepEqual([...addresses].filter(isThere), []);
  });
});

describe("checkKernel", () => {
  it("refuses what is too old, and says what to do", function* () {
    for (const release of ["4.19.0-27-amd64", "5.9.16", "3.10.0-1160.el7.x86_64"]) {
      const error = yield* Effect.flip(checkKernel(release));
      assert.instanceOf(error, KernelTooOldError);
      assert.include(error.message, release);
      assert.include(error.message, "5.10 or newer");
    }
    for (const release of ["5.10.0", "5.15.0-1-cloud", "6.18.44-fc", "10.0"])
      yield* checkKernel(release);
  });
});
