import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join, relative } from "node:path";
import { Worker } from "node:worker_threads";
import { fsDecode, fsEncode } from "@rsyscall/abi";
import {
  execute,
  it,
  missing,
  mock,
  mounted,
  notRoot,
  program,
  python,
  seen,
  tempDirectory,
} from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import {
  type StubCall,
  StubServer,
  StubServerError,
  type StubServerErrorReason,
  type StubServerOptions,
} from "@rsyscall/stub-server";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const modes = ["symlink", "copy", "script"] as const;

const succeeded = { status: 7, stdout: "out", stderr: "" };

const answer = ({ thread }: StubCall) => Effect.as(thread.stdout.writeAllText("out"), 7);

const hex = (text: string): string => Buffer.from(fsEncode(text)).toString("hex");

/** Executes a path of any bytes, in a directory of any bytes. */
const call = (path: string, cwd = "/") =>
  python(
    `
p, cwd = bytes.fromhex(p), bytes.fromhex(sys.argv[2])
os.chdir(cwd)
os.execv(p, [p, b"arg"])`,
    [hex(path), hex(cwd)],
  );

describe("directories and names", () => {
  const odd = [
    ...["with space", "two\nlines", `quo'te"s''`, "$HOME", "`id`", "$(id)", "a;b&c|d>e", "*?[x]"],
    ...["back\\slash", "é✓💩", "-rf", "--", "-", "~", "#x", "!x", "%s", ".hidden", "a.sock"],
    ...["\udcff\udcfe", "caf\udce9", " ", "\x01\x7f"],
  ];
  for (const link of modes)
    it.skipIf(missing("python3"))(
      `may have any characters, as a ${link}`,
      function* () {
        const parent = yield* tempDirectory;
        for (const name of odd) {
          const directory = `${parent}/${name}`;
          mkdirSync(Buffer.from(fsEncode(directory)));
          const calls: Array<ReadonlyArray<string>> = [];
          yield* mock(
            (call) => {
              calls.push(call.argv);
              return answer(call);
            },
            { directory, name, link },
          );
          const path = `${directory}/${name}`;
          // By the whole path, from beside it, and by the bare name.
          assert.deepEqual(seen(yield* call(path)), succeeded, name);
          assert.deepEqual(seen(yield* call(`./${name}`, directory)), succeeded, name);
          assert.deepEqual(seen(yield* call(name, directory)), succeeded, name);
          assert.deepEqual(calls, [
            [path, "arg"],
            [`./${name}`, "arg"],
            [name, "arg"],
          ]);
        }
      },
      60_000,
    );

  for (const link of modes) {
    it(`a path longer than an address holds, as a ${link}`, function* () {
      const directory = join(yield* tempDirectory, "d".repeat(150), "e".repeat(150));
      mkdirSync(directory, { recursive: true });
      const { path, server } = yield* mock(answer, { directory, link });
      assert.deepEqual(seen(yield* execute(path)), succeeded);
      assert.deepEqual(seen(yield* execute("./mail", [], { cwd: directory })), succeeded);
      assert.equal(server.path.text, `${path}.sock`);
      assert.isTrue(statSync(`${path}.sock`).isSocket());
    });

    it(`a path that is as long as an address holds, or nearly, as a ${link}`, function* () {
      const parent = yield* tempDirectory;
      for (const size of [105, 106, 107, 108, 109]) {
        const directory = join(parent, "d".repeat(size - parent.length - "//m.sock".length));
        mkdirSync(directory);
        const { path, server } = yield* mock(answer, { directory, link, name: "m" });
        assert.equal(server.path.text.length, size);
        assert.deepEqual(seen(yield* execute(path)), succeeded);
      }
    });

    it(`a name of 200 bytes, and the longest of all, as a ${link}`, function* () {
      for (const size of [200, 250]) {
        const { path, directory } = yield* mock(answer, { name: "n".repeat(size), link });
        assert.deepEqual(seen(yield* execute(path)), succeeded);
        assert.deepEqual(seen(yield* execute(`./${basename(path)}`, [], { cwd: directory })), {
          ...succeeded,
        });
      }
    });
  }

  it("a relative directory is the thread's", function* () {
    const directory = yield* tempDirectory;
    const given = relative(process.cwd(), directory);
    const { server } = yield* mock(answer, { directory: given });
    assert.isTrue(server.path.isAbsolute);
    assert.deepEqual(seen(yield* execute(join(directory, "mail"), [], { cwd: "/" })), succeeded);
  });

  it("a directory by a link", function* () {
    const directory = yield* tempDirectory;
    mkdirSync(join(directory, "real"));
    symlinkSync("real", join(directory, "link"));
    yield* mock(answer, { directory: join(directory, "link") });
    assert.deepEqual(seen(yield* execute(join(directory, "real/mail"))), succeeded);
    assert.deepEqual(seen(yield* execute(join(directory, "link/mail"))), succeeded);
  });

  it("several programs in one directory, each with its own answer", function* () {
    const directory = yield* tempDirectory;
    for (const [status, name] of ["a", "b", "c"].entries())
      yield* mock(() => Effect.succeed(status), { directory, name, link: modes[status] ?? "copy" });
    for (const [status, name] of ["a", "b", "c"].entries())
      assert.equal((yield* execute(join(directory, name))).status, status);
  });
});

describe("file systems", () => {
  it.skipIf(notRoot ?? missing("unshare", "mount", "python3"))(
    "mounted noexec: a link works, and what cannot is refused",
    function* () {
      const directory = yield* mounted("noexec,mode=755");
      // The mount is noexec: another program does not run there.
      copyFileSync("/bin/true", join(directory, "true"));
      chmodSync(join(directory, "true"), 0o755);
      assert.match((yield* call(join(directory, "true"))).stderr.toString(), /PermissionError/);

      const { path } = yield* mock(answer, { directory });
      assert.deepEqual(seen(yield* call(path)), succeeded);
      for (const link of ["copy", "script"] as const) {
        const error = yield* refused(directory, link, { link });
        assert.equal(error.reason, "StubNotExecutable");
        assert.include(error.message, join(directory, link));
        assert.match(error.remedy, /symlink/);
      }
      assert.deepEqual(readdirSync(directory).toSorted(), ["mail", "mail.sock", "true"]);
    },
  );

  it.skipIf(notRoot ?? missing("unshare", "mount"))("mounted read-only", function* () {
    const directory = yield* mounted("ro,mode=755");
    const error = yield* refused(directory, "mail");
    assert.equal(error.reason, "NotWritable");
    assert.equal(
      error.message,
      `${directory}/mail.sock is on a read-only file system: use a directory that can be written to`,
    );
  });
});

describe("what is in the directory", () => {
  for (const link of modes)
    it(`is the program and its socket and nothing else, until the end (${link})`, function* () {
      const directory = yield* tempDirectory;
      writeFileSync(join(directory, "other"), "mine");
      const path = join(directory, "mail");
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* mock(answer, { directory, link });
          assert.deepEqual(readdirSync(directory).toSorted(), ["mail", "mail.sock", "other"]);
          const socket = lstatSync(`${path}.sock`);
          assert.isTrue(socket.isSocket());
          assert.equal(socket.mode & 0o777, 0o600);
          if (link === "symlink") assert.equal(readlinkSync(path), String(stubPath));
          else assert.equal(lstatSync(path).mode, 0o100755);
          if (link === "copy") assert.deepEqual(readFileSync(path), readFileSync(String(stubPath)));
          assert.deepEqual(seen(yield* execute(path)), succeeded);
        }),
      );
      assert.deepEqual(readdirSync(directory), ["other"]);
      assert.equal(readFileSync(join(directory, "other"), "utf8"), "mine");
    });

  it("the name is free again afterwards", function* () {
    const directory = yield* tempDirectory;
    for (const link of [...modes, ...modes])
      yield* Effect.scoped(
        Effect.flatMap(mock(answer, { directory, link }), ({ path }) =>
          Effect.map(execute(path), (ended) => assert.deepEqual(seen(ended), succeeded)),
        ),
      );
  });
});

/** The message of a stub that finds no server. */
const noServer = (path: string) =>
  `rsyscall: found no server: there is no socket beside ${path}, and RSYSCALL_UNIX_STUB_SOCK_PATH is not set. A copy or hard link under another name finds its server only if it was made with link: "script"\n`;

describe("other names", () => {
  for (const link of modes)
    it(`it may be the interpreter of a script (${link})`, function* () {
      const calls: Array<ReadonlyArray<string>> = [];
      const { path, directory } = yield* mock(
        (call) => {
          calls.push(call.argv);
          return answer(call);
        },
        { link },
      );
      const script = join(yield* tempDirectory, "a script");
      writeFileSync(script, `#!${path} -x y\n`, { mode: 0o755 });
      assert.deepEqual(seen(yield* execute(script, ["arg"])), succeeded);
      writeFileSync(script, "#!./mail\n");
      assert.deepEqual(seen(yield* execute(script, [], { cwd: directory })), succeeded);
      assert.deepEqual(calls, [
        [path, "-x y", script, "arg"],
        ["./mail", script],
      ]);
    });

  it("a link to it may have any", function* () {
    const { path } = yield* mock(answer);
    const elsewhere = yield* tempDirectory;
    symlinkSync(path, join(elsewhere, "one"));
    symlinkSync("one", join(elsewhere, "two"));
    assert.deepEqual(seen(yield* execute(join(elsewhere, "two"))), succeeded);
  });

  it("it may be copied, moved and linked to if it names its socket itself", function* () {
    const { path } = yield* mock(answer, { link: "script" });
    const elsewhere = yield* tempDirectory;
    const at = (name: string) => join(elsewhere, name);
    copyFileSync(path, at("copied"));
    linkSync(path, at("linked"));
    copyFileSync(path, at("moving"));
    renameSync(at("moving"), at("moved"));
    for (const name of ["copied", "linked", "moved"])
      assert.deepEqual(seen(yield* execute(at(name))), succeeded);
    // It uses that socket and no other.
    const other = yield* mock(() => Effect.succeed(9));
    copyFileSync(path, join(other.directory, "third"));
    symlinkSync("mail.sock", join(other.directory, "third.sock"));
    const env = { RSYSCALL_UNIX_STUB_SOCK_PATH: other.server.path.text };
    assert.deepEqual(seen(yield* execute(join(other.directory, "third"), [], { env })), succeeded);
  });

  it("a hard link or copy that finds no server says what would help", function* () {
    const { path } = yield* mock(answer, { link: "copy" });
    const other = join(yield* tempDirectory, "other");
    linkSync(path, other);
    assert.deepEqual(seen(yield* execute(other, [], { env: {} })), {
      status: 69,
      stdout: "",
      stderr: `other: ${noServer(other)}`,
    });
  });
});

describe("trust", () => {
  const stub = String(stubPath);
  const needs = notRoot ?? missing("python3", "setpriv");

  /** Runs a program while a process of user 1234 listens on a socket, which serves no client. */
  const beforeStranger = (socket: string, words: ReadonlyArray<string>, env = {}) =>
    python(
      `
import socket, subprocess
ready, done = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(done[1])
    os.setresuid(1234, 1234, 1234)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(p)
    listening.listen()
    os.write(ready[1], b"x")
    os.read(done[0], 1)
    os._exit(0)
os.read(ready[0], 1)
ended = subprocess.run(sys.argv[2:])
os.close(done[1])
os.wait()
sys.exit(ended.returncode)`,
      [socket, ...words],
      { env },
    );

  /** A directory in which every user may do everything. */
  const open = Effect.map(tempDirectory, (directory) => {
    chmodSync(directory, 0o777);
    return directory;
  });

  const asOther = ["setpriv", "--ruid", "1234", "--euid", "0", "--clear-groups"] as const;

  it.skipIf(needs)(
    "a server that the environment names must be root's, or our own user's",
    function* () {
      const socket = join(yield* open, "socket");
      const env = { RSYSCALL_UNIX_STUB_SOCK_PATH: socket };
      const { status, stderr } = seen(yield* beforeStranger(socket, [stub], env));
      assert.equal(status, 69);
      assert.include(
        stderr,
        `refuses a server of another user, which would get the rights of this process: ${socket}`,
      );
    },
  );

  it.skipIf(needs)(
    "a user's server serves that user, also through set-user-ID callers",
    function* () {
      const { path, directory } = yield* mock(answer, { allow: () => true });
      chmodSync(directory, 0o755);
      chmodSync(dirname(directory), 0o755);
      // Root's server serves all users, and a socket beside the program is as trusted as the program.
      const env = { RSYSCALL_UNIX_STUB_SOCK_PATH: `${path}.sock` };
      const ended = yield* program("setpriv", ["--reuid", "1234", "--clear-groups", path], { env });
      assert.deepEqual(seen(ended), succeeded);
    },
  );

  for (const link of modes)
    it.skipIf(needs)(`a caller with the rights of another user keeps them (${link})`, function* () {
      const ids: Array<unknown> = [];
      const { path, directory } = yield* mock(
        (call) => {
          ids.push([call.uid, call.peer.uid]);
          return answer(call);
        },
        { link, allow: () => true },
      );
      chmodSync(directory, 0o755);
      const [name, ...args] = [...asOther, path] as const;
      assert.deepEqual(seen(yield* program(name, args)), succeeded);
      assert.deepEqual(ids, [[1234, 0]]);
    });

  it.skipIf(needs)(
    "such a caller is not led by the environment, nor to a server of its user's",
    function* () {
      const { server } = yield* mock(answer, { allow: () => true });
      const [name, ...args] = [...asOther, stub] as const;
      const env = { RSYSCALL_UNIX_STUB_SOCK_PATH: server.path.text };
      const led = seen(yield* program(name, args, { env }));
      assert.equal(led.status, 69);
      assert.include(led.stderr, "RSYSCALL_UNIX_STUB_SOCK_PATH is ignored");
      const path = join(yield* open, "mail");
      symlinkSync(stub, path);
      const { status, stderr } = seen(yield* beforeStranger(`${path}.sock`, [...asOther, path]));
      assert.equal(status, 69);
      assert.include(stderr, "refuses a server of another user");
    },
  );

  it.skipIf(needs)("it refuses to have the rights of its file", function* () {
    const { path, directory } = yield* mock(answer, { link: "copy", allow: () => true });
    chmodSync(directory, 0o755);
    for (const mode of [0o4755, 0o2755]) {
      chmodSync(path, mode);
      const ended = yield* program("setpriv", [
        ...["--reuid", "1234", "--regid", "1234", "--clear-groups", path],
      ]);
      assert.deepEqual(seen(ended), {
        status: 69,
        stdout: "",
        stderr: `rsyscall: refuses the rights that its file gives it (set-user-ID, set-group-ID or capabilities): ${path}\n`,
      });
    }
  });
});

describe("programs that other threads start meanwhile", () => {
  for (const link of ["copy", "script"] as const)
    it(`do not keep it from being executed (${link})`, function* () {
      const stop = new Int32Array(new SharedArrayBuffer(4));
      const workers = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Array.from(
            { length: 2 },
            () =>
              new Worker(
                `const { spawnSync } = require("node:child_process");
                const { workerData: stop } = require("node:worker_threads");
                while (Atomics.load(stop, 0) === 0) spawnSync("/bin/true");`,
                { eval: true, workerData: stop },
              ),
          ),
        ),
        (workers) =>
          Effect.promise(() => {
            Atomics.store(stop, 0, 1);
            return Promise.all(workers.map((it) => new Promise((done) => it.once("exit", done))));
          }),
      );
      yield* Effect.promise(() =>
        Promise.all(workers.map((it) => new Promise((done) => it.once("online", done)))),
      );
      const directory = yield* tempDirectory;
      const thread = yield* LocalThread;
      // One of fifty has failed with ETXTBSY when this process itself wrote the file.
      for (let i = 0; i < 40; i++)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { path } = yield* mock(() => Effect.succeed(3), { directory, link });
            assert.equal((yield* thread.run(Command.make(path))).exitStatus, 3);
          }),
        );
    });
});

describe("the stub by itself", () => {
  const listen = (name = "any.socket") =>
    Effect.gen(function* () {
      const calls: Array<ReadonlyArray<unknown>> = [];
      const directory = yield* tempDirectory;
      const path = join(directory, name);
      const server = yield* StubServer.listenOn(yield* LocalThread, path);
      yield* Effect.forkScoped(
        server.serve((call) => {
          calls.push([...call.argv, ...call.thread.environ.strings.map(fsDecode)]);
          return answer(call);
        }),
      );
      return { directory, path, calls };
    });
  const stub = String(stubPath);

  for (const variable of ["RSYSCALL_UNIX_STUB_SOCK", "RSYSCALL_UNIX_STUB_SOCK_PATH"])
    it(`finds its server by ${variable}`, function* () {
      const { path, calls } = yield* listen();
      const ended = yield* execute(stub, ["arg"], { env: { [variable]: path, OTHER: "x" } });
      assert.deepEqual(seen(ended), succeeded);
      assert.deepEqual(calls, [[stub, "arg", "OTHER=x"]]);
    });

  it("finds it by a relative path, and by a long one", function* () {
    const { directory, calls } = yield* listen("s".repeat(120));
    for (const [path, cwd] of [
      ["s".repeat(120), directory],
      [join(directory, "s".repeat(120)), "/"],
    ] as const) {
      const env = { RSYSCALL_UNIX_STUB_SOCK_PATH: path };
      assert.deepEqual(seen(yield* execute(stub, [], { cwd, env })), succeeded);
    }
    assert.equal(calls.length, 2);
  });

  it("prefers RSYSCALL_UNIX_STUB_SOCK_PATH, and the socket beside it to both", function* () {
    const named = yield* listen();
    const other = yield* listen();
    const env = {
      RSYSCALL_UNIX_STUB_SOCK_PATH: named.path,
      RSYSCALL_UNIX_STUB_SOCK: other.path,
    };
    assert.deepEqual(seen(yield* execute(stub, [], { env })), succeeded);
    assert.deepEqual([named.calls.length, other.calls.length], [1, 0]);
    // A program with the environment of one stub calls another stub, which uses its own server.
    const { path } = yield* mock(() => Effect.succeed(9));
    assert.equal((yield* execute(path, [], { env })).status, 9);
    assert.deepEqual([named.calls.length, other.calls.length], [1, 0]);
  });

  it("fails with 69 and says why when there is no server", function* () {
    const directory = yield* tempDirectory;
    const none = yield* execute(stub, [], { env: {} });
    assert.deepEqual(seen(none), {
      status: 69,
      stdout: "",
      stderr: `rsyscall-unix-stub: ${noServer(stub)}`,
    });
    const missing = join(directory, "missing");
    const gone = yield* execute(stub, [], { env: { RSYSCALL_UNIX_STUB_SOCK: missing } });
    assert.deepEqual(seen(gone), {
      status: 69,
      stdout: "",
      stderr: `rsyscall-unix-stub: rsyscall: cannot connect to ${missing}: no such file or directory\n`,
    });
    // A server that was killed leaves its link and its socket behind.
    const abandoned = join(directory, "mail");
    symlinkSync(stub, abandoned);
    writeFileSync(`${abandoned}.sock`, "");
    const refused = yield* execute(abandoned);
    assert.deepEqual(seen(refused), {
      status: 69,
      stdout: "",
      stderr: `mail: rsyscall: cannot connect to ${abandoned}.sock: connection refused; its server is gone\n`,
    });
  });
});

/** The error of a server that must not start. */
const refused = (directory: string, name: string, options?: StubServerOptions) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const error = yield* Effect.flip(
      Effect.as(Effect.scoped(StubServer.make(thread, directory, name, options)), "a server"),
    );
    assert(error instanceof StubServerError, `${error}`);
    // The message names the thing, the cause and the remedy.
    assert.isNotEmpty(error.problem);
    assert.isNotEmpty(error.remedy);
    assert.equal(error.message, `${error.subject} ${error.problem}: ${error.remedy}`);
    return error;
  });

describe("errors", () => {
  const stubAt = (change: (bytes: Buffer) => Buffer, mode = 0o755) =>
    Effect.map(tempDirectory, (directory) => {
      const path = join(directory, "stub");
      writeFileSync(path, change(readFileSync(String(stubPath))));
      chmodSync(path, mode);
      return path;
    });

  /** Nothing is left behind, neither now nor while the scope stays open. */
  const assertRefused = (
    reason: StubServerErrorReason,
    directory: string,
    name: string,
    subject: string,
    options?: StubServerOptions,
  ) =>
    Effect.gen(function* () {
      const before = readdirSync(dirname(join(directory, "x")), { recursive: true });
      const error = yield* refused(directory, name, options);
      assert.equal(error.reason, reason);
      assert.include(error.message, subject);
      assert.deepEqual(readdirSync(directory, { recursive: true }), before);
      return error;
    });

  it("the directory is missing", function* () {
    const directory = join(yield* tempDirectory, "missing");
    const error = yield* refused(directory, "mail");
    assert.equal(error.reason, "DirectoryMissing");
    assert.include(error.message, directory);
    assert.match(error.message, /does not exist: create it/);
  });

  it("the directory is a file, or below one", function* () {
    const file = join(yield* tempDirectory, "file");
    writeFileSync(file, "");
    for (const directory of [file, join(file, "sub")]) {
      const error = yield* refused(directory, "mail");
      assert.equal(error.reason, "DirectoryMissing");
      assert.include(error.message, file);
      assert.match(error.message, /no directory/);
    }
  });

  it.skipIf(process.getuid?.() === 0 ? "root may write; see nonroot.test.ts" : undefined)(
    "the directory is not writable",
    function* () {
      const directory = yield* tempDirectory;
      chmodSync(directory, 0o555);
      yield* assertRefused("NotWritable", directory, "mail", `${directory}/mail`);
    },
  );

  for (const link of modes) {
    it(`the name is taken by a file (${link})`, function* () {
      const directory = yield* tempDirectory;
      const path = join(directory, "mail");
      writeFileSync(path, "real");
      yield* assertRefused("NameTaken", directory, "mail", `${path} `, { link });
      assert.equal(readFileSync(path, "utf8"), "real");
    });

    it(`the name is taken by a link to nowhere (${link})`, function* () {
      const directory = yield* tempDirectory;
      symlinkSync("nowhere", join(directory, "mail"));
      yield* assertRefused("NameTaken", directory, "mail", join(directory, "mail"), { link });
    });
  }

  it("the socket's name is taken by a file", function* () {
    const directory = yield* tempDirectory;
    const path = join(directory, "mail.sock");
    writeFileSync(path, "mine");
    const error = yield* assertRefused("NameTaken", directory, "mail", path);
    assert.match(error.remedy, /choose another name/);
    assert.equal(readFileSync(path, "utf8"), "mine");
  });

  for (const size of [10, 150])
    it(`the socket's name, of ${size} bytes, is taken by a socket`, function* () {
      const directory = yield* tempDirectory;
      const name = "n".repeat(size);
      const listening = createServer();
      // Node can only bind short paths.
      yield* Effect.acquireRelease(
        Effect.promise(
          () => new Promise<void>((done) => listening.listen(join(directory, "s"), done)),
        ),
        () => Effect.promise(() => new Promise((done) => listening.close(done))),
      );
      renameSync(join(directory, "s"), join(directory, `${name}.sock`));
      yield* assertRefused("NameTaken", directory, name, join(directory, `${name}.sock`));
    });

  it("refuses options that there are not", function* () {
    const [thread, directory] = [yield* LocalThread, yield* tempDirectory];
    const options = { handlerTimout: 1 } as StubServerOptions;
    const made = StubServer.make(thread, directory, "prog", options);
    const listening = StubServer.listenOn(thread, `${directory}/sock`, options);
    for (const server of [made, listening]) {
      const error = yield* Effect.flip(Effect.scoped(server));
      assert.equal(error._tag, "InvalidArgumentError");
      assert.match(error.message, /"handlerTimout", and must be one of .*handshakeTimeout/);
    }
    assert.deepEqual(readdirSync(directory), []);
  });

  it("the name is taken by another server, which lives on", function* () {
    const { directory, path } = yield* mock(answer);
    for (const link of modes) yield* assertRefused("NameTaken", directory, "mail", path, { link });
    assert.deepEqual(seen(yield* execute(path)), succeeded);
    const thread = yield* LocalThread;
    const error = yield* Effect.flip(Effect.scoped(StubServer.listenOn(thread, `${path}.sock`)));
    assert.instanceOf(error, StubServerError);
    assert.equal((error as StubServerError).reason, "NameTaken");
    assert.deepEqual(seen(yield* execute(path)), succeeded);
  });

  for (const name of [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "/a",
    "a/",
    "a\0b",
    "n".repeat(251),
    "n".repeat(300),
  ])
    it(`the name is ${name.length > 10 ? `${name.length} bytes` : JSON.stringify(name)}`, function* () {
      const directory = yield* tempDirectory;
      yield* assertRefused(
        "NameInvalid",
        directory,
        name,
        name.length > 10 ? name : JSON.stringify(name),
      );
    });

  for (const link of modes) {
    it(`the stub is missing (${link})`, function* () {
      const directory = yield* tempDirectory;
      const stub = join(yield* tempDirectory, "missing");
      const error = yield* assertRefused("StubMissing", directory, "mail", stub, { link, stub });
      assert.match(error.remedy, /build/);
      const below = join(String(stubPath), "x");
      yield* assertRefused("StubMissing", directory, "mail", below, { link, stub: below });
      yield* assertRefused("StubMissing", directory, "mail", directory, { link, stub: directory });
    });

    it(`the stub is not executable (${link})`, function* () {
      const directory = yield* tempDirectory;
      const stub = yield* stubAt((bytes) => bytes, 0o644);
      const error = yield* assertRefused("StubNotExecutable", directory, "mail", stub, {
        link,
        stub,
      });
      assert.include(error.remedy, `chmod +x '${stub}'`);
    });

    if (link === "script")
      it("the stub has no room for the path of a socket", function* () {
        const directory = yield* tempDirectory;
        const stub = yield* stubAt((bytes) =>
          Buffer.from(
            bytes.toString("latin1").replace("rsyscall: socket", "rsyscall: Socket"),
            "latin1",
          ),
        );
        const error = yield* assertRefused("StubOutdated", directory, "mail", stub, { link, stub });
        assert.match(error.remedy, /link: "copy"/);
      });

    it(`the stub is no executable of this machine (${link})`, function* () {
      const directory = yield* tempDirectory;
      const cases: ReadonlyArray<[(bytes: Buffer) => Buffer, RegExp]> = [
        [() => Buffer.from("#!/bin/sh\nexit 0 # long enough\n"), /is no ELF executable/],
        [() => Buffer.alloc(0), /is no ELF executable/],
        [(bytes) => bytes.subarray(0, 19), /is no ELF executable/],
        [
          (bytes) => {
            bytes.writeUInt16LE(process.arch === "arm64" ? 62 : 183, 18);
            return bytes;
          },
          /is for ELF machine (183|62): give a stub for (x86_64|aarch64)/,
        ],
      ];
      for (const [change, message] of cases) {
        const stub = yield* stubAt(change);
        const error = yield* assertRefused("StubWrongMachine", directory, "mail", stub, {
          link,
          stub,
        });
        assert.match(error.message, message);
      }
    });
  }

  it("can be tried again at once, in the same scope", function* () {
    const directory = yield* tempDirectory;
    const thread = yield* LocalThread;
    const first = StubServer.make(thread, directory, "mail", { stub: "/nonexistent" });
    const error = yield* Effect.flip(Effect.as(first, "a server"));
    assert.equal((error as StubServerError).reason, "StubMissing");
    assert.deepEqual(readdirSync(directory), []);
    const { path } = yield* mock(answer, { directory });
    assert.deepEqual(seen(yield* execute(path)), succeeded);
  });
});

describe("a stub of one's own", () => {
  for (const link of modes)
    it(`by an absolute and by a relative path (${link})`, function* () {
      const elsewhere = yield* tempDirectory;
      // In a directory whose name needs careful quoting.
      const own = join(elsewhere, `it's $HOME`);
      mkdirSync(own);
      copyFileSync(String(stubPath), join(own, "stub"));
      for (const stub of [join(own, "stub"), relative(process.cwd(), join(own, "stub"))]) {
        // Deeper than this directory: a relative link would lead elsewhere.
        const directory = join(yield* tempDirectory, "a/b/c/d/e/f");
        mkdirSync(directory, { recursive: true });
        const { path } = yield* mock(answer, { directory, stub, link });
        assert.deepEqual(seen(yield* execute(path, [], { cwd: "/" })), succeeded);
      }
    });
});
