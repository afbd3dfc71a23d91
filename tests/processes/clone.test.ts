import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CLONE, EPOLL_CTL, SIG } from "@rsyscall/abi";
import { ownMemory } from "@rsyscall/connection";
import { Epoll, type HandleFailure } from "@rsyscall/handle";
import { it, launchStub, statusOf, worksAsync } from "@rsyscall/harness";
import { getpid, getppid, InvalidArgumentError, SyscallError } from "@rsyscall/near";
import { type ChildThread, Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

/** The descriptors of a process, without stdio. */
const descriptors = (pid: number): Array<number> =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .filter((fd) => fd > 2);

/** A child that has begun to serve. */
const served = <E, R>(child: Effect.Effect<ChildThread, E, R>) =>
  Effect.tap(child, ({ task }) => task.sysif.barrier());

describe("the ring of a child", () => {
  it("begins a page of the machine at the end of the stack, for pages of any size", function* () {
    const thread = yield* LocalThread;
    const { pageSize, allocator } = thread.task;
    const takeStack = allocator.takeStack.bind(allocator);
    for (const size of [pageSize, 16_384, 65_536]) {
      const rings: Array<number> = [];
      let end = 0;
      const parent = thread.with({
        memory: {
          ...ownMemory,
          map: (address, length) => {
            rings.push(address);
            return ownMemory.map(address, length);
          },
        },
      });
      Object.assign(thread.task, { pageSize: size });
      allocator.takeStack = (room) =>
        Effect.tap(takeStack(room), (stack) =>
          Effect.sync(() => {
            end = stack.address + stack.size;
          }),
        );
      const child = yield* parent.fork();
      assert.equal(yield* getpid(child.task.sysif), child.process.pid);
      assert.deepEqual(rings, [end - size]);
    }
    allocator.takeStack = takeStack;
    Object.assign(thread.task, { pageSize });
  });
});

describe("the connection to a child", () => {
  it("is made before the child: without it there is no child", function* () {
    const thread = yield* LocalThread;
    const calls: Array<string> = [];
    const fails = Effect.fail(SyscallError.of("mmap", "ENOMEM"));
    const parent = thread.with({ memory: { ...ownMemory, map: () => fails } });
    const error = yield* Effect.scoped(
      Effect.andThen(
        thread.trace(({ call }) => calls.push(call.name)),
        Effect.flip(parent.fork()),
      ),
    );
    assert.deepInclude(error, { syscall: "mmap", errno: "ENOMEM" });
    assert.include(calls, "socketpair");
    assert.notInclude(calls, "clone3");
    assert.notInclude(calls, "clone");
    // The stack that it was to have is used again.
    const child = yield* thread.fork();
    assert.equal(yield* getpid(child.task.sysif), child.process.pid);
  });
});

/** Kinds of parents, each with its own way for calls and memory. */
const parents: ReadonlyArray<
  [name: string, parent: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["the local thread", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a clone that shares files", Effect.flatMap(LocalThread, (t) => t.clone(CLONE.FILES))],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  ["a fork of a stub", Effect.flatMap(launchStub, ({ call }) => call.thread.fork())],
];

for (const [name, makeParent] of parents)
  describe(`a child of ${name}`, () => {
    it("is a process of its own, in the same memory", function* () {
      const parent = yield* makeParent;
      const child = yield* parent.fork();
      assert.equal(yield* getpid(child.task.sysif), child.process.pid);
      assert.equal(yield* getppid(child.task.sysif), yield* getpid(parent.task.sysif));
      assert.strictEqual(child.task.addressSpace, parent.task.addressSpace);
      const pointer = yield* child.ptr("seen by both");
      yield* child.task.sysif.barrier();
      const address = yield* pointer.address();
      const bytes = yield* parent.task.sysif.read(address, 12);
      assert.equal(new TextDecoder().decode(bytes), "seen by both");
    });

    it("works asynchronously, and so does its child", function* () {
      const child = yield* (yield* makeParent).fork();
      yield* worksAsync(child);
      yield* worksAsync(yield* child.fork());
      yield* worksAsync(yield* child.clone(CLONE.FILES));
    });

    it("exits with any status, and leaves no zombie", function* () {
      const parent = yield* makeParent;
      for (const status of [0, 1, 127, 255]) {
        const child = yield* parent.fork();
        yield* child.exit(status);
        assert.equal((yield* child.process.wait()).exitStatus, status);
        assert.isUndefined(statusOf(child.process.pid));
      }
    });

    it("has nothing of the library's in its table but its own two channels", function* () {
      const parent = yield* makeParent;
      yield* worksAsync(parent);
      yield* parent.fork();
      const before = new Set(descriptors(yield* getpid(parent.task.sysif)));
      const [reader] = yield* parent.pipe();
      const child = yield* served(parent.fork());
      const own = descriptors(child.process.pid).filter(
        (fd) => !readlinkSync(`/proc/${child.process.pid}/fd/${fd}`).startsWith("socket:"),
      );
      // Descriptors of the parent's user are inherited, private ones of the parent are not.
      assert.include(own, reader.near);
      assert.isAtMost(descriptors(child.process.pid).length - own.length, 3);
      assert.isAtLeast(before.size, 1);
    });

    it("executes a program, and is waited for", function* () {
      const child = yield* (yield* makeParent).fork();
      yield* child.execve("/bin/sh", ["sh", "-c", "exit 42"]);
      assert.equal((yield* child.process.wait()).exitStatus, 42);
      const error = yield* Effect.flip(getpid(child.task.sysif));
      assert.equal(error._tag, "SyscallSendError");
    });

    it("that shares the table executes a program, and is waited for", function* () {
      const parent = yield* makeParent;
      const child = yield* parent.clone(CLONE.FILES);
      assert.strictEqual(child.task.fdTable, parent.task.fdTable);
      const sibling = yield* parent.clone(CLONE.FILES);
      const grandchild = yield* child.clone(CLONE.FILES);
      yield* grandchild.execve("/bin/sh", ["sh", "-c", "exit 43"]);
      assert.equal((yield* grandchild.process.wait()).exitStatus, 43);
      yield* child.execve("/bin/sh", ["sh", "-c", "exit 44"]);
      assert.equal((yield* child.process.wait()).exitStatus, 44);
      assert.equal(yield* getpid(sibling.task.sysif), sibling.process.pid);
    });

    it("that shares the table takes its own children along when it dies", function* () {
      const parent = yield* makeParent;
      const child = yield* parent.clone(CLONE.FILES);
      const grandchild = yield* child.clone(CLONE.FILES);
      const sibling = yield* parent.clone(CLONE.FILES);
      yield* child.process.kill(SIG.KILL);
      const error = yield* Effect.flip(
        Effect.andThen(child.process.wait(), Effect.forever(getpid(grandchild.task.sysif))),
      );
      assert.include(["SyscallHangup", "SyscallSendError"], error._tag);
      assert.equal(yield* getpid(sibling.task.sysif), sibling.process.pid);
    });

    it("is killed and reaped when its scope closes", function* () {
      const parent = yield* makeParent;
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const child = yield* parent.fork();
          const program = yield* parent.fork();
          yield* program.execve("/bin/sleep", ["sleep", "1000"]);
          const sharing = yield* parent.clone(CLONE.FILES);
          return [child, program, sharing].map(({ process }) => process.pid);
        }),
      );
      for (const pid of pids) assert.isUndefined(statusOf(pid));
    });
  });

describe("clone", () => {
  it("nests ten levels deep", function* () {
    let thread: Thread = yield* LocalThread;
    const pids: Array<number> = [];
    for (let level = 0; level < 10; level++) {
      const child: ChildThread = yield* thread.clone(level % 2 ? CLONE.FILES : 0);
      pids.push(child.process.pid);
      thread = child;
    }
    assert.equal(yield* getpid(thread.task.sysif), pids.at(-1));
    assert.equal(yield* getppid(thread.task.sysif), pids.at(-2));
    yield* worksAsync(thread);
    assert.isTrue((yield* thread.run(Command.make("/bin/true"))).clean);
  });

  it("makes 64 children at once, each of which answers for itself", function* () {
    const thread = yield* LocalThread;
    const children = yield* Effect.all(
      Array.from({ length: 64 }, () => thread.fork()),
      { concurrency: "unbounded" },
    );
    const pids = yield* Effect.forEach(children, (child) => getpid(child.task.sysif), {
      concurrency: "unbounded",
    });
    assert.deepEqual(
      pids,
      children.map(({ process }) => process.pid),
    );
    assert.equal(new Set(pids).size, 64);
  });

  it("runs no handler of the parent's in the child", function* () {
    const thread = yield* LocalThread;
    let handled = 0;
    const handler = () => void handled++;
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGUSR2", handler)),
      () => Effect.sync(() => process.off("SIGUSR2", handler)),
    );
    const child = yield* served(thread.fork());
    const status = readFileSync(`/proc/${child.process.pid}/status`, "latin1");
    assert.match(status, /^SigCgt:\t0+$/m);
    // Node ignores SIGPIPE; programs do not expect that.
    assert.match(status, /^SigIgn:\t0+$/m);
    yield* child.process.kill(SIG.USR2);
    assert.equal((yield* child.process.wait()).signal, SIG.USR2);
    assert.equal(handled, 0);
  });

  it("refuses flags with which no child could serve", function* () {
    const thread = yield* LocalThread;
    for (const flags of [CLONE.THREAD | CLONE.SIGHAND, CLONE.VFORK, CLONE.SETTLS, 0x11]) {
      const error = yield* Effect.flip(thread.clone(flags));
      assert.instanceOf(error, InvalidArgumentError);
      assert.deepInclude({ ...error }, { syscall: "clone", argument: "flags" });
    }
  });

  it("keeps the order of memory and calls in flight", function* () {
    const child = yield* (yield* LocalThread).fork();
    const [reader, writer] = yield* child.pipe();
    const { sysif } = child.task;
    const { address } = yield* child.task.allocator.malloc(4, 4);
    const write = sysif.abi.syscallNumber("write") as number;
    const letters = [..."abcdefgh"];
    // Each write must send its own letter, and each read see it, although all are submitted at once.
    const seen = yield* Effect.all(
      letters.flatMap((letter) => [
        sysif.write(address, new TextEncoder().encode(letter)),
        sysif.syscall(write, writer.near, address, 1),
        sysif.read(address, 1),
      ]),
      { concurrency: "unbounded" },
    );
    assert.equal(new TextDecoder().decode(yield* reader.readBytes()), letters.join(""));
    const reads = seen.filter((value) => value instanceof Uint8Array) as Array<Uint8Array>;
    assert.equal(reads.map((bytes) => new TextDecoder().decode(bytes)).join(""), letters.join(""));
  });

  it("has a guard below the child's stack", function* () {
    const child = yield* served((yield* LocalThread).fork());
    while (statusOf(child.process.pid) !== "S") yield* Effect.yieldNow;
    // "NUMBER ARGUMENTS STACK-POINTER PROGRAM-COUNTER" of the call that it waits in.
    const sp = Number(
      /\S+ (0x[0-9a-f]+) \S+$/.exec(
        readFileSync(`/proc/${child.process.pid}/syscall`, "latin1").trim(),
      )?.[1],
    );
    const maps = readFileSync("/proc/self/maps", "latin1").split("\n");
    const at = maps.findIndex((line) => {
      const [from = 0, to = 0] = (line.split(" ")[0] as string)
        .split("-")
        .map((hex) => Number.parseInt(hex, 16));
      return from <= sp && sp < to;
    });
    assert.include(maps[at - 1], "---p", "the mapping below the stack");
  });
});

describe("descriptors of several tasks", () => {
  it("are inherited if the parent had them, also after it closed them", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.fork();
    yield* writer.close();
    const inherited = yield* writer.inherit(child.task);
    yield* inherited.writeAllText("from the child");
    assert.equal(new TextDecoder().decode(yield* reader.readBytes()), "from the child");
    yield* inherited.close();
    assert.equal((yield* reader.readBytes()).length, 0, "the child had the last writer");
    const gone = yield* Effect.flip(writer.inherit(child.task));
    assert.equal(gone._tag, "UseAfterFreeError");
  });

  it("that were made later, or are private, are not inherited", function* () {
    const thread = yield* LocalThread;
    const [kept] = yield* thread.pipe();
    kept.closeOnFork = true;
    const child = yield* served(thread.fork());
    const [later] = yield* thread.pipe();
    for (const fd of [kept, later]) {
      const error = yield* Effect.flip(fd.inherit(child.task));
      assert.equal(error._tag, "NamespaceMismatchError");
    }
    assert.notInclude(descriptors(child.process.pid), kept.near);
    const error = yield* Effect.flip(later.forTask(child.task));
    assert.equal(error._tag, "NamespaceMismatchError");
  });

  it("are closed when the last handle of any task in the table goes", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.clone(CLONE.FILES);
    const [reader, writer] = yield* thread.pipe();
    const theirs = yield* writer.forTask(child.task);
    yield* writer.close();
    yield* theirs.writeAllText("x");
    assert.equal((yield* reader.readBytes()).length, 1);
    const moved = yield* theirs.move(thread.task);
    assert.equal((yield* Effect.flip(theirs.writeAllText("x")))._tag, "UseAfterFreeError");
    yield* moved.close();
    assert.equal((yield* reader.readBytes()).length, 0);
  });

  it("are closed by the tasks that stay in the table when one dies, exits or executes", function* () {
    const thread = yield* LocalThread;
    const ends: ReadonlyArray<(child: ChildThread) => Effect.Effect<void, HandleFailure>> = [
      (child) => child.exit(0),
      (child) => child.process.kill(SIG.KILL),
      (child) => child.execve("/bin/sh", ["sh", "-c", "exit 0"]),
    ];
    for (const end of ends) {
      const before = descriptors(process.pid);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const child = yield* thread.clone(CLONE.FILES);
          yield* Effect.replicateEffect(child.pipe(), 50);
          yield* end(child);
          yield* child.process.wait();
          // Only our own end of its channel and the pidfd are left.
          assert.isAtMost(descriptors(process.pid).length - before.length, 2);
        }),
      );
      assert.deepEqual(descriptors(process.pid), before);
    }
  });

  it("go along into a table of their own, and nothing else does", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.clone(CLONE.FILES);
    const theirs = yield* writer.forTask(child.task);
    yield* child.unshareFiles();
    assert.notStrictEqual(child.task.fdTable, thread.task.fdTable);
    assert.notInclude(descriptors(child.process.pid), reader.near);
    yield* writer.close();
    yield* theirs.writeAllText("still there");
    assert.equal(new TextDecoder().decode(yield* reader.readBytes()), "still there");
    yield* worksAsync(child);
    yield* worksAsync(yield* child.fork());
    assert.equal((yield* Effect.flip(reader.forTask(child.task)))._tag, "NamespaceMismatchError");
  });

  it("replace others by dup3, stdio above all", function* () {
    const thread = yield* LocalThread;
    const [reader, writer] = yield* thread.pipe();
    const child = yield* thread.fork();
    const theirs = yield* writer.inherit(child.task);
    yield* theirs.dup3(child.stdout);
    yield* child.execve("/bin/sh", ["sh", "-c", "echo out; echo err >&2"]);
    yield* writer.close();
    assert.equal(yield* thread.readTextToEof(reader), "out\n");
  });

  it("of another process are refused by an epoll instance", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    const epoll = yield* Epoll.make(thread.task);
    const [reader] = yield* child.pipe();
    const error = yield* Effect.flip(epoll.set(EPOLL_CTL.ADD, reader, { events: 1, data: 0 }));
    assert.equal(error._tag, "NamespaceMismatchError");
  });
});
