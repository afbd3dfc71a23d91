import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { describeUnless, execute, it, launchStub, missing, tempDirectory } from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import { NixError, NixStore } from "@rsyscall/nix";
import { StubServer } from "@rsyscall/stub-server";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert } from "vitest";

interface Store {
  readonly nix: NixStore;
  /** Where its `/nix/store` really is. */
  readonly root: string;
}

/** A store of its own for a Thread. */
const storeOf = (thread: Thread): Effect.Effect<Store, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const root = yield* tempDirectory;
    yield* thread.environ.set("NIX_REMOTE", `local?root=${root}`);
    // What is not there is not looked for on other hosts.
    yield* thread.environ.set("NIX_CONFIG", "substitute = false");
    return { nix: yield* NixStore.make(thread), root };
  });

const forkedStore = Effect.gen(function* () {
  return yield* storeOf(yield* (yield* LocalThread).fork());
});

/** Two store paths, of which the second refers to the first. */
const addTwo = ({ nix }: Store) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/below`, "x".repeat(300_000));
    const below = yield* nix.add(`${directory}/below`);
    // Nix finds no references in what is added by hand: so it is not more than one.
    symlinkSync(below.text, `${directory}/above`);
    return [below, yield* nix.add(`${directory}/above`)] as const;
  });

describeUnless(missing("nix-store"), "a Nix store", () => {
  it("has what was added to it, in the Thread that adds it", function* () {
    const store = yield* forkedStore;
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/file`, "content");
    const path = yield* store.nix.add(`${directory}/file`);
    assert.match(path.text, /^\/nix\/store\/[0-9a-z]{32}-file$/);
    assert.strictEqual(readFileSync(`${store.root}${path.text}`, "utf8"), "content");
    assert.deepEqual(yield* store.nix.closure(path), [path.text]);
    const absent = path.text.replace(/-file$/, "-other");
    assert.deepEqual(yield* store.nix.missing([path, absent]), [absent]);
  });

  it("keeps what is realised from being collected, as long as the scope", function* () {
    const store = yield* forkedStore;
    const [kept, dropped] = yield* addTwo(store);
    const collect = store.nix.thread.run(
      (yield* store.nix.thread.which("nix-store")).args("--gc", "--quiet"),
      {
        stdout: yield* store.nix.thread.open("/dev/null", 2),
        stderr: yield* store.nix.thread.open("/dev/null", 2),
      },
    );
    yield* Effect.scoped(
      Effect.gen(function* () {
        assert.deepEqual(
          (yield* store.nix.realise(kept)).map(({ text }) => text),
          [kept.text],
        );
        assert.isTrue((yield* collect).clean);
        assert.deepEqual(yield* store.nix.missing([kept, dropped]), [dropped.text]);
      }),
    );
    assert.isTrue((yield* collect).clean);
    assert.isFalse(existsSync(`${store.root}${kept.text}`));
  });

  it("is copied to that of another process, whole, and only what is not there", function* () {
    const from = yield* forkedStore;
    const { call } = yield* launchStub;
    const to = yield* storeOf(call.thread);
    const [first, second] = yield* addTwo(from);
    const seen: Array<number> = [];
    const copied = yield* from.nix.copyTo(to.nix, [first], {
      onProgress: ({ bytes }) => Effect.sync(() => seen.push(bytes)),
    });
    assert.deepEqual(copied, [first.text]);
    assert.deepEqual(
      readFileSync(`${to.root}${first.text}`),
      readFileSync(`${from.root}${first.text}`),
    );
    assert.isAbove(seen.at(-1) as number, 300_000);
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    assert.deepEqual(yield* from.nix.copyTo(to.nix, [first, second]), [second.text]);
    assert.deepEqual(yield* from.nix.copyTo(to.nix, [first, second]), []);
  });

  it("has the stub, so that a server can place it from there", function* () {
    const { nix, root } = yield* forkedStore;
    const [path] = yield* nix.realise(yield* nix.add(stubPath));
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "sendmail", {
      stub: `${root}${path}`,
    });
    yield* Effect.forkScoped(server.serve((call) => Effect.succeed(call.argv.length)));
    assert.strictEqual((yield* execute(`${directory}/sendmail`, ["a", "b"])).status, 3);
  });

  it("says what nix-store says, where something is wrong", function* () {
    const { nix } = yield* forkedStore;
    const absent = `/nix/store/${"0".repeat(32)}-absent`;
    for (const wrong of [
      Effect.asVoid(nix.add("/nonexistent")),
      Effect.asVoid(nix.closure(absent)),
      Effect.asVoid(Effect.scoped(nix.realise(absent))),
    ]) {
      const error = yield* Effect.flip(wrong);
      assert.instanceOf(error, NixError);
      assert.match(
        error.message,
        /nix-store .*exited with status 1\n(.*\n)*.*error: .*(nonexistent|absent)/,
      );
    }
  });

  it("says it too, where a copy cannot be made", function* () {
    const from = yield* forkedStore;
    const [path] = yield* addTwo(from);
    const { nix } = yield* forkedStore;
    const broken = yield* NixStore.make(
      nix.thread,
      Command.make(
        "/bin/sh",
        "-c",
        'test "$1" = --import && { echo full >&2; exit 7; }; echo "$3"',
        "sh",
      ),
    );
    const error = yield* Effect.flip(Effect.asVoid(from.nix.copyTo(broken, [path])));
    assert.instanceOf(error, NixError);
    assert.match(error.message, /status 7\nfull/);
  });
});

/** A store whose nix-store is a script. */
const scripted = (text: string) =>
  Effect.gen(function* () {
    const thread = yield* (yield* LocalThread).fork();
    const program = Command.make("/bin/sh", "-c", text, "sh");
    return yield* NixStore.make(thread, program);
  });

const storePath = (name: string) => `/nix/store/${"0123456789abcdfg".repeat(2)}-${name}`;

describeUnless(undefined, "a Nix store that says other things than store paths", () => {
  const wrong = [
    "--option",
    "--option\nplugin-files",
    "-E",
    "/etc/passwd",
    "nix/store/x",
    storePath(""),
    `${storePath("x")}/bin`,
    `${storePath("x")} `,
    `/nix/store/${"e".repeat(32)}-x`,
    `/nix/../${storePath("x")}`,
    "\x1b[2J",
  ];

  it("makes no argument of them for another", function* () {
    const directory = yield* tempDirectory;
    const other = yield* scripted(`printf '%s\\n' "$@" >> ${directory}/told`);
    for (const line of wrong) {
      writeFileSync(`${directory}/said`, `${storePath("good")}\n${line}\n`);
      const lying = yield* scripted(`cat ${directory}/said`);
      for (const copy of [
        lying.copyTo(other, [storePath("good")]),
        lying.closure(storePath("good")),
        lying.missing([storePath("good")]),
      ]) {
        const error = yield* Effect.flip(Effect.asVoid(copy));
        assert.instanceOf(error, NixError, line);
        assert.match(error.message, /which is no store path$/);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: it is escaped
        assert.notMatch(error.message, /[\n\x1b]/);
      }
    }
    assert.isFalse(existsSync(`${directory}/told`), "the other was asked nothing");
  });

  it("gets no path that was not to be copied", function* () {
    const directory = yield* tempDirectory;
    const ours = yield* scripted(
      `echo "$*" >> ${directory}/told; test "$1" = --export || echo ${storePath("public")}`,
    );
    const curious = yield* scripted(`echo ${storePath("secret")}`);
    const error = yield* Effect.flip(Effect.asVoid(ours.copyTo(curious, [storePath("public")])));
    assert.match(error.message, /"\/nix\/store\/\w+-secret", of which it was not told$/);
    assert.notInclude(readFileSync(`${directory}/told`, "utf8"), "--export");
  });

  it("is asked for what is named like an option", function* () {
    const directory = yield* tempDirectory;
    const store = yield* scripted(`echo "$*" > ${directory}/told; echo ${storePath("x")}`);
    assert.equal((yield* store.add("--delete")).text, storePath("x"));
    assert.equal(readFileSync(`${directory}/told`, "utf8"), "--add ./--delete\n");
    const silent = yield* Effect.flip(Effect.asVoid((yield* scripted("exit 0")).add("x")));
    assert.match(silent.message, /it has named no store path/);
  });
});

describeUnless(undefined, "a Thread without Nix", () => {
  it("is told so", function* () {
    const thread = yield* (yield* LocalThread).fork();
    yield* thread.environ.set("PATH", "/nonexistent");
    const error = yield* Effect.flip(NixStore.make(thread));
    assert.strictEqual(error._tag, "ExecutableNotFoundError");
  });
});
