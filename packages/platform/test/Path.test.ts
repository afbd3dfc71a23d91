import { mkdirSync, realpathSync, rmdirSync } from "node:fs";
import { posix } from "node:path";
import { pathToFileURL } from "node:url";
import { chdir } from "@rsyscall/handle";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import { Effect, Option, Path, type Scope } from "effect";
import { assert, describe } from "vitest";
import { ThreadPath } from "../src/index.ts";
import { threadKinds } from "./threadKinds.ts";

for (const { name, thread, missing } of threadKinds)
  describe(`Path in ${name}`, () => {
    it.skipIf(missing)("is as Node's", function* () {
      const path = yield* Effect.provide(Path.Path, ThreadPath.layer(yield* thread));
      for (const parts of [["a", "b"], ["/a", "../b"], ["a", "/b", "."], [""], [], ["/"]]) {
        assert.equal(path.resolve(...parts), posix.resolve(...parts));
        assert.equal(path.join(...parts), posix.join(...parts));
      }
      for (const text of ["a", "/a/b.c", "", ".", "a/../../b", "/", "d/"]) {
        assert.equal(path.relative("x/y", text), posix.relative("x/y", text), text);
        assert.equal(path.normalize(text), posix.normalize(text));
        assert.deepEqual(path.parse(text), posix.parse(text));
        assert.equal((yield* path.toFileUrl(text)).href, pathToFileURL(text).href, text);
      }
      assert.equal(path.sep, "/");
    });
  });

describe("Path of a process", () => {
  it("begins where the process is", function* () {
    const at = realpathSync(yield* tempDirectory);
    const { call } = yield* launchStub;
    yield* chdir(call.thread.task, at);
    const path = yield* Effect.provide(Path.Path, ThreadPath.layer(call.thread));
    assert.equal(path.resolve("a", "../b"), `${at}/b`);
    assert.equal(path.relative(at, "x/y"), "x/y");
    assert.equal(path.relative("x/y", at), "../..");
    assert.equal((yield* path.toFileUrl("a b")).href, `file://${at}/a%20b`);
    assert.deepEqual(path.resolveWithin(".", "a/../b"), Option.some(`${at}/b`));
    assert.deepEqual(path.resolveWithin(".", "../b"), Option.none());
  });

  it("cannot be where nothing is any more", function* () {
    const { call } = yield* launchStub;
    const at = `${yield* tempDirectory}/gone`;
    mkdirSync(at);
    yield* chdir(call.thread.task, at);
    rmdirSync(at);
    const made: Effect.Effect<Path.Path, { readonly reason: unknown }, Scope.Scope> =
      Effect.provide(Path.Path, ThreadPath.layer(call.thread));
    assert.deepInclude((yield* Effect.flip(made)).reason, { _tag: "NotFound", module: "Path" });
  });
});
