import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fsDecode } from "@rsyscall/abi";
import {
  describeUnless,
  execute,
  it,
  type MockOptions,
  missing,
  mock,
  python,
  seen,
  tempDirectory,
} from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import type { LinkMode, StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const latin1 = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && Buffer.from(bytes).toString("latin1");

/** The description of a call, kept after its end. Bytes are written as Latin-1. */
const recordingMock = (options?: MockOptions) =>
  Effect.gen(function* () {
    const calls: Array<StubCall> = [];
    const mocked = yield* mock((call) => Effect.sync(() => void calls.push(call)), options);
    return { ...mocked, calls };
  });

/**
 * Executes p with arguments and, if given, an environment, which are Python expressions for lists of
 * bytes. The kernel gets exactly these bytes.
 */
const exec = (path: string, argv: string, environ?: string, limit = "") =>
  python(
    `
import ctypes, resource
${limit}
def strings(list): return (ctypes.c_char_p * (len(list) + 1))(*list, None)
environ = ${environ ?? "[k + b'=' + v for k, v in os.environb.items()]"}
execve = ctypes.CDLL(None, use_errno=True).execve
execve(os.fsencode(p), strings(${argv}), strings(environ))
sys.exit(os.strerror(ctypes.get_errno()))`,
    [path],
  );

const succeeded = { status: 0, stdout: "", stderr: "" };

describeUnless(missing("python3"), "arguments", () => {
  it("any bytes, as bytes and as text", function* () {
    const { path, calls } = yield* recordingMock();
    const ended = yield* exec(
      path,
      `[b"name", b"", b"two\\nlines\\n", b" ", b"\\xff\\xfe", b"caf\\xc3\\xa9", b"caf\\xe9", b"\\xf0\\x9f\\x92\\xa9", b"'\\"\`$x\\\\", bytes(range(1, 256)), b""]`,
    );
    assert.deepEqual(seen(ended), succeeded);
    const [call] = calls;
    assert.deepEqual(call?.argvBytes.map(latin1), [
      ...["name", "", "two\nlines\n", " ", "\xff\xfe", "caf\xc3\xa9", "caf\xe9"],
      ...["\xf0\x9f\x92\xa9", "'\"`$x\\"],
      String.fromCharCode(...Array.from({ length: 255 }, (_, i) => i + 1)),
      "",
    ]);
    assert.deepEqual(call?.argv.slice(0, 9), [
      ...["name", "", "two\nlines\n", " ", "\udcff\udcfe", "café", "caf\udce9"],
      ...["💩", "'\"`$x\\"],
    ]);
  });

  it("as paths they open the very files that the caller means", function* () {
    const contents: Array<string> = [];
    const { path } = yield* mock((call) =>
      Effect.gen(function* () {
        for (const file of call.argv.slice(1))
          contents.push(fsDecode(yield* call.thread.slurp(file)));
        for (const file of call.argvBytes.slice(1))
          contents.push(fsDecode(yield* call.thread.slurp(file)));
      }),
    );
    const directory = yield* tempDirectory;
    // The last two differ in a byte that is not UTF-8: a lossy decoding would confuse them.
    const ended = yield* python(
      `
import ctypes
names = [b"plain", b"caf\\xc3\\xa9", b"two\\nlines", b"\\xff", b"\\xfe"]
os.chdir(sys.argv[2])
for name in names:
    with open(name, "wb") as file: file.write(b"in " + repr(name).encode())
os.execv(p, [p] + names)`,
      [path, directory],
    );
    assert.deepEqual(seen(ended), succeeded);
    const expected = ["plain", "caf\\xc3\\xa9", "two\\nlines", "\\xff", "\\xfe"].map(
      (name) => `in b'${name}'`,
    );
    assert.deepEqual(contents, [...expected, ...expected]);
  });

  it("1,000 of them", function* () {
    const { path, calls } = yield* recordingMock();
    const ended = yield* exec(path, `[b"%d" % i * (i % 7) for i in range(1001)]`);
    assert.deepEqual(seen(ended), succeeded);
    assert.deepEqual(
      calls[0]?.argv,
      Array.from({ length: 1001 }, (_, i) => String(i).repeat(i % 7)),
    );
  });

  it("one of 128 KiB - 1, the most that the kernel takes", function* () {
    const { path, calls } = yield* recordingMock();
    const size = 128 * 1024 - 1;
    assert.deepEqual(seen(yield* exec(path, `[b"name", b"x" * ${size}, b"end"]`)), succeeded);
    assert.deepEqual(calls[0]?.argv, ["name", "x".repeat(size), "end"]);
  });

  for (const link of ["copy", "script"] as const satisfies ReadonlyArray<LinkMode>)
    it(`through a ${link} too, whatever they are`, function* () {
      const { path, calls } = yield* recordingMock({ link });
      const odd = `b"", b"two\\nlines\\n", b"-n", b"--", b"\\xff", b"$HOME", b"'", b"\`id\`", b""`;
      const ended = yield* exec(path, `[b"a name", ${odd}]`);
      assert.deepEqual(seen(ended), succeeded);
      assert.deepEqual(calls[0]?.argv, [
        ...["a name", "", "two\nlines\n", "-n", "--", "\udcff", "$HOME", "'", "`id`", ""],
      ]);
    });
});

describeUnless(missing("python3"), "environment", () => {
  it("2 MiB of it, and 5 MiB of it", function* () {
    const { path, calls } = yield* recordingMock();
    // execve(2) takes a quarter of the stack's limit, and 6 MiB at most.
    const limit = "resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, 64 << 20))";
    for (const count of [32, 80]) {
      const size = 64 * 1024 - "V00=".length - 1;
      const environ = `[b"V%02d=" % i + bytes([97 + i % 26]) * ${size} for i in range(${count})]`;
      assert.deepEqual(seen(yield* exec(path, `[b"name", b"arg"]`, environ, limit)), succeeded);
      const [call] = calls.splice(0);
      assert.deepEqual(call?.argv, ["name", "arg"]);
      const strings = call?.thread.environ.strings ?? [];
      assert.equal(
        strings.reduce((sum, text) => sum + text.length + 1, 0),
        count * 64 * 1024,
      );
      for (let i = 0; i < count; i++)
        assert.equal(
          call?.thread.environ.get(`V${String(i).padStart(2, "0")}`),
          String.fromCharCode(97 + (i % 26)).repeat(size),
        );
    }
  });

  it("more than the server takes is refused, and the caller told so", function* () {
    const { path, calls } = yield* recordingMock({ descriptionLimit: 10_000 });
    const ended = yield* exec(path, `[b"name", b"x" * 10000]`, "[]");
    assert.equal(ended.status, 69);
    assert.match(ended.stderr.toString(), /^name: rsyscall: the server refused.* 10000 /);
    assert.deepEqual(calls, []);
    // The next call works.
    assert.deepEqual(seen(yield* exec(path, `[b"name", b"x" * 1000]`, "[]")), succeeded);
    assert.equal(calls.length, 1);
  });

  it("any strings, in their order: duplicates, without '=', empty, not UTF-8", function* () {
    const { path, calls } = yield* recordingMock();
    const ended = yield* exec(
      path,
      `[b"name"]`,
      `[b"A=1", b"A=2", b"plain", b"", b"=hidden", b"E=", b"N=a\\nb", b"L=\\xe9", b"U=\\xc3\\xa9", b"\\xe9=x", b"Q=a=b"]`,
    );
    assert.deepEqual(seen(ended), succeeded);
    const environ = calls[0]?.thread.environ;
    assert.deepEqual(environ?.strings.map(latin1), [
      ...["A=1", "A=2", "plain", "", "=hidden", "E=", "N=a\nb", "L=\xe9", "U=\xc3\xa9"],
      ...["\xe9=x", "Q=a=b"],
    ]);
    // The first one counts, as for getenv(3).
    assert.equal(environ?.get("A"), "1");
    assert.isUndefined(environ?.get("plain"));
    assert.isUndefined(environ?.get(""));
    assert.equal(environ?.get("E"), "");
    assert.equal(environ?.get("N"), "a\nb");
    assert.equal(environ?.get("L"), "\udce9");
    assert.equal(latin1(environ?.getBytes("L")), "\xe9");
    assert.equal(environ?.get("U"), "é");
    assert.equal(latin1(environ?.getBytes("U")), "\xc3\xa9");
    assert.equal(environ?.get("\udce9"), "x");
    assert.equal(environ?.get("Q"), "a=b");
    assert.isUndefined(environ?.getBytes("MISSING"));
  });

  it("a path in it that is not UTF-8 opens the right file", function* () {
    const directory = yield* tempDirectory;
    const contents: Array<string> = [];
    const { path } = yield* mock(({ thread }) =>
      Effect.gen(function* () {
        for (const name of ["ONE", "TWO"]) {
          contents.push(fsDecode(yield* thread.slurp(thread.environ.get(name) ?? "")));
          contents.push(fsDecode(yield* thread.slurp(thread.environ.getBytes(name) ?? "")));
        }
      }),
    );
    const bytes = (last: number) => Buffer.from([...Buffer.from(`${directory}/`), last]);
    writeFileSync(bytes(0xfe), "one");
    writeFileSync(bytes(0xff), "two");
    const environ = `[b"ONE=${directory}/\\xfe", b"TWO=${directory}/\\xff"]`;
    assert.deepEqual(seen(yield* exec(path, `[b"name"]`, environ)), succeeded);
    assert.deepEqual(contents, ["one", "one", "two", "two"]);
  });

  for (const link of ["symlink", "copy", "script"] as const)
    it(`shows nothing of ours through a ${link}`, function* () {
      const { path, calls } = yield* recordingMock({ link });
      const environ = `[b"RSYSCALL_UNIX_STUB_SOCK=/nonexistent", b"RSYSCALL_UNIX_STUB_SOCK_PATH=/nonexistent", b"RSYSCALL_MINE=1", b"a-b=2", b"BASH_FUNC_f%%=() { :; }"]`;
      const ended = yield* exec(path, "[os.fsencode(p)]", environ);
      assert.deepEqual(seen(ended), succeeded);
      const names = [...(calls[0]?.thread.environ ?? [])].map(([name]) => name);
      // The caller's own variables stay, and none is added.
      assert.deepEqual(names, ["RSYSCALL_MINE", "a-b", "BASH_FUNC_f%%"]);
    });
});

describe("a wrapper script of one's own", () => {
  it("names the socket in the environment, and passes argv[0] on", function* () {
    const { server, directory, calls } = yield* recordingMock();
    const path = join(directory, "wrapper");
    const line = `RSYSCALL_UNIX_STUB_SOCK_PATH='${server.path}' RSYSCALL_UNIX_STUB_ARGV0="$0" exec '${stubPath}' "$@"`;
    writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    assert.deepEqual(seen(yield* execute(path, ["an arg", ""])), succeeded);
    assert.deepEqual(calls[0]?.argv, [path, "an arg", ""]);
    const names = [...(calls[0]?.thread.environ ?? [])].map(([name]) => name);
    assert.deepEqual(
      names.filter((name) => name.startsWith("RSYSCALL_UNIX_STUB")),
      [],
    );
  });
});

describeUnless(missing("python3"), "the working directory", () => {
  for (const [how, name, text] of [
    ["not UTF-8", "b'caf\\xe9'", "caf\udce9"],
    ["with a line break", "b'two\\nlines'", "two\nlines"],
    ["deep", "b'/'.join([b'd' * 200] * 15)", Array(15).fill("d".repeat(200)).join("/")],
  ] as const)
    it(how, function* () {
      const directory = yield* tempDirectory;
      const found: Array<unknown> = [];
      const { path } = yield* mock((call) =>
        Effect.gen(function* () {
          found.push(call.cwd?.text);
          found.push(fsDecode(yield* call.thread.slurp(call.cwd?.join("file") ?? "")));
        }),
      );
      mkdirSync(join(directory, "other"));
      const code = `
directory = os.path.join(os.fsencode(sys.argv[2]), ${name})
os.makedirs(directory)
os.chdir(directory)
with open("file", "w") as file: file.write("there")
os.execv(p, [p])`;
      assert.deepEqual(seen(yield* python(code, [path, directory])), succeeded);
      assert.deepEqual(found, [`${directory}/${text}`, "there"]);
    });
});
