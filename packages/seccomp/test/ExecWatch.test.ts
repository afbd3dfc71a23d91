import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { O, SIG } from "@rsyscall/abi";
import {
  childrenOf,
  describeUnless,
  eventually,
  hasEnded,
  it,
  missing,
  notRoot,
  start,
  tempDirectory,
  textOf,
} from "@rsyscall/harness";
import { allow, deny, type Exec, type ExecEvent, ExecWatch } from "@rsyscall/seccomp";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";

const sh = (script: string, ...args: ReadonlyArray<string>) =>
  Command.make("/bin/sh", "-c", script, "sh", ...args);

/** Runs a command, and gives its status and the events. */
const watched = (
  command: Command,
  options: Parameters<typeof ExecWatch.run<never, never>>[2] = {},
) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    const events: Array<ExecEvent> = [];
    const state = yield* ExecWatch.run(thread, command, {
      onEvent: (event) => events.push(event),
      ...options,
    });
    const execs = events.filter((event): event is Exec => event._tag === "Exec");
    return { state, events, execs, paths: execs.map(({ call }) => call.path) };
  });

describe("ExecWatch", () => {
  it("tells of each exec with its parent, and of each end with its status", function* () {
    const script = "/bin/true; (/bin/false); cd /tmp; (cd /; exec ./bin/ls tmp >/dev/null); exit 3";
    const { state, events, execs } = yield* watched(sh(script), {
      decide: (call) => {
        void call.cwd;
        return allow;
      },
    });
    assert.equal(state.exitStatus, 3);
    const [shell] = execs as [Exec];
    assert.deepEqual(shell.call.argv, ["/bin/sh", "-c", script, "sh"]);
    assert.equal(shell.call.parent, undefined);
    assert.equal(shell.call.ppid, process.pid);
    const told = execs.slice(1).map(({ call }) => [call.argv[0], call.path, call.cwd]);
    assert.deepEqual(told, [
      ["/bin/true", "/bin/true", process.cwd()],
      ["/bin/false", "/bin/false", process.cwd()],
      ["./bin/ls", "/./bin/ls", "/"],
    ]);
    for (const { call } of execs.slice(1)) {
      assert.equal(call.parent?.pid, shell.call.pid);
      assert.deepEqual(call.parent?.argv[0], "/bin/sh");
      assert.isAtLeast(call.time, shell.call.time);
    }
    const ends = events.flatMap((event) =>
      event._tag === "End" ? [[event.pid, event.status?.exitStatus]] : [],
    );
    assert.deepEqual(
      ends,
      [...execs.slice(1), shell].map(({ call }, i) => [call.pid, [0, 1, 0, 3][i]]),
    );
  });

  it("sees programs below `env -i`, after PATH was reset and in another root", function* () {
    const { paths, state } = yield* watched(
      sh("env -i /bin/true; bash -l -c 'PATH=/usr/bin; env true'; /bin/busybox true"),
    );
    assert.equal(state.exitStatus, 0);
    assert.include(paths, "/bin/true");
    assert.include(paths, "/usr/bin/env");
    assert.include(paths, "/usr/bin/true");
    assert.include(paths, "/bin/busybox");
  });

  it("reads the environment while the process waits", function* () {
    const seen: Array<Readonly<Record<string, string>>> = [];
    const { execs } = yield* watched(sh("env -i A=1 B=two=2 /bin/true"), {
      decide: (call) => {
        if (call.path === "/bin/true") seen.push(call.env);
        return allow;
      },
    });
    assert.deepEqual(
      seen.map((env) => ({ ...env })),
      [{ A: "1", B: "two=2" }],
    );
    // A call that was answered tells what was read, and no more.
    assert.deepEqual({ ...execs.at(-1)?.call.env }, { A: "1", B: "two=2" });
    assert.deepEqual({ ...execs[0]?.call.env }, {});
    assert.equal(execs[0]?.call.cwd, undefined);
  });

  it("tells attempts along PATH from the exec that succeeds", function* () {
    const { execs } = yield* watched(
      Command.make("/usr/bin/env", "true").env({ PATH: "/nowhere:/absent:/usr/bin" }),
    );
    assert.deepEqual(
      execs.slice(1).map(({ call }) => [call.path, call.isRetry]),
      [
        ["/nowhere/true", false],
        ["/absent/true", true],
        ["/usr/bin/true", true],
      ],
    );
  });

  it("tells by which signal a program has ended", function* () {
    const thread = yield* LocalThread;
    const stderr = yield* thread.open("/dev/null", O.WRONLY);
    const { events } = yield* watched(sh("/bin/sh -c 'kill -SEGV $$'; true"), { stderr });
    const ends = events.filter((event) => event._tag === "End");
    assert.equal(ends[0]?.status?.signal, SIG.SEGV);
  });

  it("gives the command its stdio and directory, and the arguments byte by byte", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const { execs } = yield* watched(sh('pwd; cat; exec /bin/true "$1"', "\udcff é\n'"), {
      stdin: yield* thread.open("/dev/null"),
      stdout: writer,
      cwd: "/usr",
    });
    yield* writer.close();
    assert.equal(yield* thread.readTextToEof(reader), "/usr\n");
    assert.deepEqual(execs.at(-1)?.call.argv, ["/bin/true", "\udcff é\n'"]);
  });

  it("denies with an errno, and the program sees it", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const { state, execs } = yield* watched(
      sh("/bin/true; echo $?; /bin/false; echo $?; /bin/false && /bin/ls"),
      {
        stdout: writer,
        stderr: yield* thread.open("/dev/null", O.WRONLY),
        decide: ({ path }) =>
          path === "/bin/true"
            ? deny("not that")
            : path === "/bin/false"
              ? deny("", "ENOENT")
              : allow,
      },
    );
    yield* writer.close();
    // 126 is for a program that is there and cannot be executed, 127 for one that is not there.
    assert.equal(yield* thread.readTextToEof(reader), "126\n127\n");
    assert.equal(state.exitStatus, 127);
    assert.deepEqual(execs[1]?.decision, deny("not that"));
  });

  it("fails with the message if the command itself is denied", function* () {
    const thread = yield* LocalThread;
    const error = yield* Effect.flip(
      ExecWatch.run(thread, Command.make("/bin/true"), { decide: () => deny("not today") }),
    );
    assert.include(error.message, "execve(/bin/true): EACCES");
    assert.include(error.message, "not today");
    const missing = yield* Effect.flip(ExecWatch.run(thread, Command.make("/nowhere/true")));
    assert.include(missing.message, "ENOENT");
  });

  it("takes a decision that fails, throws, is none or never comes for a denial", function* () {
    const thread = yield* LocalThread;
    const { execs, state } = yield* watched(
      sh("/bin/true 1; /bin/true 2; /bin/true 3; /bin/true 4; /bin/true 5; exit 0"),
      {
        stderr: yield* thread.open("/dev/null", O.WRONLY),
        deadline: "50 millis",
        decide: ({ argv }) => {
          switch (argv[1]) {
            case "1":
              throw new Error("thrown");
            case "2":
              return Effect.fail(new Error("failed")) as never;
            case "3":
              return "yes" as never;
            case "4":
              return Effect.never;
            case "5":
              return Effect.die("a defect");
            default:
              return Effect.as(Effect.sleep("1 millis"), allow);
          }
        },
      },
    );
    assert.equal(state.exitStatus, 0);
    const failures = execs.slice(1).map(({ decision, failure }) => [decision._tag, failure]);
    assert.deepEqual(failures, [
      ["Deny", "the decision failed: thrown"],
      ["Deny", "the decision failed: failed"],
      ["Deny", "the decision is neither `allow` nor `deny(...)`"],
      ["Deny", "there was no decision within 50ms"],
      ["Deny", "the decision failed: a defect"],
    ]);
  });

  it("watches a child that was made otherwise, from its first exec on", function* () {
    const paths: Array<string> = [];
    yield* Effect.scoped(
      Effect.gen(function* () {
        const thread = yield* LocalThread;
        const child = yield* thread.fork();
        const watch = yield* ExecWatch.attach(child, {
          decide: ({ path }) => {
            paths.push(path);
            return path === "/bin/false" ? deny() : allow;
          },
        });
        yield* child.exec(sh("/bin/false; exit $?"));
        assert.equal((yield* watch.wait()).exitStatus, 126);
        yield* watch.over();
      }),
    );
    assert.deepEqual(paths, ["/bin/sh", "/bin/false"]);
  });

  it("streams the events, and waits for a slow consumer", function* () {
    const thread = yield* LocalThread;
    let count = 0;
    yield* ExecWatch.stream(thread, sh("for i in 1 2 3; do /bin/true; done")).pipe(
      Stream.tap(() => Effect.sleep("5 millis")),
      Stream.runForEach(() => Effect.sync(() => count++)),
    );
    assert.equal(count, 8);
  });

  it("holds the tree while it is paused", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const events: Array<ExecEvent> = [];
    const [stdin, writer] = yield* thread.pipe();
    const watch = yield* ExecWatch.make(
      thread,
      sh('read x; exec /bin/touch "$1"', join(directory, "file")),
      { stdin, onEvent: (event) => events.push(event) },
    );
    watch.pause();
    yield* writer.writeAllText("\n");
    // The event loop sleeps, although a call waits.
    const before = process.cpuUsage();
    yield* Effect.sleep("100 millis");
    const { user, system } = process.cpuUsage(before);
    assert.isBelow(user + system, 60_000);
    assert.lengthOf(events, 1);
    watch.resume();
    assert.equal((yield* watch.wait()).exitStatus, 0);
    yield* watch.over();
    assert.deepEqual(readFileSync(join(directory, "file")).length, 0);
  });

  it("waits for what the command leaves behind, or kills it", function* () {
    const waited = yield* watched(sh("(sleep 0.1; exec /bin/true) & exit 0"));
    assert.include(waited.paths, "/bin/true");
    const start = performance.now();
    const { execs } = yield* watched(sh("setsid sleep 60 & /bin/true; exit 0"), { rest: "kill" });
    assert.isBelow(performance.now() - start, 10_000);
    const sleep = execs.find(({ call }) => call.argv.includes("60"))?.call.pid ?? 0;
    assert.isTrue(hasEnded(sleep));
  });

  it("finds a subshell whose parent has ended, when it starts a program", function* () {
    const directory = yield* tempDirectory;
    const script = 'cd "$1"; (while :; do echo > alive; sleep 0.01; done) 2>&- & exit 0';
    const { execs } = yield* watched(sh(script, directory), { rest: "kill" });
    assert.isAtLeast(execs.length, 1);
    rmSync(join(directory, "alive"), { force: true });
    yield* Effect.sleep("50 millis");
    assert.isFalse(existsSync(join(directory, "alive")));
  });

  it("kills the tree when it is interrupted, with processes that have executed nothing", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    // Subshells that only fork.
    const script =
      'cd "$1"; (while :; do sleep 0.01; echo $$ > inner; done) & (sleep 60; :) & wait';
    const fiber = yield* Effect.forkChild(ExecWatch.run(thread, sh(script, directory)));
    yield* eventually(() => textOf(join(directory, "inner")).length > 0);
    const [shell] = readFileSync(join(directory, "inner"), "utf8").trim().split("\n").map(Number);
    const group = treeOf(shell as number);
    assert.isAtLeast(group.length, 3);
    yield* Fiber.interrupt(fiber);
    for (const pid of group) assert.isTrue(hasEnded(pid), `process ${pid}`);
  });

  it("ends descendants in a pid namespace of its own", function* () {
    const { execs, state } = yield* watched(sh("setsid sleep 60 & /bin/true"), {
      contain: true,
      rest: "kill",
    });
    assert.equal(state.exitStatus, 0);
    // The numbers are those that this process sees.
    for (const { call } of execs) assert.isAbove(call.pid, 2);
    for (const { call } of execs) assert.isTrue(hasEnded(call.pid));
  });

  it("says why it cannot be used in a tree that is watched already", function* () {
    const thread = yield* LocalThread;
    const inner = `
      import { ExecWatch } from "@rsyscall/seccomp";
      import { Command, LocalThread } from "@rsyscall/thread";
      import { Effect } from "effect";
      const run = Effect.flatMap(LocalThread, (thread) => ExecWatch.run(thread, Command.make("/bin/true")));
      const error = await Effect.runPromise(Effect.flip(run).pipe(Effect.provide(LocalThread.layer)));
      process.stdout.write(error.message);`;
    const [reader, writer] = yield* thread.pipe();
    yield* watched(Command.make(process.execPath, "--input-type=module", "-e", inner), {
      stdout: writer,
    });
    yield* writer.close();
    const said = yield* thread.readTextToEof(reader);
    assert.include(said, "seccomp(new listener): EBUSY");
    assert.include(said, "supervised already");
  });

  it("leaves nothing that executes programs when the controller is killed", function* () {
    for (const contain of [false, true]) {
      const directory = yield* tempDirectory;
      // The second process is not a child of the controller. It learns that it cannot execute anything.
      const script =
        'cd "$1"; (trap "" HUP; echo $$ > pids; until [ -e go ]; do :; done; /bin/true; echo $? > status) > /dev/null 2>&1 & exec sleep 60';
      const code = `
        import { ExecWatch } from "@rsyscall/seccomp";
        import { Command, LocalThread } from "@rsyscall/thread";
        import { Effect } from "effect";
        const command = Command.make("/bin/sh", "-c", ${JSON.stringify(script)}, "sh", ${JSON.stringify(directory)});
        const run = Effect.flatMap(LocalThread, (thread) =>
          ExecWatch.run(thread, command, {
            contain: ${contain},
            onEvent: ({ call }) => call?.argv[0] === "sleep" && console.log("pid", call.pid),
          }));
        await Effect.runPromise(run.pipe(Effect.provide(LocalThread.layer)));`;
      const controller = yield* start(process.execPath, ["--input-type=module", "-e", code], {
        cwd: process.cwd(),
      });
      yield* controller.line((line) => line.startsWith("pid"));
      yield* eventually(() => textOf(join(directory, "pids")) !== "");
      yield* controller.kill("SIGKILL");
      const { stdout } = yield* controller.ended;
      const pid = Number(stdout.toString().split(" ")[1]);
      yield* eventually(() => hasEnded(pid));
      writeFileSync(join(directory, "go"), "");
      if (contain) {
        yield* Effect.sleep("50 millis");
        assert.equal(textOf(join(directory, "status")), "");
      } else {
        yield* eventually(() => textOf(join(directory, "status")) !== "");
        assert.equal(textOf(join(directory, "status")), "126\n");
      }
    }
  });

  it("goes on without rights of set-user-ID programs", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    yield* watched(sh("grep NoNewPrivs /proc/self/status"), { stdout: writer });
    yield* writer.close();
    assert.match(yield* thread.readTextToEof(reader), /NoNewPrivs:\s1/);
  });

  it("dies with what `onEvent` throws, once the tree has ended", function* () {
    const thread = yield* LocalThread;
    const exit = yield* Effect.exit(
      ExecWatch.run(thread, Command.make("/bin/true"), {
        onEvent: () => {
          throw new Error("thrown by onEvent");
        },
      }),
    );
    assert.include(String(exit), "thrown by onEvent");
  });

  it("is not confused by many processes at once", function* () {
    const script = "for i in $(seq 60); do (/bin/true & /bin/true & wait) & done; wait";
    const { execs, events } = yield* watched(sh(script));
    assert.equal(execs.filter(({ call }) => call.path === "/bin/true").length, 120);
    assert.equal(events.filter(({ _tag }) => _tag === "End").length, execs.length);
  });
});

describeUnless(missing("gcc"), "ExecWatch with unusual callers", () => {
  /** Compiles them, and gives a command. */
  const caller = Effect.map(tempDirectory, (directory) => {
    const path = join(directory, "caller");
    const source = fileURLToPath(new URL("caller.c", import.meta.url));
    execFileSync("gcc", ["-static", "-no-pie", "-pthread", "-o", path, source]);
    return { path, directory };
  });

  it("sees execs of static programs, threads, descriptors and 32-bit calls", function* () {
    const { path } = yield* caller;
    const how = ["plain", "thread", "fd", "dirfd", "pages", "i386"].filter(
      (how) => how !== "i386" || process.arch === "x64",
    );
    for (const one of how) {
      const { execs, state, events } = yield* watched(Command.make(path, one, "/usr/bin/true"));
      assert.equal(state.exitStatus, 0, one);
      const { call } = execs.at(-1) as Exec;
      assert.equal(call.path, "/usr/bin/true", one);
      assert.equal(call.argv[0], "/usr/bin/true", one);
      assert.equal(call.argv.length, one === "pages" ? 3 : 2, one);
      if (one === "pages") assert.equal(call.argv[1]?.length, 99_999);
      if (one === "thread") assert.notEqual(call.tid, call.pid);
      assert.equal(call.pid, execs[0]?.call.pid);
      assert.equal(call.problem, undefined);
      assert.lengthOf(
        events.filter(({ _tag }) => _tag === "End"),
        1,
      );
    }
  });

  it("denies them", function* () {
    const thread = yield* LocalThread;
    const { path } = yield* caller;
    const stderr = yield* thread.open("/dev/null", O.WRONLY);
    for (const how of [
      "plain",
      "thread",
      "fd",
      "dirfd",
      ...(process.arch === "x64" ? ["i386"] : []),
    ]) {
      const { state } = yield* watched(Command.make(path, how, "/usr/bin/true"), {
        stderr,
        decide: ({ path }) => (path.endsWith("/true") ? deny() : allow),
      });
      assert.equal(state.exitStatus, 77, how);
    }
  });

  it("bounds what it reads, and goes on after pointers to nowhere", function* () {
    const { path } = yield* caller;
    for (const [how, problem] of [
      ["nowhere", "EFAULT"],
      ["endless", "E2BIG"],
      ["long", "E2BIG"],
    ] as const) {
      const start = performance.now();
      const { execs, state } = yield* watched(Command.make(path, how, "/usr/bin/true"));
      assert.equal(state.exitStatus, 7, how);
      assert.isBelow(performance.now() - start, 3000, how);
      for (const { call } of execs.slice(1)) assert.equal(call.problem, problem, how);
    }
  });

  it("survives arguments that change while it reads", function* () {
    const { path } = yield* caller;
    const { state, paths } = yield* watched(Command.make(path, "flip", "/nowhere/true"));
    assert.equal(state.exitStatus, 7);
    assert.equal(paths.length, 201);
  });

  it("sees static programs below a chroot", function* () {
    assert.equal(notRoot, undefined);
    const { path, directory } = yield* caller;
    const root = join(directory, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    cpSync(path, join(root, "bin/caller"));
    symlinkSync("caller", join(root, "bin/other"));
    const { paths } = yield* watched(
      Command.make("/usr/sbin/chroot", root, "/bin/caller", "plain", "/bin/other"),
    );
    assert.deepEqual(paths, ["/usr/sbin/chroot", "/bin/caller", "/bin/other"]);
  });
});

const treeOf = (pid: number): ReadonlyArray<number> => [pid, ...childrenOf(pid).flatMap(treeOf)];
