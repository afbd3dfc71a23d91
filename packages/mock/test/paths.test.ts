import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { missing, noNamespaces, notRoot, refuse, TEMP_PREFIX } from "@rsyscall/harness";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { afterEach, assert, beforeEach, describe, it } from "vitest";
import { type Mock, MockError, mock, pass } from "../src/index.ts";

let m: Mock;
let directory: string;

beforeEach(async () => {
  m = await mock();
  directory = mkdtempSync(join(tmpdir(), `${TEMP_PREFIX}${process.pid}-`));
});

afterEach(async () => {
  await m.close({ verify: false });
  rmSync(directory, { recursive: true, force: true });
});

/** A program that says what it is. */
const program = (path: string, text: string): string => {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho ${text} "$@"\n`, { mode: 0o755 });
  return path;
};

const stdout = async (script: string): Promise<string> => {
  const ran = await m.shell(script);
  assert.equal(ran.stderr, "");
  return ran.stdout;
};

const describeHere = describe.skipIf(notRoot !== undefined && noNamespaces !== undefined);

describeHere("a mocked path", () => {
  it("is a file that is there, for the program under test alone", async () => {
    const path = program(join(directory, "tool"), "real");
    m(path, "status").reply({ stdout: "mocked\n", status: 3 });
    const ran = await m.shell(`${path} status; echo $?; ${path} other; echo $?`);
    assert.equal(ran.stdout, "mocked\n3\n127\n");
    assert.match(ran.stderr, /tool: rsyscall: unexpected command: tool other /);
    assert.equal(spawnSync(path, ["status"], { encoding: "utf8" }).stdout, "real status\n");
    assert.deepEqual(
      m(path, "status") && m.program(path).calls.map(({ argv, path }) => [path, ...argv]),
      [
        [path, path, "status"],
        [path, path, "other"],
      ],
    );
  });

  it("is a name that is not there, beside all that is", async () => {
    m("/usr/sbin/sendmail", "-t").reply("queued\n");
    m("/usr/sbin/no-such-program").reply("none\n");
    const before = readdirSync("/usr/sbin");
    const found = await stdout(
      "/usr/sbin/sendmail -t; /usr/sbin/no-such-program; ls -A /usr/sbin | wc -l; ls -d /usr/sbin/chroot",
    );
    const lines = found.split("\n");
    assert.deepEqual(lines.slice(0, 2), ["queued", "none"]);
    const added = ["sendmail", "no-such-program"].filter((name) => !before.includes(name)).length;
    assert.equal(Number(lines[2]), before.length + added);
    assert.deepEqual(readdirSync("/usr/sbin"), before);
  });

  it("is below a directory that is not there, or in the root", async () => {
    m("/opt/no-such/bin/tool").reply("tool\n");
    m("/no-such-entry").reply("entry\n");
    m(join(directory, "a/b/c")).reply("c\n");
    // The directory of the mock is in the one that is covered.
    m(join(tmpdir(), "no-such/tool")).reply("in tmp\n");
    const found = await stdout(
      `/opt/no-such/bin/tool; /no-such-entry; ${directory}/a/b/c; ${tmpdir()}/no-such/tool; pwd`,
    );
    assert.equal(found, `tool\nentry\nc\nin tmp\n${process.cwd()}\n`);
    assert.deepEqual(
      ["/opt/no-such", "/no-such-entry", join(directory, "a")].filter((path) => existsSync(path)),
      [],
    );
  });

  it("is found through links to it and to its directory", async () => {
    program(join(directory, "sbin/sendmail"), "real");
    mkdirSync(join(directory, "lib"));
    symlinkSync("../sbin/sendmail", join(directory, "lib/sendmail"));
    symlinkSync("sbin", join(directory, "bin"));
    m(join(directory, "bin/sendmail")).reply("mocked\n");
    for (const path of ["sbin/sendmail", "bin/sendmail", "lib/sendmail"])
      assert.equal(await stdout(`${directory}/${path}`), "mocked\n", path);
    assert.equal(m.calls.length, 3);
    assert.equal(m.program(join(directory, "sbin/sendmail")).calls.length, 3);
    // Two paths of one place have their rules in common.
    m(join(directory, "sbin/sendmail"), "-t").reply("the same place\n");
    assert.equal(m.program(join(directory, "bin/sendmail")).calls.length, 3);
  });

  it("is a link itself, and not what it leads to", async () => {
    const busybox = program(join(directory, "busybox"), "busybox");
    symlinkSync("busybox", join(directory, "ls"));
    symlinkSync("nothing", join(directory, "dangling"));
    m(join(directory, "ls")).reply("mocked\n");
    m(join(directory, "dangling")).reply("dangling\n");
    assert.equal(
      await stdout(`${directory}/ls; ${busybox} x; ${directory}/dangling`),
      "mocked\nbusybox x\ndangling\n",
    );
  });

  it("leaves the directories beside it writable", async () => {
    mkdirSync(join(directory, "data"));
    m(join(directory, "tool")).reply("");
    const { stderr } = await m.shell(`echo kept > data/file; echo lost > file`, { cwd: directory });
    assert.match(stderr, /Read-only file system/);
    assert.equal(readFileSync(join(directory, "data/file"), "utf8"), "kept\n");
    assert.deepEqual(readdirSync(directory), ["data"]);
  });

  it("is seen with an empty environment, and by a login shell that resets PATH", async () => {
    m("/usr/bin/git", "push").reply("mocked\n");
    m.git("push").reply("by its name\n");
    assert.equal(await stdout("env -i /usr/bin/git push"), "mocked\n");
    assert.equal(await stdout("env -i PATH=/usr/bin git push"), "mocked\n");
    assert.equal(await stdout("git push"), "by its name\n");
    if (missing("bash") === undefined)
      assert.equal((await m.run("bash", ["-lc", "git push"])).stdout, "mocked\n");
  });

  it.skipIf(missing("busybox"))("is seen by a static program", async () => {
    m("/usr/sbin/sendmail").reply("mocked\n");
    assert.equal(
      await stdout("busybox env -i /usr/sbin/sendmail; busybox sh -c /usr/sbin/sendmail"),
      "mocked\nmocked\n",
    );
  });

  const noSudo = missing("sudo") ?? notRoot;
  const sudoTitle = `is seen under sudo with its own PATH${noSudo ? ` (skipped: ${noSudo})` : ""}`;
  it.skipIf(noSudo)(sudoTitle, async () => {
    m("/usr/bin/git", "push").reply("mocked\n");
    assert.equal(await stdout("sudo -n git push"), "mocked\n");
  });

  it("is the interpreter of a script", async () => {
    m("/usr/bin/perl", "-w").reply("mocked\n");
    m("/opt/no-such/interpreter").reply("new\n");
    const old = join(directory, "old");
    writeFileSync(old, "#!/usr/bin/perl -w\n", { mode: 0o755 });
    const new_ = join(directory, "new");
    writeFileSync(new_, "#!/opt/no-such/interpreter\n", { mode: 0o755 });
    assert.equal(await stdout(`${old} "a b"; ${new_}`), "mocked\nnew\n");
    assert.deepEqual(
      m.calls.map(({ argv }) => argv),
      [
        ["/usr/bin/perl", "-w", old, "a b"],
        ["/opt/no-such/interpreter", new_],
      ],
    );
    assert.deepEqual(m.calls[0]?.program, "perl");
  });

  it.skipIf(missing("bash"))(
    "passes to the real program: the same process, stdio and argv[0]",
    async () => {
      const seen = join(directory, "seen");
      writeFileSync(seen, '#!/bin/sh\necho "$$ $PPID $A $(cat) $*"; exit 5\n', { mode: 0o755 });
      m(seen, "pass").reply(pass);
      m("/usr/bin/cat").reply(pass);
      const ran = await m.shell(`echo $$; A=a sh -c 'echo $$; exec ${seen} pass "x y"'; echo $?`, {
        input: "input",
      });
      const [shell, pid, said, status] = ran.stdout.split("\n");
      assert.equal(ran.stderr, "");
      assert.equal(said, `${pid} ${shell} a input pass x y`);
      assert.equal(status, "5");
      assert.deepEqual(
        m.calls.map(({ outcome }) => outcome),
        ["passed", "passed"],
      );
      const named = await m.run("bash", ["-c", "exec -a other /usr/bin/cat /proc/self/cmdline"]);
      assert.equal(named.stdout, "other\0/proc/self/cmdline\0");
    },
  );

  it("is behind a mock of the same name: one call, one record", async () => {
    m.git.otherwise(pass);
    m("/usr/bin/git", "--version").reply("mocked\n");
    assert.match(await stdout("git --version"), /^git version/);
    assert.equal(m.calls.length, 1);
    assert.equal(await stdout("/usr/bin/git --version"), "mocked\n");
  });

  it("does not pass what the host has no program for", async () => {
    m("/usr/sbin/no-such-program").reply(pass);
    const { status, stderr } = await m.shell("/usr/sbin/no-such-program");
    assert.equal(status, 127);
    assert.match(stderr, /no-such-program: rsyscall: .*there is no such file/);
  });

  it("is mocked in a run that begins later, and in many at once", async () => {
    assert.notEqual((await m.shell("/usr/sbin/no-such-program 2>&-")).status, 0);
    m("/usr/sbin/no-such-program").reply("now\n");
    const all = await Promise.all(
      Array.from({ length: 8 }, () => m.shell("/usr/sbin/no-such-program")),
    );
    assert.deepEqual(new Set(all.map((ran) => ran.stdout)), new Set(["now\n"]));
    assert.isFalse(readdirSync(m.directory).some((name) => name.startsWith("layers-")));
  });

  it("puts no files of the host where the program under test may empty a directory", async () => {
    m("/no-such-entry").reply("");
    m("/usr/bin/env").reply("");
    const points = (await stdout("cat /proc/self/mountinfo"))
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "");
    assert.deepEqual(
      points.filter((point) => point.startsWith(m.directory)),
      [],
    );
    assert.include(points, "/usr/bin/env");
    // A program that makes a namespace of its own can go on from there.
    if (missing("unshare") === undefined && notRoot === undefined)
      assert.equal(await stdout("unshare -m /no-such-entry && echo yes"), "yes\n");
  });

  it("leaves the mounts of the host as they are", async () => {
    const mounts = () => readFileSync("/proc/self/mountinfo", "utf8");
    const before = mounts();
    m("/usr/sbin/no-such-program").reply("");
    m("/usr/bin/env").reply("");
    await m.shell("/usr/sbin/no-such-program");
    assert.equal(mounts(), before);
  });

  it("is refused if it is a directory, below a file, or no path", () => {
    const problem = (path: string): string => {
      try {
        m(path);
      } catch (error) {
        assert.instanceOf(error, MockError);
        return error.message;
      }
      assert.fail("nothing was thrown");
    };
    assert.match(problem("/usr/bin"), /is a directory/);
    assert.match(problem("/bin"), /is a directory/);
    assert.match(problem("/etc/passwd/x"), /\/etc\/passwd is no directory/);
    assert.match(problem("/usr/bin/"), /is no path of a program/);
    assert.match(problem("/"), /is no path of a program/);
  });
});

const fixture = fileURLToPath(new URL("../../../tests/fixtures/mockedPaths.mjs", import.meta.url));
const EXPECTED = "new\nbelow a new directory\nin the root\na file\n";

/** Runs the fixture by a command, with a directory that its user may write. */
const found = (command: ReadonlyArray<string>) => {
  chmodSync(directory, 0o777);
  const { stdout, stderr } = spawnSync(
    command[0] as string,
    [...command.slice(1), process.execPath, fixture],
    {
      encoding: "utf8",
      env: { ...process.env, TMPDIR: directory },
    },
  );
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
};

/** Whether other users can read this checkout. */
const isOpen = (path: string): boolean =>
  (statSync(path).mode & 0o001) !== 0 && (path === "/" || isOpen(join(path, "..")));

const NOBODY = 65534;

describe.skipIf(notRoot ?? missing("setpriv", "unshare"))("rights", () => {
  it.skipIf(noNamespaces ?? !isOpen(join(fixture, "..")))("of an ordinary user are enough", () => {
    const user = found([
      "setpriv",
      "--reuid",
      `${NOBODY}`,
      "--regid",
      `${NOBODY}`,
      "--clear-groups",
    ]);
    assert.equal(user.error, undefined);
    assert.equal(user.stdout, `${EXPECTED}${NOBODY}\n`);
    assert.deepEqual([user.host, user.left], [[], false]);
  });

  it.skipIf(noNamespaces)("of root without CAP_SYS_ADMIN, as in a container, are enough", () => {
    const root = found(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]);
    assert.equal(root.error, undefined);
    assert.equal(root.stdout, `${EXPECTED}0\n`);
  });

  it("do not help where TMPDIR is mounted noexec, which is said", () => {
    const denied = found([
      "unshare",
      "-m",
      "sh",
      "-c",
      'mount -t tmpfs -o noexec none "$TMPDIR" && exec "$@"',
      "sh",
    ]);
    assert.match(denied.error, /is mounted noexec: set TMPDIR to a directory on another one$/);
  });

  it.skipIf(noNamespaces)("that are denied are told of, with what helps", () => {
    const denied = found([
      "unshare",
      "-Ur",
      "sh",
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin --inh-caps=-all "$@"',
      "sh",
    ]);
    assert.match(
      denied.error,
      /^m\.shell: \/usr\/sbin\/no-such-program, .*mount namespace of the program, and the system refuses to make one: .*user\.max_user_namespaces is 0; raise it.*or mock the program by its name/,
    );
    assert.deepEqual([denied.host, denied.left], [[], false]);
  });

  it.skipIf(noNamespaces)("that do not allow to mount are told of", async () => {
    const denied = await Effect.runPromise(
      Effect.gen(function* () {
        const thread = yield* LocalThread;
        const [reader, writer] = yield* thread.pipe();
        reader.closeOnFork = true;
        const child = yield* thread.fork();
        yield* refuse(child, "mount", "EPERM");
        yield* (yield* writer.inherit(child)).dup3(child.stdout);
        yield* child.exec(Command.make(process.execPath, fixture));
        yield* writer.close();
        const text = yield* thread.readTextToEof(reader);
        yield* child.process.check();
        return JSON.parse(text);
      }).pipe(Effect.scoped, Effect.provide(LocalThread.layer)),
    );
    assert.match(
      denied.error,
      /mount namespace of the program, and the system refuses to mount there: .*or mock the program by its name/,
    );
    assert.deepEqual([denied.host, denied.left], [[], false]);
  });
});
