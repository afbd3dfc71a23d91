import { AF, CLONE, MS, SOCK } from "@rsyscall/abi";
import {
  bindUnix,
  chown,
  chroot,
  Directory,
  type HandleFailure,
  Memfd,
  mkdir,
  mount,
  Socket,
  sethostname,
  setuid,
  unlink,
} from "@rsyscall/handle";
import { it, tempDirectory } from "@rsyscall/harness";
import { Path, type PathLike, SyscallError } from "@rsyscall/near";
import { StubServer } from "@rsyscall/stub-server";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

type Mistake = Effect.Effect<unknown, { readonly message: string }, Scope.Scope>;

/** Asserts that a mistake is a typed error with this message; a defect would end the test. */
const says = (mistake: Mistake, message: string | RegExp) =>
  Effect.map(Effect.flip(Effect.scoped(mistake)), (error) => {
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return error;
  });

/** Passes a value that the types refuse, as a program in JavaScript can. */
const wrong = <A>(value: unknown) => value as A;

const NO_PATH = "undefined is no path: give text, bytes, a Path or a file: URL";

describe("a mistake", () => {
  it("in a path is refused in words, before anything happens", function* () {
    const thread = yield* LocalThread;
    const { task } = thread;
    const none = wrong<PathLike>(undefined);
    yield* says(
      StubServer.make(thread, "/tmp", none),
      "what is undefined is no file name: give the bare name of the program",
    );
    yield* says(
      StubServer.make(thread, yield* tempDirectory, "x", { link: wrong("hard") }),
      'StubServer.make: link is "hard", and must be one of symlink, copy, script',
    );
    for (const mistake of [
      thread.open(none),
      Directory.make(task, none),
      mkdir(task, none),
      unlink(task, none),
      chown(task, none, 0, 0),
      thread.spit(none, "x"),
      thread.which(none),
      thread.execve(none, ["x"]),
      Effect.flatMap(Socket.make(task, AF.UNIX, SOCK.STREAM), (it) => bindUnix(it, none)),
    ] as ReadonlyArray<Mistake>)
      yield* says(
        mistake,
        /^\w+: \w+ is undefined, and must be text, bytes, a Path or a file: URL$/,
      );
    yield* says(thread.open(wrong<PathLike>(7)), /^openat: path is 7, and must be text, bytes/);
    yield* says(
      thread.open(new URL("http://host/x")),
      /path is "http:\/\/host\/x", and must be .* file: URL$/,
    );
    assert.throws(() => Path.make(none), TypeError, NO_PATH);
    assert.throws(() => Command.make(none), TypeError, NO_PATH);
    assert.throws(() => Path.make("/").join(none), TypeError, NO_PATH);
    yield* says(
      thread.open("/a\0b\x1b[31m"),
      'openat: path is "/a\\0b\\x1b[31m", and must be the name of a file: without a NUL, and without half of a character',
    );
  });

  it("is none where Node's fs takes it too: a file: URL", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const url = new URL("a%20file", `file://${directory}/`);
    yield* thread.spit(url, "x");
    assert.equal(String(Path.make(url)), `${directory}/a file`);
    assert.equal((yield* thread.slurp(`${directory}/a file`)).length, 1);
  });

  it("in content is refused, and the file is unchanged", function* () {
    const thread = yield* LocalThread;
    const file = yield* Memfd.make(thread.task, "file");
    yield* says(
      file.writeAllBytes(wrong("x")),
      'write: bytes is "x", and must be a Uint8Array: `writeAllText` takes text',
    );
    yield* says(
      file.writeBytes(wrong(undefined)),
      /bytes is undefined, and must be a Uint8Array, as a Buffer is$/,
    );
    yield* says(
      file.writeAllText(wrong(Buffer.from("x"))),
      /text is <Buffer 78>, and must be text: `writeAllBytes` takes/,
    );
    yield* says(
      thread.writeAll(file, wrong("x")),
      /bytes is "x", and must be a Uint8Array: `writeAllText`/,
    );
    assert.equal(Number((yield* file.fstat()).size), 0);
    const path = `${yield* tempDirectory}/file`;
    yield* thread.spit(path, "kept");
    yield* says(
      thread.spit(path, wrong(undefined)),
      /^spit: content is undefined, and must be text or a Uint8Array$/,
    );
    assert.equal((yield* thread.slurp(path)).length, 4);
  });

  it("without the right says which right it is, and which process has it", function* () {
    const thread = yield* LocalThread;
    const { task } = yield* thread.clone(CLONE.NEWUSER);
    yield* says(
      mount(task, "none", "/mnt", "tmpfs", MS.NODEV),
      "mount(none on /mnt type tmpfs): EPERM: Operation not permitted (the process needs CAP_SYS_ADMIN in its mount namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWNS) has)",
    );
    yield* says(sethostname(task, "x"), /^sethostname: EPERM: .*CAP_SYS_ADMIN in its UTS/);
    yield* says(setuid(task, 12345), /^setuid\(uid 12345\): EINVAL: .*maps no such id\)$/);
    const own = (yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNS)).task;
    yield* says(
      mount(own, "/no/such", "/mnt", undefined, MS.BIND),
      "mount(/no/such on /mnt): ENOENT: No such file or directory",
    );
    yield* says(mount(own, "none", "/", "nosuchfs", 0), /^mount\(none on \/ type nosuchfs\): E/);
    yield* says(chroot(own, "/no/such"), "chroot(/no/such): ENOENT: No such file or directory");
  });

  it("in an address names the wrong address", function* () {
    const { task } = yield* LocalThread;
    const bind = (address: string, port: number) =>
      Effect.flatMap(Socket.make(task, AF.INET, SOCK.STREAM), (socket) =>
        socket.bind({ family: "inet", address, port }),
      );
    yield* says(
      bind("localhost", 80),
      /^bind: address is .*, and must be .*\("localhost" is no IPv4 address\)$/,
    );
    yield* says(bind("127.0.0.1", 70000), /^bind: .*\(70000 is no port\)$/);
    yield* says(bind("192.0.2.1", 0), /EADDRNOTAVAIL: .*\(no interface of this network/);
  });

  it("in a program says what is wrong with it", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const { environ } = thread;
    const run = (...words: [string, ...Array<string>]) => thread.run(Command.make(...words));
    yield* says(run("/no/prog"), /^execve\(\/no\/prog\): ENOENT: .*the interpreter that it names/);
    yield* says(run("ls"), /^execve\(ls\): ENOENT: .*not looked for in PATH: `which` does that\)$/);
    yield* says(run("/etc"), /^execve\(\/etc\): EACCES: .*it is no regular file/);
    yield* says(
      run("/bin/echo", "a", "b\0"),
      /^execve: argv\[2\] is "b\\0", and must be text or bytes without a NUL/,
    );
    yield* says(environ.set("A=B", "c"), /^setenv: name is "A=B", and must be .* without =/);
    yield* says(
      thread.exit(256),
      /^exit_group: status is 256, and must be a whole number from 0 to 255$/,
    );
    yield* says(
      thread.clone(0, { user: { uid: 0, gid: 0 } }),
      /^clone: user is \{ uid: 0, gid: 0 \}, and must be left out without CLONE.NEWUSER/,
    );
    yield* environ.set("PATH", directory);
    const missing = yield* says(
      thread.which("prog"),
      `prog: not found in PATH (tried ${directory}/prog): install it, or give its path`,
    );
    assert.equal((missing as unknown as Error).name, "ExecutableNotFoundError");
    assert.propertyVal(missing, "program" as never, "prog" as never);
    assert.propertyVal(missing, "code" as never, "ENOENT" as never);
    yield* thread.spit(`${directory}/prog`, "#!/bin/sh\n");
    yield* says(thread.which("prog"), /prog may not be executed: give it execute permission/);
  });

  it("has Node's names in its error", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const about = (effect: Effect.Effect<unknown, HandleFailure, Scope.Scope>) =>
      Effect.map(Effect.flip(Effect.scoped(effect)), (error) => {
        assert.instanceOf(error, SyscallError);
        const { code, errno, syscall, path, dest } = error as SyscallError;
        assert.equal(code, errno);
        return { code, syscall, path, dest };
      });
    assert.deepEqual(yield* about(thread.open(`${directory}/none`)), {
      code: "ENOENT",
      syscall: "openat",
      path: `${directory}/none`,
      dest: undefined,
    });
    const opened = yield* Directory.make(thread.task, directory);
    assert.deepEqual(yield* about(opened.renameat("none", opened, "other")), {
      code: "ENOENT",
      syscall: "renameat",
      path: "none",
      dest: "other",
    });
    assert.deepEqual(
      yield* about(opened.setCloexec(wrong(true)).pipe(Effect.andThen(thread.open("")))),
      {
        code: "ENOENT",
        syscall: "openat",
        path: "",
        dest: undefined,
      },
    );
  });
});
