import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { SyscallError } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { assert, describe } from "vitest";
import { it, launchStub, tempDirectory } from "../../../tests/harness/index.ts";

const threads = [
  ["here", LocalThread],
  ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)],
] as const;

for (const [where, make] of threads)
  describe(`temporary files ${where}`, () => {
    it("are private, have names of their own, and go with the scope", function* () {
      const thread = yield* make;
      const directory = yield* tempDirectory;
      const scope = yield* Scope.make();
      const paths = yield* Scope.provide(
        Effect.replicateEffect(thread.mkdtemp({ directory, prefix: "x-" }), 20),
        scope,
      );
      const { path, file } = yield* Scope.provide(thread.mkstemp({ directory }), scope);
      yield* file.writeAllText("content");
      assert.equal(statSync(path.text).size, 7);
      assert.equal(statSync(path.text).mode & 0o777, 0o600);
      assert.equal(new Set(paths.map(String)).size, 20);
      for (const each of paths) {
        assert.match(each.text, /\/x-[\w-]{16}$/);
        assert.equal(statSync(each.text).mode & 0o777, 0o700);
      }
      yield* Scope.close(scope, Exit.void);
      assert.deepEqual(readdirSync(directory), []);
    });

    it("go with all that is in them, and nothing that they point to", function* () {
      const thread = yield* make;
      const outside = yield* tempDirectory;
      writeFileSync(`${outside}/file`, "stays");
      const path = yield* Effect.scoped(
        Effect.gen(function* () {
          const { text } = yield* thread.mkdtemp();
          mkdirSync(`${text}/a/b/c`, { recursive: true });
          symlinkSync(outside, `${text}/a/link`);
          symlinkSync("/no/such", `${text}/dangling`);
          for (let i = 0; i < 300; i++) writeFileSync(`${text}/a/file ${i} ${"x".repeat(100)}`, "");
          mkdirSync(`${text}/locked`);
          writeFileSync(`${text}/locked/inside`, "", { mode: 0o000 });
          yield* thread.chdir(`${text}/a`);
          return text;
        }).pipe(Effect.ensuring(Effect.ignore(thread.chdir(process.cwd())))),
      );
      assert.isFalse(existsSync(path));
      assert.deepEqual(readdirSync(outside), ["file"]);
    });

    it("are made in TMPDIR, and say where not", function* () {
      const thread = yield* make;
      const directory = yield* tempDirectory;
      yield* thread.environ.set("TMPDIR", directory);
      const path = yield* thread.mkdtemp();
      assert.equal(path.parent.text, directory);
      yield* thread.environ.set("TMPDIR", "/no/such");
      const error = (yield* Effect.flip(thread.mkdtemp())) as SyscallError;
      assert.deepInclude({ ...error }, { errno: "ENOENT", subject: "/no/such" });
      yield* thread.environ.delete("TMPDIR");
      assert.equal(thread.environ.tmpdir.text, "/tmp");
    });
  });

describe("a temporary directory of a child", () => {
  it("is removed wherever the child has got to", function* () {
    const directory = yield* tempDirectory;
    mkdirSync(`${directory}/root`);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const child = yield* (yield* LocalThread).fork();
        const path = yield* child.mkdtemp({ directory });
        assert.isTrue(existsSync(path.text));
        yield* child.chdir("/");
        yield* child.chroot(`${directory}/root`);
      }),
    );
    assert.deepEqual(readdirSync(directory), ["root"]);
  });
});
