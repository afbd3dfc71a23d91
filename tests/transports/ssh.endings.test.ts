import {
  copyFileSync,
  existsSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { SIG } from "@rsyscall/abi";
import { Memfd } from "@rsyscall/handle";
import { describeUnless, eventually, it, start, tempDirectory } from "@rsyscall/harness";
import { HOST, noSshd, type Sshd, startSshd } from "@rsyscall/harness/sshd";
import { taskPath } from "@rsyscall/native";
import { getpid } from "@rsyscall/near";
import { SshTask, type SshTaskOptions } from "@rsyscall/task-ssh";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert } from "vitest";

const MiB = 1024 * 1024;

const launch = (server: Sshd, options: SshTaskOptions = {}) =>
  Effect.flatMap(LocalThread, (local) =>
    SshTask.make(local, HOST, { ...options, options: server.options }),
  );

/** Files by which the executable gets there, in places that others use too. */
const executables = (): ReadonlyArray<string> =>
  ["/dev/shm", "/tmp", "/var/tmp"]
    .filter((directory) => existsSync(directory))
    .flatMap((directory) => readdirSync(directory).map((name) => `${directory}/${name}`))
    .filter((path) => path.includes("/.rsyscall-task-"));

/** Whether a process has the executable open, be it a file or in memory. */
const hasOpen = (pid: number): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`).includes("rsyscall-task"),
    );
  } catch {
    // It has ended, or the descriptor is closed.
    return false;
  }
};

/** Runs what is to leave nothing at the host: no process, no file, no connection. */
const leavesNothing = <A, E, R>(
  server: Sshd,
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const before = executables();
    const result = yield* effect;
    const isOver = () =>
      [...server.processes(), ...server.connections()].length === 0 &&
      executables().every((path) => before.includes(path));
    yield* eventually(isOver);
    assert.deepEqual([readdirSync(server.home), readdirSync(server.temp)], [[], []]);
    return result;
  });

const tagOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.match(exit, {
    onSuccess: () => "Success",
    onFailure: (cause) => {
      const reason = cause.reasons[0];
      return reason?._tag === "Fail"
        ? ((reason.error as { readonly _tag?: string })._tag ?? "?")
        : (reason?._tag ?? "?");
    },
  });

/** Whatever ends the link, what is under way hangs up, what comes later is not sent, and all scopes close. */
const endsBy = (end: (task: SshTask) => Effect.Effect<void>, server: Sshd, keepAlive = 15) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make();
    const task = yield* Scope.provide(launch(server, { keepAlive: `${keepAlive} seconds` }), scope);
    const { thread } = task;
    const beside = yield* Scope.provide(thread.fork(), scope);
    const copier = yield* Scope.provide(thread.fork(), scope);
    // What is asked of these two from now on waits.
    const calls = yield* Effect.forEach([thread, beside], (of) =>
      Effect.gen(function* () {
        const [reader] = yield* Scope.provide(of.pipe(), scope);
        const reading = Effect.exit(reader.readBytes(1));
        return yield* Effect.forkChild(reading, { startImmediately: true });
      }),
    );
    const bytes = new Uint8Array(8 * MiB);
    const { address } = yield* Scope.provide(copier.task.allocator.malloc(bytes.length, 8), scope);
    let copies = 0;
    const copying = yield* Effect.forkChild(
      Effect.exit(
        Effect.forever(
          Effect.andThen(
            Effect.andThen(
              copier.task.sysif.write(address, bytes),
              copier.task.sysif.read(address, bytes.length),
            ),
            Effect.sync(() => copies++),
          ),
        ),
      ),
    );
    yield* eventually(() => copies > 0);
    yield* end(task);
    yield* task.ended();
    for (const call of calls) assert.equal(tagOf(yield* Fiber.join(call)), "SyscallHangup");
    assert.include(["SyscallHangup", "SyscallSendError"], tagOf(yield* Fiber.join(copying)));
    for (const { task } of [thread, beside, copier])
      assert.equal(tagOf(yield* Effect.exit(getpid(task.sysif))), "SyscallSendError");
    yield* Scope.close(scope, Exit.void);
  });

describeUnless(noSshd, "a link over ssh", () => {
  it("ends when ssh is killed", function* () {
    const server = yield* startSshd();
    const kill = ({ process }: SshTask) => Effect.orDie(process.kill(SIG.KILL));
    yield* leavesNothing(server, endsBy(kill, server));
  });

  it("ends when it is cut at the other side", function* () {
    const server = yield* startSshd();
    yield* leavesNothing(
      server,
      endsBy(() => Effect.sync(() => server.signal("SIGKILL")), server),
    );
  });

  it("ends when the process at the other side is killed", function* () {
    const server = yield* startSshd();
    const kill = ({ thread }: SshTask) =>
      Effect.sync(() => void process.kill(Number(thread.task.pid), "SIGKILL"));
    yield* leavesNothing(
      server,
      Effect.scoped(
        Effect.gen(function* () {
          const task = yield* launch(server);
          yield* kill(task);
          yield* task.ended();
          assert.equal(
            tagOf(yield* Effect.exit(getpid(task.thread.task.sysif))),
            "SyscallSendError",
          );
          yield* task.process.wait();
        }),
      ),
    );
  });

  it("ends when it is silent for three times the keep-alive", function* () {
    const server = yield* startSshd();
    const silence = Effect.sync(() => server.signal("SIGSTOP"));
    yield* leavesNothing(
      server,
      Effect.andThen(
        endsBy(() => silence, server, 1),
        Effect.sync(() => server.signal("SIGCONT")),
      ),
    );
  });
});

describeUnless(noSshd, "nothing is left at a host", () => {
  it("when the scope has closed", function* () {
    const server = yield* startSshd();
    yield* leavesNothing(
      server,
      Effect.scoped(
        Effect.gen(function* () {
          const { thread } = yield* launch(server);
          yield* Memfd.make(thread.task, "left");
          yield* thread.fork();
          yield* thread.spawn(Command.make("/bin/sleep", "1000"));
          assert.isAbove(server.processes().length, 3);
        }),
      ),
    );
  });

  it("when the controller has been killed", function* () {
    const server = yield* startSshd();
    const fixture = fileURLToPath(new URL("../fixtures/ssh.mjs", import.meta.url));
    const run = Effect.gen(function* () {
      const controller = yield* start(process.execPath, [fixture, JSON.stringify(server.options)]);
      yield* controller.line((line) => line.startsWith("["));
      assert.isAbove(server.processes().length, 2);
      yield* controller.kill("SIGKILL");
      yield* controller.ended;
    });
    yield* leavesNothing(server, Effect.scoped(run));
  });

  const places: ReadonlyArray<[place: string, programs: ReadonlyArray<string>]> = [
    ["where it can be had", ["perl"]],
    ["into a file", []],
  ];
  for (const [place, more] of places)
    it(`when the link is cut while the executable is sent ${place}`, function* () {
      const PATH = yield* tempDirectory;
      for (const name of ["uname", "chmod", "ls", "wc", "head", "rm", ...more])
        symlinkSync(`/usr/bin/${name}`, `${PATH}/${name}`);
      const server = yield* startSshd({
        config: [`ForceCommand PATH=${PATH} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`],
      });
      // So large that it does not get there in time.
      const executable = `${yield* tempDirectory}/large`;
      copyFileSync(taskPath, executable);
      truncateSync(executable, 32 * MiB);
      const run = Effect.gen(function* () {
        const launching = yield* Effect.forkChild(
          Effect.flip(Effect.scoped(launch(server, { executables: { x86_64: executable } }))),
        );
        yield* eventually(() => server.processes().some(hasOpen));
        server.signal("SIGKILL");
        assert.equal((yield* Fiber.join(launching))._tag, "LaunchError");
      });
      yield* leavesNothing(server, run);
    });
});
