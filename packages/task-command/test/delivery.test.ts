import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { describeUnless, eventually, it, missing, notRoot, tempDirectory } from "@rsyscall/harness";
import { taskPath } from "@rsyscall/native";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";
import { bootWords } from "../src/bootScript.ts";
import { CommandTask } from "../src/index.ts";
import { executableOf, inMounts, NEEDED, only, places, type Through, through } from "./worlds.ts";

/*
 * How the executable gets to where it is not, and what it leaves there.
 */

const program = readFileSync(taskPath);

const launch = (command: Through) =>
  Effect.gen(function* () {
    const { thread } = yield* CommandTask.make(yield* LocalThread, command);
    const path = executableOf(thread);
    const name = path.replace(/ \(deleted\)$/, "");
    const look = Command.make("/bin/sh", "-c", 'test ! -e "$0"', name);
    assert.isTrue((yield* thread.run(look)).clean, "it has gone");
    return path;
  });

describeUnless(notRoot ?? missing("perl"), "the executable, where there is perl", () => {
  const memfd = "/memfd:rsyscall-task (deleted)";

  it("is in memory, and nowhere else", function* () {
    assert.equal(yield* launch(inMounts("true")), memfd);
  });

  it("needs no directory", function* () {
    for (const options of ["noexec", "ro", "size=4k"])
      assert.equal(yield* launch(inMounts(places(options))), memfd);
  });

  it("needs no /proc", function* () {
    const { thread } = yield* CommandTask.make(
      yield* LocalThread,
      inMounts("mount -t tmpfs -o ro none /proc"),
    );
    assert.equal(executableOf(thread), memfd);
  });

  const sysctl = "/proc/sys/vm/memfd_noexec";
  const old = existsSync(sysctl) ? undefined : "the kernel lets any memfd be executed";
  for (const [value, where] of [
    [1, "/memfd:*"],
    [2, "/dev/shm/.rsyscall-task-*"],
  ] as const)
    it.skipIf(old)(`is at ${where} where vm.memfd_noexec is ${value}`, function* () {
      const namespaces = ["--mount", "--pid", "--fork", "--mount-proc"];
      const script = `echo ${value} > ${sysctl}; exec "$@"`;
      const { thread } = yield* CommandTask.make(
        yield* LocalThread,
        through("/usr/bin/unshare", ...namespaces, "/bin/sh", "-c", script, "sh"),
      );
      const look = `case "$(readlink /proc/$PPID/exe)" in ${where}) exit 0;; esac; exit 1`;
      assert.isTrue((yield* thread.run(Command.make("/bin/sh", "-c", look))).clean);
    });
});

describeUnless(notRoot, "the executable, where there is no perl", () => {
  const without = (setup: string) => inMounts(`${setup}; ${only(...NEEDED)}`);

  it("is nowhere where others could put something else in its place", function* () {
    const open = `${places("mode=777")}; mount -t tmpfs -o mode=700 none /media; export HOME=/media`;
    assert.match(yield* launch(without(open)), /^\/media\/\.rsyscall-task-/);
  });

  const goes = (where: string, setup: string) =>
    it(`is for a moment in ${where}`, function* () {
      assert.match(
        yield* launch(without(setup)),
        new RegExp(`^${where}/\\.rsyscall-task-\\w+ \\(deleted\\)$`),
      );
    });
  const directory = (path: string) => `${places("noexec")}; mount -t tmpfs none ${path}`;
  goes("/dev/shm", "true");
  goes("/tmp", directory("/tmp"));
  goes("/var/tmp", directory("/var/tmp"));
  goes("/media", `${directory("/media")}; export XDG_RUNTIME_DIR=/media`);
  goes("/media", `${directory("/media")}; export TMPDIR=/media`);
  goes("/media", `${directory("/media")}; export HOME=/media`);
  goes("/media/a b", `${directory("/media")}; mkdir "/media/a b"; export TMPDIR="/media/a b"`);
  goes("/media", `${directory("/media")}; cd /media`);
});

/** A shell with the words that it has to execute, by Node's own means. There is no perl. */
const boot = (shell: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const PATH = yield* tempDirectory;
    const TMPDIR = yield* tempDirectory;
    for (const name of NEEDED) symlinkSync(`/usr/bin/${name}`, `${PATH}/${name}`);
    const [path, ...args] = shell as [string, ...Array<string>];
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const words = bootWords.slice(1);
        const child = spawn(path, [...args, ...words], {
          argv0: args.length === 0 ? "sh" : path,
          env: { PATH, TMPDIR },
          stdio: ["pipe", "pipe", "pipe"],
        });
        child.stdin.on("error", () => {});
        return child;
      }),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          closed(child),
        ),
    );
    const token = `test-${process.pid}-${++tokens}`;
    const begin = () => child.stdin.write(`${program.length} ${token}\n`);
    return { child, TMPDIR, begin, name: `.rsyscall-task-${token}` };
  });

let tokens = 0;

const closed = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null)
      resume(Effect.succeed(child.exitCode));
    else child.once("close", (status) => resume(Effect.succeed(status)));
  });

const shells: ReadonlyArray<[name: string, ...words: ReadonlyArray<string>]> = [
  ["dash", "/bin/dash"],
  ["bash", "/bin/bash"],
  ["busybox", "/bin/busybox", "sh"],
];
for (const [name, ...shell] of shells)
  describeUnless(missing(name), `a file for the executable, made by ${name}`, () => {
    it("is for nobody else, and gone when the stream breaks", function* () {
      const { child, name, begin } = yield* boot(shell);
      const path = `/dev/shm/${name}`;
      const modes = new Set<number>();
      const look = () => {
        const status = statSync(path, { throwIfNoEntry: false });
        if (status !== undefined) modes.add(status.mode & 0o777);
        return status !== undefined;
      };
      // What is written before, to see whether there is room, is no program.
      const isComing = () => look() && readFileSync(path)[0] === 0x7f;
      begin();
      child.stdin.write(program.subarray(0, 16384));
      yield* eventually(isComing);
      look();
      assert.isTrue([...modes].every((mode) => (mode & 0o077) === 0));
      assert.include([...modes], 0o700);
      child.stdin.end();
      assert.equal(yield* closed(child), 1);
      assert.isFalse(existsSync(path));
    });

    it("is gone when the shell is told to end", function* () {
      const { child, name, begin } = yield* boot(shell);
      begin();
      yield* eventually(() => existsSync(`/dev/shm/${name}`));
      child.kill("SIGTERM");
      // Some shells look at it when they have read a line.
      child.stdin.end();
      assert.equal(yield* closed(child), 1);
      assert.isFalse(existsSync(`/dev/shm/${name}`));
    });

    it("is no file that was there before", function* () {
      const { child, name, TMPDIR, begin } = yield* boot(shell);
      const victim = `${yield* tempDirectory}/victim`;
      const taken = `/dev/shm/${name}`;
      yield* Effect.acquireRelease(
        Effect.sync(() => symlinkSync(victim, taken)),
        () => Effect.sync(() => rmSync(taken, { force: true })),
      );
      begin();
      yield* eventually(() => existsSync(`${TMPDIR}/${name}`));
      assert.isFalse(existsSync(victim));
      child.stdin.end();
      assert.equal(yield* closed(child), 1);
      assert.isFalse(existsSync(`${TMPDIR}/${name}`));
    });
  });
