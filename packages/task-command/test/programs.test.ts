import { readdirSync } from "node:fs";
import { describeUnless, it, missing, notRoot, start, worksAsync } from "@rsyscall/harness";
import { getppid, getuid } from "@rsyscall/near";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";
import { CommandTask } from "../src/index.ts";
import {
  busyboxRoot,
  inMounts,
  NEEDED,
  only,
  script,
  shell,
  type Through,
  through,
} from "./worlds.ts";

/*
 * Programs that carry bytes, and shells that they lead to.
 */

/** Everything that there is to a Thread, and its end. */
const serves = (far: CommandTask) =>
  Effect.gen(function* () {
    const { thread } = far;
    yield* worksAsync(thread);
    const child = yield* thread.fork();
    assert.equal(yield* getppid(child.task.sysif), thread.task.pid);
    yield* worksAsync(child);
    yield* thread.exit(3);
    yield* far.ended();
  });

/** The same, and the process with the stream ends, with nothing left to carry. */
const works = (task: CommandTask) =>
  Effect.andThen(
    serves(task),
    Effect.map(task.process.wait(), (state) => assert.isTrue(state.clean)),
  );

const launched = (
  command: Through,
  check: (thread: Thread) => Effect.Effect<unknown, unknown, Scope.Scope> = () => Effect.void,
) =>
  Effect.gen(function* () {
    const task = yield* CommandTask.make(yield* LocalThread, command);
    yield* check(task.thread);
    yield* works(task);
  });

describe("a command that carries bytes", () => {
  const gets = (name: string, command: Through) =>
    it(`may be ${name}`, function* () {
      yield* launched(command);
    });
  gets("nothing but the shell", through("/bin/sh", "-c", 'exec "$@"', "sh"));
  gets("a shell that stays", script('"$@"; exit $?'));
  gets("env -i", through("/usr/bin/env", "-i", "--"));
  gets("setsid", through("/usr/bin/setsid", "--wait", "--"));

  it("may be a pipeline", function* () {
    // Nobody tells the first cat(1) that nobody reads any more, until it writes: the scope ends it.
    yield* serves(yield* CommandTask.make(yield* LocalThread, script('cat | "$@" | cat')));
  });

  it("has the environment and the directory that it is given", function* () {
    const command = through("/usr/bin/env", "-i", "-C", "/usr", "LC_ALL=xx_XX", "A=1 2", "B=");
    yield* launched(command, (thread) =>
      Effect.gen(function* () {
        assert.equal(thread.environ.get("A"), "1 2");
        assert.equal(thread.environ.get("B"), "");
        assert.equal(thread.environ.get("LC_ALL"), "xx_XX");
        const state = yield* thread.run(Command.make("/bin/sh", "-c", 'test "$(pwd)" = /usr'));
        assert.isTrue(state.clean);
      }),
    );
    // The shell and perl run without a locale, which the process does not inherit.
    yield* launched(through("/usr/bin/env", "-i", "A=1"), (thread) =>
      Effect.sync(() => assert.isUndefined(thread.environ.get("LC_ALL"))),
    );
  });
});

describeUnless(notRoot, "a command of root's that carries bytes", () => {
  it("may be setpriv", function* () {
    const words = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    yield* launched(through("/usr/bin/setpriv", ...words), ({ task }) =>
      Effect.map(getuid(task.sysif), (uid) => assert.equal(uid, 65534)),
    );
  });

  it("may be unshare, with namespaces of mounts and of processes", function* () {
    const words = ["--mount", "--pid", "--fork", "--mount-proc", "--"];
    yield* launched(through("/usr/bin/unshare", ...words), ({ task }) =>
      Effect.sync(() => assert.isBelow(task.pid, 10)),
    );
  });

  it("may be nsenter", function* () {
    const holder = yield* start("/usr/bin/unshare", [
      ...["--uts", "--mount", "--pid", "--fork", "--mount-proc"],
      ...["/bin/sh", "-c", "hostname inside && echo ready && read wait"],
    ]);
    yield* holder.line((line) => line === "ready");
    const words = ["--target", String(holder.pid), "--uts", "--mount", "--"];
    yield* launched(through("/usr/bin/nsenter", ...words), (thread) =>
      Effect.gen(function* () {
        const name = yield* thread.slurp("/proc/sys/kernel/hostname");
        assert.equal(new TextDecoder().decode(name), "inside\n");
      }),
    );
  });

  for (const program of ["su", "runuser"])
    it.skipIf(missing(program))(`may be ${program} -c`, function* () {
      const command: Through = (...[path = "", ...args]) =>
        Command.make(`/usr/bin/env`, program, "root", "-c", Command.make(path, ...args).toShell());
      yield* launched(command);
    });

  it.skipIf(missing("busybox"))("may be chroot to where there is only busybox", function* () {
    const root = yield* busyboxRoot(...NEEDED);
    yield* launched(through("/usr/sbin/chroot", root), (thread) =>
      Effect.gen(function* () {
        const files = yield* thread.run(Command.make("/bin/sh", "-c", "test ! -e /proc"));
        assert.isTrue(files.clean);
      }),
    );
    assert.deepEqual(readdirSync(`${root}/tmp`), []);
  });
});

describe("the shell that a command leads to", () => {
  const shells: ReadonlyArray<[name: string, command: Command]> = [
    ["dash", Command.make("/bin/dash")],
    ["bash", Command.make("/bin/bash").argv0("sh")],
    ["busybox", Command.make("/bin/busybox", "sh")],
  ];
  for (const [name, command] of shells) {
    it.skipIf(missing(name))(`may be ${name}`, function* () {
      yield* launched(shell(command));
    });
    it.skipIf(notRoot ?? missing(name))(`may be ${name}, without perl`, function* () {
      const inner = shell(command);
      const outer = inMounts(only(...NEEDED));
      yield* launched((...words) => {
        const { argv, executable } = inner(...words);
        return outer(executable.text, ...argv.slice(1).map(String));
      });
    });
  }
});
