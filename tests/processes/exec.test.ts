import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { CLONE, O, RLIMIT, SIG, SIG_IGN, SigHow } from "@rsyscall/abi";
import {
  type HandleFailure,
  setresgid,
  setresuid,
  setrlimit,
  sigaction,
  sigprocmask,
} from "@rsyscall/handle";
import {
  it,
  launchStub,
  launchStubWith,
  notRoot,
  refuse,
  tempDirectory,
  worksAsync,
} from "@rsyscall/harness";
import { getpid, type SyscallError, call as syscall } from "@rsyscall/near";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, type Scope } from "effect";
import { assert, describe } from "vitest";

const fork = Effect.flatMap(LocalThread, (thread) => thread.fork());
const stubFork = Effect.flatMap(launchStub, ({ call }) => call.thread.fork());

/** Files that cannot be executed, each with its error, and the right way to call it if there is one. */
const targets = Effect.map(tempDirectory, (directory) => {
  const at = (name: string) => `${directory}/${name}`;
  mkdirSync(at("directory"));
  writeFileSync(at("plain"), "#!/bin/sh\n");
  writeFileSync(at("garbage"), "neither a program nor a script\0\n");
  chmodSync(at("garbage"), 0o755);
  writeFileSync(at("orphan"), "#!/no/such/interpreter\n");
  chmodSync(at("orphan"), 0o755);
  const huge = "x".repeat(128 * 1024 + 1);
  return [
    [Command.make(at("missing")), "ENOENT"],
    [Command.make(at("plain/below")), "ENOTDIR"],
    [Command.make(at("directory")), "EACCES"],
    [Command.make(at("plain")), "EACCES"],
    [Command.make(at("garbage")), "ENOEXEC"],
    [Command.make(at("orphan")), "ENOENT"],
    [Command.make(at("m".repeat(256))), "ENAMETOOLONG"],
    [Command.make("/bin/true", huge), "E2BIG"],
    [Command.make("/bin/true", ...Array.from({ length: 40 }, () => huge.slice(2))), "E2BIG"],
    [Command.make("/bin/true", "nul\0nul"), "EINVAL"],
    [Command.make("/bin/tr\0ue"), "EINVAL"],
    // A lone surrogate, for which there are no bytes.
    [Command.make("/bin/true", "\ud800"), "EINVAL"],
    [Command.make("/bin/\ud800"), "EINVAL"],
  ] as const;
});

for (const [name, makeChild] of [
  ["a child", fork],
  ["a child that shares files", Effect.flatMap(LocalThread, (t) => t.clone(CLONE.FILES))],
  ["a child of a stub", stubFork],
] as const)
  describe(`an exec of ${name} that fails`, () => {
    it("gives the reason and the file, and leaves the thread as it was", function* () {
      const child = yield* makeChild;
      const [reader, writer] = yield* child.pipe();
      const blocked = new Set([SIG.USR1]);
      yield* sigprocmask(child.task, SigHow.SETMASK, blocked);
      for (const [command, errno] of yield* targets) {
        const error = (yield* Effect.flip(child.exec(command))) as SyscallError;
        assert.deepInclude(
          { ...error },
          { syscall: "execve", errno, subject: command.executable.text },
        );
      }
      assert.equal(yield* getpid(child.task.sysif), child.process.pid);
      assert.deepEqual(yield* sigprocmask(child.task, SigHow.BLOCK, new Set()), blocked);
      yield* writer.writeAllText("still open");
      assert.equal(new TextDecoder().decode(yield* reader.readBytes()), "still open");
      yield* worksAsync(child);
      yield* worksAsync(yield* child.fork());
      yield* child.exec(Command.make("/bin/sh", "-c", "exit 9"));
      assert.equal((yield* child.process.wait()).exitStatus, 9);
    });
  });

describe("run and spawn", () => {
  for (const [name, parent] of [
    ["the local thread", LocalThread as Effect.Effect<Thread, never, LocalThread>],
    ["a fork", fork],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as ReadonlyArray<[string, Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]>)
    it(`in ${name} say why the kernel refuses, and leave nothing`, function* () {
      const thread = yield* parent;
      for (const [command, errno] of yield* targets)
        for (const use of [
          Effect.asVoid(thread.run(command)),
          Effect.asVoid(Effect.scoped(thread.spawn(command))),
        ]) {
          const error = (yield* Effect.flip(use)) as SyscallError;
          assert.deepInclude(
            { ...error },
            { syscall: "execve", errno, subject: command.executable.text },
          );
        }
      assert.isTrue((yield* thread.run(Command.make("/bin/true"))).clean);
    });
});

describe("execveat", () => {
  it("executes what lies in a directory, or an open program itself", function* () {
    const thread = yield* LocalThread;
    const inDirectory = yield* thread.fork();
    const directory = yield* inDirectory.open("/bin", O.DIRECTORY | O.PATH);
    yield* inDirectory.execveat(directory, "sh", ["sh", "-c", "exit 5"]);
    assert.equal((yield* inDirectory.process.wait()).exitStatus, 5);
    const byDescriptor = yield* thread.fork();
    const program = yield* byDescriptor.open("/bin/sh", O.PATH);
    const error = (yield* Effect.flip(
      byDescriptor.execveat(program, "", ["sh"], []),
    )) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "execveat", errno: "ENOENT" });
    yield* byDescriptor.execveat(program, "", ["sh", "-c", "exit 6"], [], 0x1000);
    assert.equal((yield* byDescriptor.process.wait()).exitStatus, 6);
  });
});

describe("text that is executed, without #!", () => {
  const script = (text: string) =>
    Effect.map(tempDirectory, (directory) => {
      const path = `${directory}/a script`;
      writeFileSync(path, text, { mode: 0o755 });
      return { directory, command: Command.make(path, "an arg").env({ A: "1" }) };
    });
  const text = 'echo "$0|$1|$A"; exit 3\n';

  for (const [name, parent] of [
    ["the local thread", LocalThread as Effect.Effect<Thread, never, LocalThread>],
    ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ] as ReadonlyArray<[string, Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]>)
    it(`is a script of the shell's, as execvp(3) has it: ${name}`, function* () {
      const thread = yield* parent;
      const { directory, command } = yield* script(text);
      const [reader, writer] = yield* thread.pipe();
      const ran = yield* thread.run(command, { stdout: writer });
      const spawned = yield* thread.spawn(command, { stdout: writer });
      const beside = yield* thread.run(Command.make("a script", "an arg").env({ A: "1" }), {
        stdout: writer,
        cwd: directory,
      });
      const child = yield* thread.fork();
      yield* (yield* writer.inherit(child.task)).dup3(child.stdout);
      yield* child.exec(command);
      yield* writer.close();
      for (const state of [ran, yield* spawned.wait(), beside, yield* child.process.wait()])
        assert.equal(state.exitStatus, 3);
      const path = command.executable.text;
      assert.deepEqual((yield* thread.readTextToEof(reader)).trim().split("\n").toSorted(), [
        "./a script|an arg|1",
        ...Array(3).fill(`${path}|an arg|1`),
      ]);
    });

  it("is ENOEXEC of execve(2), and an empty one succeeds", function* () {
    const child = yield* (yield* LocalThread).fork();
    const { command } = yield* script(text);
    const error = (yield* Effect.flip(
      child.execve(command.executable, command.argv),
    )) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "execve", errno: "ENOEXEC" });
    const empty = yield* script("");
    assert.isTrue((yield* child.run(empty.command)).clean);
  });
});

describe("an exec that succeeds", () => {
  const ways: ReadonlyArray<
    [string, (thread: Thread) => Effect.Effect<Thread, unknown, Scope.Scope>]
  > = [
    ["a child", (thread) => thread.fork()],
    [
      "a child of a stub over sockets",
      (thread) => Effect.flatMap(overSockets(thread), (it) => it.fork()),
    ],
    ["a stub over sockets", overSockets],
    ["a stub", (thread) => stubOf(thread, true)],
    ["a process behind a command", behindCommand],
    [
      "a child of a process behind a command",
      (thread) => Effect.flatMap(behindCommand(thread), (it) => it.fork()),
    ],
  ];
  for (const [name, make] of ways)
    it(`is one, whatever else is on its way or waits: ${name}`, function* () {
      for (let round = 0; round < 5; round++)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const thread = yield* make(yield* LocalThread);
            // It has an epoller that waits, and a child that is watched.
            yield* thread.fork();
            const [reader] = yield* thread.pipe();
            yield* thread.epoller();
            const exec = yield* Effect.forkChild(thread.exec(Command.make("/bin/sleep", "5")), {
              startImmediately: true,
            });
            // Later requests are never read.
            const behind = yield* Effect.forkChild(
              Effect.all(
                [
                  Effect.exit(reader.readBytes(100_000)),
                  Effect.exit(getpid(thread.task.sysif)),
                  Effect.exit(Effect.flatMap(thread.ptr("x".repeat(10_000)), (it) => it.read())),
                ],
                { concurrency: "unbounded" },
              ).pipe(Effect.scoped),
              { startImmediately: true },
            );
            const exit = yield* Fiber.await(exec);
            assert.isTrue(Exit.isSuccess(exit), `${exit}`);
            for (const { _tag } of yield* Fiber.join(behind)) assert.equal(_tag, "Failure");
          }),
        );
    });

  for (const [name, make] of ways.slice(0, 4))
    it(`is none if the process is killed before: ${name}`, function* () {
      const thread = yield* make(yield* LocalThread);
      const [reader] = yield* thread.pipe();
      // The process is in this call when it is killed.
      const reading = yield* Effect.forkChild(Effect.exit(reader.readBytes()), {
        startImmediately: true,
      });
      const exec = yield* Effect.forkChild(Effect.flip(thread.exec(Command.make("/bin/true"))), {
        startImmediately: true,
      });
      process.kill(thread.task.pid, "SIGKILL");
      assert.match((yield* Fiber.join(exec))._tag, /^Syscall(Hangup|SendError)$/);
      yield* Fiber.join(reading);
    });

  it("is none if the way to it is cut, or the connection is closed here", function* () {
    const local = yield* LocalThread;
    const { thread, process: carrier } = yield* CommandTask.make(local, (...words) =>
      Command.make(...words),
    );
    const child = yield* thread.fork();
    for (const [it, cut] of [
      [child, child.task.sysif.close()],
      [thread, carrier.kill(SIG.KILL)],
    ] as ReadonlyArray<[Thread, Effect.Effect<void, HandleFailure>]>) {
      const [reader] = yield* it.pipe();
      const reading = yield* Effect.forkChild(Effect.exit(reader.readBytes()), {
        startImmediately: true,
      });
      const exec = yield* Effect.forkChild(Effect.flip(it.exec(Command.make("/bin/true"))), {
        startImmediately: true,
      });
      yield* Effect.sleep("20 millis");
      yield* cut;
      assert.equal((yield* Fiber.join(exec))._tag, "SyscallHangup");
      yield* Fiber.join(reading);
    }
  });
});

describe("signals of a program", () => {
  const shown = (status: string, name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(status)?.[1]}`);
  const bits = (...signals: ReadonlyArray<number>) =>
    signals.reduce((sum, signal) => sum | (1n << BigInt(signal - 1)), 0n);
  const status = Command.make("/bin/cat", "/proc/self/status");

  it("are those of the thread: what it blocks and ignores, by exec, run and spawn", function* () {
    const child = yield* (yield* LocalThread).fork();
    yield* sigprocmask(child.task, SigHow.SETMASK, new Set([SIG.USR1, SIG.TERM]));
    yield* sigaction(child.task, SIG.USR2, { handler: SIG_IGN });
    yield* sigaction(child.task, SIG.PIPE, { handler: SIG_IGN });
    const [reader, writer] = yield* child.pipe();
    yield* child.run(status, { stdout: writer });
    yield* (yield* child.spawn(status, { stdout: writer })).wait();
    const grandchild = yield* child.fork();
    yield* (yield* writer.inherit(grandchild.task)).dup3(grandchild.stdout);
    yield* grandchild.exec(status);
    yield* grandchild.process.wait();
    yield* writer.close();
    const all = (yield* child.readTextToEof(reader)).split(/(?=^Name:)/m);
    assert.equal(all.length, 3);
    for (const text of all) {
      assert.equal(shown(text, "SigBlk"), bits(SIG.USR1, SIG.TERM));
      assert.equal(shown(text, "SigIgn") & bits(SIG.USR2, SIG.PIPE), bits(SIG.USR2, SIG.PIPE));
      assert.equal(shown(text, "SigCgt"), 0n);
    }
  });

  it("are not those that Node ignores for itself", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    yield* thread.run(status, { stdout: writer });
    yield* writer.close();
    assert.equal(
      shown(yield* thread.readTextToEof(reader), "SigIgn") & bits(SIG.PIPE, SIG.XFSZ),
      0n,
    );
  });
});

/** A Thread of a process behind a command. */
function behindCommand(thread: Thread): Effect.Effect<Thread, unknown, Scope.Scope> {
  return Effect.map(
    CommandTask.make(thread, (...words) => Command.make(...words)),
    (task) => task.thread,
  );
}

function overSockets(thread: Thread): Effect.Effect<Thread, unknown, Scope.Scope> {
  return stubOf(thread, false);
}

function stubOf(
  thread: Thread,
  sharedMemory: boolean,
): Effect.Effect<Thread, unknown, Scope.Scope> {
  return Effect.map(
    Effect.provideService(launchStubWith({ sharedMemory }), LocalThread, thread),
    ({ call }) => call.thread,
  );
}

describe("a thread that is no more", () => {
  it("refuses calls with a typed error, whether it exited, executed or was killed", function* () {
    const thread = yield* LocalThread;
    for (const end of ["exit", "exec", "kill"] as const) {
      const child = yield* thread.fork();
      const [reader] = yield* child.pipe();
      const pointer = yield* child.ptr("text");
      if (end === "exit") yield* child.exit(0);
      else if (end === "exec") yield* child.exec(Command.make("/bin/true"));
      else yield* child.process.kill(SIG.KILL);
      yield* child.process.wait();
      for (const use of [
        getpid(child.task.sysif),
        reader.readBytes(),
        pointer.read(),
        child.ptr("text"),
        child.fork(),
        child.run(Command.make("/bin/true")),
      ] as Array<Effect.Effect<unknown, { readonly _tag: string }, Scope.Scope>>)
        assert.equal((yield* Effect.flip(use))._tag, "SyscallSendError");
      // The message says which process it was, and how it ended.
      const how = end === "kill" ? "was killed by SIGKILL" : "exited with status 0";
      for (const use of [
        getpid(child.task.sysif),
        child.open("/dev/null"),
        child.ptr("text"),
        child.fork(),
        child.run(Command.make("/bin/true")),
      ] as Array<Effect.Effect<unknown, { readonly message: string }, Scope.Scope>>) {
        const { message } = yield* Effect.flip(use);
        assert.include(message, `to pid ${child.process.pid}, which ${how}, has ended`);
      }
    }
  });
});

describe("clone in a process of few rights", () => {
  it.skipIf(notRoot)("is EAGAIN at the limit of processes, and leaks nothing", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    // The limit holds for users other than root.
    const uid = 54_321;
    yield* setresgid(task, { real: uid, effective: uid, saved: uid });
    yield* setresuid(task, { real: uid, effective: uid, saved: uid });
    yield* setrlimit(task, RLIMIT.NPROC, { cur: 1, max: 1 });
    for (const use of [
      call.thread.fork(),
      call.thread.run(Command.make("/bin/true")),
      call.thread.spawn(Command.make("/bin/true")),
    ] as Array<Effect.Effect<unknown, SyscallError, Scope.Scope>>) {
      const error = yield* Effect.flip(use);
      assert.deepInclude({ ...error }, { syscall: "clone", errno: "EAGAIN" });
    }
    yield* worksAsync(call.thread);
  });

  for (const errno of ["ENOSYS", "EPERM"] as const)
    it(`falls back to older calls where newer ones are ${errno}`, function* () {
      const { call } = yield* launchStub;
      const { thread } = call;
      for (const name of ["clone3", "close_range"] as const) {
        yield* refuse(thread, name, errno);
        const direct = (yield* Effect.flip(
          syscall(thread.task.sysif, name, 0, 0, 0, 0, 0, 0),
        )) as SyscallError;
        assert.equal(direct.errno, errno);
      }
      const child = yield* thread.fork();
      yield* worksAsync(child);
      assert.deepEqual(yield* sigprocmask(child.task, SigHow.BLOCK, new Set()), child.task.sigmask);
      const fds = readdirSync(`/proc/${child.process.pid}/fd`).map(Number);
      // Private descriptors of the parent are not in the child.
      const { activityFd } = thread.task.sysif;
      assert.notInclude(fds, Number(activityFd));
      const grandchild = yield* child.clone(CLONE.FILES);
      yield* grandchild.exec(Command.make("/bin/sh", "-c", "exit 3"));
      assert.equal((yield* grandchild.process.wait()).exitStatus, 3);
      yield* child.process.kill(SIG.TERM);
      assert.equal((yield* child.process.wait()).signal, SIG.TERM);
      assert.isTrue((yield* thread.run(Command.make("/bin/true"))).clean);
    });

  it("is EPERM for a clone that the kernel itself refuses", function* () {
    const { call } = yield* launchStub;
    const { task } = call.thread;
    const ids = { real: 65534, effective: 65534, saved: 65534 };
    if (notRoot === undefined) yield* setresuid(task, ids);
    const error = (yield* Effect.flip(call.thread.clone(CLONE.NEWNET))) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "clone", errno: "EPERM", subject: "CLONE_NEWNET" });
    assert.match(error.message, /CAP_SYS_ADMIN: add CLONE.NEWUSER/);
    yield* worksAsync(call.thread);
  });
});
