import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { getppid, uname } from "../src/index.ts";
import { local, memory } from "./local.ts";

describe("LocalSyscallInterface", () => {
  it("makes calls in this process, at once", function* () {
    const getpid = local.abi.syscallNumber("getpid") as number;
    assert.equal(Effect.runSync(local.syscall(getpid)), process.pid);
    assert.equal(yield* getppid(local), process.ppid);
  });

  it("gives errors as the kernel does, as negative numbers", function* () {
    const number = local.abi.syscallNumber("close") as number;
    assert.equal(yield* local.syscall(number, 1 << 30), -9);
  });

  it("copies memory in and out", function* () {
    const address = yield* memory(8192);
    const bytes = new Uint8Array(8192).map((_, i) => i % 255);
    yield* local.write(address, bytes);
    const copy = yield* local.read(address, 8192);
    assert.deepEqual(copy, bytes);
    copy.fill(0);
    assert.deepEqual(yield* local.read(address, 3), Uint8Array.of(0, 1, 2), "a copy, not a view");
    assert.equal((yield* local.read(address, 0)).length, 0);
  });

  it("makes the call each time that the effect runs", function* () {
    const buffer = yield* memory(4096);
    const ask = uname(local, buffer);
    yield* ask;
    yield* local.write(buffer, new Uint8Array(5));
    yield* ask;
    assert.equal(new TextDecoder().decode(yield* local.read(buffer, 5)), "Linux");
  });

  it("has nothing to wait for and nothing to close", function* () {
    assert.isUndefined(local.activityFd);
    yield* local.barrier();
    yield* local.close();
    assert.equal(yield* local.syscall(local.abi.syscallNumber("getpid") as number), process.pid);
  });
});
