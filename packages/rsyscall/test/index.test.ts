import * as abi from "@rsyscall/abi";
import * as handle from "@rsyscall/handle";
import { it } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import * as rsyscall from "../src/index.ts";

describe("rsyscall", () => {
  it("exports handle's and abi's names before those of other packages, and near as a namespace", function* () {
    const all: Record<string, unknown> = rsyscall;
    for (const [name, value] of Object.entries(handle)) assert.equal(all[name], value, name);
    for (const [name, value] of Object.entries(abi)) assert.equal(all[name], value, name);
    assert.equal(rsyscall.near, near);
    yield* Effect.void;
  });

  it("is enough for a program", function* () {
    const { CLONE, catchErrno, getcwd, LocalThread, mkdir, near } = rsyscall;
    const program = Effect.gen(function* () {
      const child = yield* (yield* LocalThread).clone(CLONE.FILES);
      yield* rsyscall.chdir(child, "/");
      assert.equal(String(yield* getcwd(child)), "/");
      assert.equal(yield* near.getppid(child.task.sysif), process.pid);
      return yield* mkdir(child, "/proc").pipe(
        catchErrno("EEXIST", () => Effect.succeed("is there")),
      );
    });
    assert.equal(yield* program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)), "is there");
  });
});
