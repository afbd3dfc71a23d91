import { mkdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { CLONE, MS, SIG } from "@rsyscall/abi";
import { namespaceKinds } from "@rsyscall/far";
import {
  chdir,
  getcwd,
  mount,
  NamespaceFd,
  namespaceFlags,
  Pidfd,
  prctl,
  sethostname,
  setns,
  setresgid,
  setresuid,
  type Task,
  umount,
  unshareUser,
} from "@rsyscall/handle";
import {
  it,
  launchStub,
  noNamespaces,
  notRoot,
  statusOf,
  tempDirectory,
  untilEnded,
  worksAsync,
} from "@rsyscall/harness";
import { getpid, getppid, type SyscallError } from "@rsyscall/near";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

/** The inode of a namespace of a process, as /proc shows it. */
const inode = (pid: number, kind: string): bigint =>
  BigInt(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1] ?? 0);

/** Asserts that the namespaces recorded for a task are its real ones. */
const believedRight = (task: Task, pid: number) => {
  for (const kind of namespaceKinds) assert.equal(task.namespaces[kind].id, inode(pid, kind), kind);
};

/** A process of a user without any rights. */
const unprivileged = Effect.gen(function* () {
  const { call } = yield* launchStub;
  const { task } = call.thread;
  const nobody = { real: 65534, effective: 65534, saved: 65534 };
  if (notRoot === undefined) {
    yield* setresgid(task, nobody);
    yield* setresuid(task, nobody);
    // After a change of ids the files in /proc/self are root's.
    yield* prctl.setDumpable(task, 1);
  }
  return call.thread;
});

describe("namespaces", () => {
  it.skipIf(noNamespaces)("of every kind are known after clone and after unshare", function* () {
    const thread = yield* LocalThread;
    believedRight(thread.task, process.pid);
    for (const kind of namespaceKinds) {
      const flags = CLONE.NEWUSER | namespaceFlags[kind];
      if (kind !== "time") {
        const child = yield* thread.clone(flags);
        believedRight(child.task, child.process.pid);
        assert.isFalse(child.task.namespaces[kind].is(thread.task.namespaces[kind]));
        yield* worksAsync(child);
      }
      const unsharing = yield* thread.fork();
      yield* unsharing.unshare(flags);
      believedRight(unsharing.task, unsharing.process.pid);
      const own = kind === "pid" || kind === "time";
      assert.equal(unsharing.task.namespaces[kind].is(thread.task.namespaces[kind]), own, kind);
      assert.isFalse(unsharing.task.childNamespaces[kind].is(thread.task.namespaces[kind]), kind);
      const child = yield* unsharing.fork();
      believedRight(child.task, child.process.pid);
      assert.strictEqual(child.task.childNamespaces.time, unsharing.task.childNamespaces.time);
      if (kind === "pid") assert.equal(yield* getpid(child.task.sysif), 1);
    }
  });

  it("stay as they were when the kernel refuses", function* () {
    const thread = yield* unprivileged;
    // A process that has had a child knows the number of its pid namespace.
    yield* Effect.scoped(thread.fork());
    const { namespaces, childNamespaces } = thread.task;
    for (const flags of [CLONE.NEWNET, CLONE.NEWNS | CLONE.NEWPID, CLONE.NEWUTS]) {
      const error = (yield* Effect.flip(thread.unshare(flags))) as SyscallError;
      assert.deepInclude({ ...error }, { syscall: "unshare", errno: "EPERM" });
      const refused = (yield* Effect.flip(thread.clone(flags))) as SyscallError;
      assert.deepInclude({ ...refused }, { syscall: "clone", errno: "EPERM" });
    }
    assert.strictEqual(thread.task.namespaces, namespaces);
    assert.strictEqual(thread.task.childNamespaces, childNamespaces);
    yield* worksAsync(thread);
  });

  it.skipIf(noNamespaces)("can be joined again", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    yield* child.unshare(CLONE.NEWUSER);
    const home = yield* NamespaceFd.make(child.task, "net");
    const original = child.task.namespaces.net;
    yield* child.unshare(CLONE.NEWNET | CLONE.NEWUTS);
    assert.isFalse(child.task.namespaces.net.is(original));
    // Leaving it for good needs rights in the namespace that owns the other one.
    const error = (yield* Effect.flip(setns(child, home, CLONE.NEWNET))) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "setns", errno: "EPERM" });
    const own = child.task.namespaces.net;
    const mine = yield* NamespaceFd.make(child.task, "net");
    yield* child.unshare(CLONE.NEWNET);
    assert.isFalse(child.task.namespaces.net.is(own));
    const wrong = (yield* Effect.flip(setns(child, mine, CLONE.NEWUTS))) as SyscallError;
    assert.equal(wrong.errno, "EINVAL");
    yield* setns(child, mine);
    assert.isTrue(child.task.namespaces.net.is(own));
    believedRight(child.task, child.process.pid);
  });

  it.skipIf(noNamespaces)("of another process are joined by its pidfd", function* () {
    const thread = yield* LocalThread;
    const leader = yield* thread.fork();
    yield* leader.unshare(CLONE.NEWUSER | CLONE.NEWUTS | CLONE.NEWIPC);
    const joining = yield* thread.fork();
    const pidfd = yield* Pidfd.make(joining.task, leader.process.pid);
    yield* setns(joining, pidfd, CLONE.NEWUSER | CLONE.NEWUTS);
    assert.isTrue(joining.task.namespaces.uts.is(leader.task.namespaces.uts));
    assert.isFalse(joining.task.namespaces.ipc.is(leader.task.namespaces.ipc));
    believedRight(joining.task, joining.process.pid);
    yield* sethostname(joining.task, "shared");
    yield* leader
      .run(Command.make("/bin/sh", "-c", 'test "$(uname -n)" = shared'))
      .pipe(Effect.map((state) => assert.isTrue(state.clean)));
  });

  it.skipIf(noNamespaces)("that are denied say what denies them, and what helps", function* () {
    const thread = yield* LocalThread;
    const messageOf = (use: Effect.Effect<unknown, { readonly message: string }, Scope.Scope>) =>
      Effect.map(Effect.flip(Effect.scoped(use)), ({ message }) => message);
    // Root of a user namespace sets its limits.
    const limited = yield* thread.clone(CLONE.NEWUSER, { user: { uid: 0, gid: 0 } });
    yield* limited.spit("/proc/sys/user/max_user_namespaces", "0");
    for (const use of [limited.clone(CLONE.NEWUSER), limited.unshare(CLONE.NEWUSER)])
      assert.match(
        yield* messageOf(use as Effect.Effect<unknown, SyscallError, Scope.Scope>),
        /CLONE_NEWUSER\): ENOSPC: .*no disk is full: user.max_user_namespaces is 0; raise it/,
      );
    // A process in a chroot can have none.
    const directory = realpathSync(yield* tempDirectory);
    mkdirSync(`${directory}/proc`);
    const inside = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNS);
    yield* mount(inside.task, "/proc", `${directory}/proc`, undefined, MS.BIND | MS.REC);
    yield* inside.chroot(directory);
    assert.match(yield* messageOf(inside.unshare(CLONE.NEWUSER)), /EPERM: .*in a chroot/);
    // After a change of ids, its files in /proc are root's.
    const { task } = yield* unprivileged;
    yield* prctl.setDumpable(task, 0);
    assert.match(
      yield* messageOf(unshareUser(task)),
      /uid_map\): EACCES: .*setDumpable\(task, 1\)/,
    );
  });

  it("are refused through a descriptor of another table", function* () {
    const thread = yield* LocalThread;
    const child = yield* thread.fork();
    const fd = yield* NamespaceFd.make(thread.task, "uts");
    const error = yield* Effect.flip(setns(child.task, fd));
    assert.equal(error._tag, "NamespaceMismatchError");
  });
});

describe("user namespaces", () => {
  for (const [name, make] of [
    ["root", Effect.flatMap(LocalThread, (thread) => thread.fork())],
    ["a user without rights", unprivileged],
  ] as ReadonlyArray<[string, typeof unprivileged]>)
    it.skipIf(noNamespaces)(`of ${name} map the ids as asked`, function* () {
      const thread: Thread = yield* make;
      const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNS, {
        user: { uid: 1000, gid: 100 },
      });
      const map = (kind: string) =>
        readFileSync(`/proc/${child.process.pid}/${kind}_map`, "latin1").trim().split(/\s+/);
      assert.equal(map("uid")[0], "1000");
      assert.equal(map("gid")[0], "100");
      const [reader, writer] = yield* child.pipe();
      yield* child.run(Command.make("/bin/sh", "-c", "id -u; id -g"), { stdout: writer });
      yield* writer.close();
      assert.equal(yield* child.readTextToEof(reader), "1000\n100\n");
    });

  it.skipIf(noNamespaces)("map the ids to themselves by default", function* () {
    const thread = yield* unprivileged;
    yield* unshareUser(thread.task);
    const pid = yield* getpid(thread.task.sysif);
    const [inside, outside, count] = readFileSync(`/proc/${pid}/uid_map`, "latin1")
      .trim()
      .split(/\s+/);
    assert.deepEqual([inside, count], [outside, "1"]);
  });
});

describe("a pid namespace", () => {
  it.skipIf(noNamespaces)("ends with its first process, and takes all others along", function* () {
    const thread = yield* LocalThread;
    const init = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWPID);
    assert.equal(yield* getpid(init.task.sysif), 1);
    assert.equal(yield* getppid(init.task.sysif), 0);
    assert.equal(init.task.pid, 1);
    const child = yield* init.fork();
    assert.equal(child.process.pid, 2, "its number there");
    // A grandchild without a parent that waits for it: a daemon.
    const [reader, writer] = yield* init.pipe();
    yield* init.run(Command.make("/bin/sh", "-c", "setsid sleep 1000 </dev/null & echo $!"), {
      stdout: writer,
    });
    yield* writer.close();
    const daemon = Number(
      yield* Effect.map(reader.readBytes(), (b) => new TextDecoder().decode(b)),
    );
    assert.isAbove(daemon, 2);
    const children = readFileSync(
      `/proc/${init.process.pid}/task/${init.process.pid}/children`,
      "latin1",
    );
    const outside = children.trim().split(" ").map(Number);
    assert.isAtLeast(outside.length, 2);
    yield* init.process.kill(SIG.KILL);
    assert.equal((yield* init.process.wait()).signal, SIG.KILL);
    yield* Effect.forEach(outside, untilEnded);
    for (const pid of outside) assert.isUndefined(statusOf(pid));
  });
});

describe("mounts and roots", () => {
  it.skipIf(noNamespaces)("are the child's own, with a /proc that it may look into", function* () {
    const directory = realpathSync(yield* tempDirectory);
    for (const name of ["proc", "empty"]) mkdirSync(`${directory}/${name}`);
    writeFileSync(`${directory}/file`, "in the new root");
    const child = yield* (yield* LocalThread).clone(CLONE.NEWUSER | CLONE.NEWNS);
    yield* mount(child.task, "/proc", `${directory}/proc`, undefined, MS.BIND | MS.REC);
    yield* mount(child.task, "none", `${directory}/empty`, "tmpfs", MS.NODEV, "size=64k");
    yield* child.spit(`${directory}/empty/inside`, "x");
    assert.deepEqual(
      readFileSync(`/proc/${child.process.pid}/root${directory}/empty/inside`, "utf8"),
      "x",
    );
    assert.throws(() => readFileSync(`${directory}/empty/inside`), /ENOENT/);
    yield* umount(child.task, `${directory}/empty`);
    yield* child.chroot(directory);
    assert.equal((yield* getcwd(child.task)).text, "/");
    assert.equal(new TextDecoder().decode(yield* child.slurp("/file")), "in the new root");
    const self = yield* child.open("/proc/self", 0o200000);
    assert.isTrue(self.isValid);
    assert.equal(readlinkSync(`/proc/${child.process.pid}/root`), directory);
    const error = (yield* Effect.flip(
      mount(child.task, "none", "/no/such", "tmpfs", 0),
    )) as SyscallError;
    assert.deepInclude(
      { ...error },
      { syscall: "mount", errno: "ENOENT", subject: "none on /no/such type tmpfs" },
    );
  });

  it("and directories are those of the process that changes them", function* () {
    const child = yield* (yield* LocalThread).fork();
    yield* chdir(child, "/usr");
    assert.equal(readlinkSync(`/proc/${child.process.pid}/cwd`), "/usr");
    assert.notEqual(process.cwd(), "/usr");
    const error = (yield* Effect.flip(chdir(child, "/no/such"))) as SyscallError;
    assert.deepInclude({ ...error }, { syscall: "chdir", errno: "ENOENT", subject: "/no/such" });
  });
});
