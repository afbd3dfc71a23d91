import { readFileSync } from "node:fs";
import {
  CAP,
  CLOCK,
  EFD,
  EPOLL,
  EPOLL_CTL,
  type FixedCodec,
  Int32,
  O,
  PRIO,
  RLIMIT,
  SA,
  SFD,
  SI,
  SIG,
  SIG_DFL,
  SIG_IGN,
  SigHow,
  TFD,
  TFD_TIMER,
  Timespec,
  W,
} from "@rsyscall/abi";
import {
  capget,
  capset,
  Epoll,
  Eventfd,
  getegid,
  getgid,
  getgroups,
  getpgid,
  getpgrp,
  getpid,
  getppid,
  getpriority,
  getresgid,
  getresuid,
  getrlimit,
  getsid,
  gettid,
  getuid,
  type HandleFailure,
  kill,
  killpg,
  Pidfd,
  prctl,
  prlimit,
  SignalBlock,
  Signalfd,
  schedGetaffinity,
  schedSetaffinity,
  setgroups,
  setpgid,
  setpriority,
  setresgid,
  setresuid,
  setreuid,
  setrlimit,
  setsid,
  setuid,
  sigaction,
  sigpending,
  sigprocmask,
  type Task,
  Timerfd,
  tgkill,
} from "@rsyscall/handle";
import { begin, notRoot } from "@rsyscall/harness";
import * as near from "@rsyscall/near";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { inEachKind } from "./kinds.ts";

/*
 * Behaviours of the kernel that suites of others try as well (LTP, gVisor, libuv): of signals, waiting, ids, prctl,
 * limits, pidfds, timers, eventfds and epoll.
 */

const NOBODY = 65534;

/** The errno that it fails with, or the tag of an error of another kind. */
const errnoOf = <A>(effect: Effect.Effect<A, HandleFailure, never>) =>
  Effect.map(Effect.flip(effect), (error) => ("errno" in error ? error.errno : error._tag));

/** A line of /proc/PID/status. */
const status = (pid: number, name: string) =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];

/** The signals of a set of /proc/PID/status. */
const signals = (pid: number, name: string) => {
  const bits = BigInt(`0x${status(pid, name)}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => (bits >> BigInt(n - 1)) & 1n);
};

const result = <A>(
  task: Task,
  codec: FixedCodec<A>,
  fill: (address: near.Address) => near.Syscall<unknown>,
) => task.withResult(codec, fill);

/** Of now or in the future: nanoseconds. */
const ns = ({ seconds, nanoseconds }: Timespec) => seconds * 1e9 + nanoseconds;

inEachKind((it) => {
  describe("signals", () => {
    it("a blocked one is pending until it is unblocked, and once only", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.USR1]));
      yield* kill(task, task.pid, SIG.USR1);
      yield* kill(task, task.pid, SIG.USR1);
      assert.deepEqual(yield* sigpending(task), new Set([SIG.USR1]));
      assert.deepEqual(signals(task.pid, "ShdPnd"), [SIG.USR1]);
      const fd = yield* Signalfd.make(task, new Set([SIG.USR1]), SFD.NONBLOCK);
      assert.lengthOf(yield* fd.readSignals(), 1);
    });

    it("real-time ones queue, and come in order of their numbers", function* (thread) {
      const { task } = yield* thread.fork();
      const set = new Set([SIG.RTMIN + 2, SIG.RTMIN + 3]);
      yield* SignalBlock.make(task, set);
      for (const signal of [3, 2, 3]) yield* kill(task, task.pid, SIG.RTMIN + signal);
      const fd = yield* Signalfd.make(task, set, SFD.NONBLOCK);
      const read = yield* fd.readSignals();
      assert.deepEqual(
        read.map(({ signo }) => signo - SIG.RTMIN),
        [2, 3, 3],
      );
    });

    it("an ignored one is discarded, though it is blocked no more", function* (thread) {
      const { task } = yield* thread.fork();
      yield* sigaction(task, SIG.USR1, { handler: SIG_IGN });
      yield* kill(task, task.pid, SIG.USR1);
      assert.deepEqual(yield* sigpending(task), new Set());
      assert.include(signals(task.pid, "SigIgn"), SIG.USR1);
    });

    it("a pending one is discarded when it becomes ignored", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.USR2]));
      yield* kill(task, task.pid, SIG.USR2);
      yield* sigaction(task, SIG.USR2, { handler: SIG_IGN });
      assert.deepEqual(yield* sigpending(task), new Set());
    });

    it("SIGKILL and SIGSTOP cannot be ignored, caught or blocked", function* (thread) {
      const { task } = yield* thread.fork();
      for (const signal of [SIG.KILL, SIG.STOP]) {
        assert.equal(yield* errnoOf(sigaction(task, signal, { handler: SIG_IGN })), "EINVAL");
        yield* sigprocmask(task, SigHow.BLOCK, new Set([signal]));
        assert.notInclude(signals(task.pid, "SigBlk"), signal);
      }
    });

    it("sigaction gives the action that was there", function* (thread) {
      const { task } = yield* thread.fork();
      const before = yield* sigaction(task, SIG.TERM);
      assert.equal(before.handler, SIG_DFL);
      yield* sigaction(task, SIG.TERM, { handler: SIG_IGN, flags: SA.RESTART });
      const now = yield* sigaction(task, SIG.TERM, { handler: SIG_DFL });
      assert.deepInclude(now, { handler: SIG_IGN });
      assert.isTrue((now.flags & SA.RESTART) !== 0);
    });

    it("a forked child has the mask and the ignored signals of its parent", function* (thread) {
      const parent = yield* thread.fork();
      yield* sigprocmask(parent.task, SigHow.BLOCK, new Set([SIG.WINCH]));
      yield* sigaction(parent.task, SIG.HUP, { handler: SIG_IGN });
      const child = yield* parent.fork();
      assert.include(signals(child.task.pid, "SigBlk"), SIG.WINCH);
      assert.deepEqual(yield* sigpending(child.task), new Set());
    });

    it("signal 0 finds a process, and is not sent", function* (thread) {
      const child = yield* thread.fork();
      yield* kill(thread.task, child.process.pid, 0);
      yield* child.process.killAndWait();
      assert.equal(yield* errnoOf(kill(thread.task, child.process.pid, 0)), "ESRCH");
    });

    it("no signal has a number above 64", function* ({ task }) {
      assert.include(["EINVAL", "InvalidArgumentError"], yield* errnoOf(kill(task, task.pid, 65)));
    });

    it("killpg reaches all of the group", function* (thread) {
      const leader = yield* thread.fork();
      yield* setpgid(leader.task, 0, 0);
      const member = yield* leader.fork();
      assert.equal(yield* getpgrp(member.task), leader.task.pid);
      yield* killpg(thread.task, leader.task.pid, SIG.KILL);
      assert.equal((yield* leader.process.wait()).signal, SIG.KILL);
    });

    it("tgkill with the thread group of another is ESRCH", function* (thread) {
      const { task } = yield* thread.fork();
      assert.equal(yield* errnoOf(tgkill(thread.task, thread.task.pid, task.pid, 0)), "ESRCH");
      yield* tgkill(thread.task, task.pid, task.pid, 0);
    });

    it("signalfd tells the sender and the way of sending", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.USR1, SIG.USR2]));
      const fd = yield* Signalfd.make(task, new Set([SIG.USR1, SIG.USR2]), SFD.NONBLOCK);
      yield* kill(task, task.pid, SIG.USR1);
      yield* tgkill(task, task.pid, task.pid, SIG.USR2);
      const read = (yield* fd.readSignals()).map(({ signo, code, pid }) => [signo, code, pid]);
      assert.sameDeepMembers(read, [
        [SIG.USR1, SI.USER, task.pid],
        [SIG.USR2, SI.TKILL, task.pid],
      ]);
    });

    it("signalfd reads only signals of its mask, which can be changed", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.USR1, SIG.USR2]));
      const fd = yield* Signalfd.make(task, new Set([SIG.USR1]), SFD.NONBLOCK);
      yield* kill(task, task.pid, SIG.USR2);
      assert.equal(yield* errnoOf(fd.readSignals()), "EAGAIN");
      yield* fd.setMask(new Set([SIG.USR2]));
      assert.lengthOf(yield* fd.readSignals(), 1);
    });

    it("sigtimedwait takes a pending signal, and times out without one", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.USR1]));
      const mask = new Uint8Array(24);
      mask[1] = 1 << (SIG.USR1 - 1 - 8);
      const wait = task.withBytes(
        mask,
        (at) => near.sigtimedwait(task.sysif, at, near.NULL, near.Address(at + 8)),
        8,
      );
      assert.equal(yield* errnoOf(wait), "EAGAIN");
      yield* kill(task, task.pid, SIG.USR1);
      assert.equal(yield* wait, SIG.USR1);
      assert.deepEqual(yield* sigpending(task), new Set());
    });

    it("an interval timer sends SIGALRM, once if it has no interval", function* (thread) {
      const { task } = yield* thread.fork();
      yield* SignalBlock.make(task, new Set([SIG.ALRM]));
      const fd = yield* Signalfd.make(task, new Set([SIG.ALRM]));
      const timer = new BigInt64Array([0n, 0n, 0n, 1000n]); // interval and value, in µs
      yield* task.withBytes(
        new Uint8Array(timer.buffer),
        (at) => near.setitimer(task.sysif, 0, at, near.NULL),
        8,
      );
      assert.deepInclude((yield* fd.readSignals())[0], { signo: SIG.ALRM, code: SI.KERNEL });
    });
  });

  describe("children", () => {
    it("exit with the low 8 bits of the status", function* (thread) {
      for (const [given, seen] of [
        [0, 0],
        [255, 255],
        [7, 7],
      ] as const) {
        const child = yield* thread.fork();
        yield* child.exit(given);
        assert.equal((yield* child.process.wait()).exitStatus, seen);
      }
    });

    it("that a signal killed say which", function* (thread) {
      const child = yield* thread.fork();
      yield* child.process.kill(SIG.TERM);
      const state = yield* child.process.wait();
      assert.equal(state.signal, SIG.TERM);
      assert.isUndefined(state.exitStatus);
    });

    it("stop, go on and end, and each can be waited for", function* (thread) {
      const child = yield* thread.fork();
      yield* child.process.kill(SIG.STOP);
      assert.equal((yield* child.process.waitFor(W.STOPPED)).signal, SIG.STOP);
      assert.match(status(child.task.pid, "State") ?? "", /^T/);
      yield* child.process.kill(SIG.CONT);
      assert.equal((yield* child.process.waitFor(W.CONTINUED)).signal, SIG.CONT);
      yield* child.process.kill(SIG.KILL);
      assert.equal((yield* child.process.wait()).signal, SIG.KILL);
    });

    it("cannot be waited for twice", function* (thread) {
      const child = yield* thread.fork();
      const pidfd = yield* Pidfd.make(thread.task, child.process.pid);
      assert.isUndefined(yield* pidfd.waitid(W.EXITED | W.NOHANG | W.NOWAIT));
      yield* child.process.kill(SIG.KILL);
      assert.equal((yield* child.process.wait()).signal, SIG.KILL);
      assert.equal(yield* errnoOf(pidfd.waitid(W.EXITED | W.NOHANG)), "ECHILD");
    });

    it("wait4 of a task without children is ECHILD", function* (thread) {
      const { task } = yield* thread.fork();
      const wait = result(task, Int32, (at) => near.wait4(task.sysif, -1, at, W.NOHANG, near.NULL));
      assert.equal(yield* errnoOf(wait), "ECHILD");
    });

    it("have the parent, the group and the session of their parent", function* (thread) {
      const child = yield* thread.fork();
      assert.equal(yield* getppid(child.task), thread.task.pid);
      assert.equal(yield* getpgrp(child.task), yield* getpgrp(thread.task));
      assert.equal(yield* getsid(child.task, 0), yield* getsid(thread.task, 0));
      assert.equal(yield* gettid(child.task), yield* getpid(child.task));
    });

    it("do not inherit to be a subreaper", function* (thread) {
      const reaper = yield* thread.fork();
      yield* prctl.setChildSubreaper(reaper.task, true);
      assert.isTrue(yield* prctl.getChildSubreaper(reaper.task));
      const middle = yield* reaper.fork();
      assert.isFalse(yield* prctl.getChildSubreaper(middle.task));
    });
  });

  describe("groups and sessions", () => {
    it("setsid makes the caller leader of a session and a group", function* (thread) {
      const { task } = yield* thread.fork();
      assert.equal(yield* setsid(task), task.pid);
      assert.equal(yield* getsid(task, 0), task.pid);
      assert.equal(yield* getpgid(task, 0), task.pid);
      assert.equal(yield* errnoOf(setsid(task)), "EPERM");
    });

    it("a session leader cannot change its group", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setsid(task);
      assert.equal(yield* errnoOf(setpgid(task, 0, 0)), "EPERM");
    });

    it("a group of another session cannot be joined", function* (thread) {
      const other = yield* thread.fork();
      yield* setsid(other.task);
      const { task } = yield* thread.fork();
      assert.equal(yield* errnoOf(setpgid(task, 0, other.task.pid)), "EPERM");
    });

    it("a child can join its parent's new group", function* (thread) {
      const parent = yield* thread.fork();
      yield* setpgid(parent.task, 0, 0);
      const child = yield* parent.fork();
      yield* setpgid(child.task, 0, 0);
      assert.equal(yield* getpgrp(child.task), child.task.pid);
      yield* setpgid(parent.task, child.task.pid, parent.task.pid);
      assert.equal(yield* getpgid(parent.task, child.task.pid), parent.task.pid);
    });

    it("no process has the number 2^22 + 1", function* ({ task }) {
      assert.equal(yield* errnoOf(getpgid(task, 2 ** 22 + 1)), "ESRCH");
      assert.equal(yield* errnoOf(getsid(task, 2 ** 22 + 1)), "ESRCH");
    });
  });

  describe("credentials", () => {
    const asRoot = it.skipIf(notRoot);

    asRoot("setresuid sets three ids, and -1 leaves one", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setresuid(task, { real: 1, effective: 2, saved: 3 });
      assert.deepEqual(yield* getresuid(task), { real: 1, effective: 2, saved: 3 });
      yield* setresuid(task, { effective: 3 });
      assert.deepEqual(yield* getresuid(task), { real: 1, effective: 3, saved: 3 });
    });

    asRoot("an unprivileged process sets ids only to those it has", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setresuid(task, { real: 1, effective: 2, saved: 3 });
      assert.equal(yield* errnoOf(setresuid(task, { effective: 4 })), "EPERM");
      yield* setresuid(task, { real: 3, effective: 1, saved: 2 });
      assert.deepEqual(yield* getresuid(task), { real: 3, effective: 1, saved: 2 });
    });

    asRoot("setuid of root sets all three, and there is no way back", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setuid(task, NOBODY);
      assert.deepEqual(yield* getresuid(task), { real: NOBODY, effective: NOBODY, saved: NOBODY });
      assert.equal(yield* errnoOf(setuid(task, 0)), "EPERM");
    });

    asRoot("setreuid changes the saved id with the real one", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setreuid(task, { real: 5, effective: 6 });
      assert.deepEqual(yield* getresuid(task), { real: 5, effective: 6, saved: 6 });
    });

    asRoot("a root that becomes another user loses its capabilities", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setresuid(task, { real: NOBODY, effective: NOBODY, saved: NOBODY });
      assert.equal(status(task.pid, "CapEff"), "0000000000000000");
      assert.equal(yield* errnoOf(setgroups(task, [1])), "EPERM");
    });

    asRoot(
      "PR_SET_KEEPCAPS keeps what is permitted, and not what is effective",
      function* (thread) {
        const { task } = yield* thread.fork();
        yield* prctl.setKeepcaps(task, true);
        yield* setresuid(task, { real: NOBODY, effective: NOBODY, saved: NOBODY });
        const { effective, permitted } = yield* capget(task);
        assert.equal(effective.size, 0);
        assert.isTrue(permitted.has(CAP.SETUID));
        yield* capset(task, {
          effective: new Set([CAP.SETUID]),
          permitted,
          inheritable: new Set(),
        });
        yield* setuid(task, 7);
        assert.equal(yield* getuid(task), 7);
      },
    );

    asRoot("groups are set and read, in any number", function* (thread) {
      const { task } = yield* thread.fork();
      for (const groups of [[], [5], [1, 2, 3, 70_000]]) {
        yield* setgroups(task, groups);
        assert.deepEqual([...(yield* getgroups(task))], groups);
      }
      yield* setresgid(task, { real: 8, effective: 9, saved: 10 });
      assert.deepEqual(yield* getresgid(task), { real: 8, effective: 9, saved: 10 });
      assert.deepEqual([yield* getgid(task), yield* getegid(task)], [8, 9]);
    });

    asRoot("a capability that was given up is not permitted again", function* (thread) {
      const { task } = yield* thread.fork();
      const none = new Set<number>();
      const all = yield* capget(task);
      yield* capset(task, { effective: none, permitted: none, inheritable: none });
      assert.equal(yield* errnoOf(capset(task, all)), "EPERM");
    });

    asRoot("CAPBSET_DROP is for good", function* (thread) {
      const { task } = yield* thread.fork();
      assert.isTrue(yield* prctl.capbsetRead(task, CAP.SYS_BOOT));
      yield* prctl.capbsetDrop(task, CAP.SYS_BOOT);
      assert.isFalse(yield* prctl.capbsetRead(task, CAP.SYS_BOOT));
      assert.equal(yield* errnoOf(prctl.capbsetRead(task, 63)), "EINVAL");
    });

    asRoot("an ambient capability must be inheritable", function* (thread) {
      const { task } = yield* thread.fork();
      assert.equal(yield* errnoOf(prctl.capAmbientRaise(task, CAP.CHOWN)), "EPERM");
      const { effective, permitted } = yield* capget(task);
      yield* capset(task, { effective, permitted, inheritable: new Set([CAP.CHOWN]) });
      yield* prctl.capAmbientRaise(task, CAP.CHOWN);
      assert.isTrue(yield* prctl.capAmbientIsSet(task, CAP.CHOWN));
      yield* prctl.capAmbientClearAll(task);
      assert.isFalse(yield* prctl.capAmbientIsSet(task, CAP.CHOWN));
    });
  });

  describe("prctl", () => {
    it("names the thread, as /proc shows", function* (thread) {
      const { task } = yield* thread.fork();
      yield* prctl.setName(task, "fifteen letters");
      assert.equal(yield* prctl.getName(task), "fifteen letters");
      assert.equal(readFileSync(`/proc/${task.pid}/comm`, "utf8"), "fifteen letters\n");
    });

    it("no_new_privs stays set, and is inherited", function* (thread) {
      const parent = yield* thread.fork();
      assert.isFalse(yield* prctl.getNoNewPrivs(parent.task));
      yield* prctl.setNoNewPrivs(parent.task);
      assert.isTrue(yield* prctl.getNoNewPrivs((yield* parent.fork()).task));
      assert.equal(yield* errnoOf(near.prctl(parent.task.sysif, 38, 0, 0, 0, 0)), "EINVAL");
    });

    it("the signal of the parent's death is of the caller alone", function* (thread) {
      const { task } = yield* thread.fork();
      yield* prctl.setPdeathsig(task, SIG.USR1);
      assert.equal(yield* prctl.getPdeathsig(task), SIG.USR1);
      yield* prctl.setPdeathsig(task, SIG.KILL);
    });

    it("a process can make itself undumpable, and back", function* (thread) {
      const { task } = yield* thread.fork();
      yield* prctl.setDumpable(task, 0);
      assert.equal(yield* prctl.getDumpable(task), 0);
      assert.equal(yield* errnoOf(prctl.setDumpable(task, 2 as never)), "EINVAL");
      yield* prctl.setDumpable(task, 1);
      assert.equal(yield* prctl.getDumpable(task), 1);
    });

    it("an unknown operation is EINVAL", function* ({ task }) {
      assert.equal(yield* errnoOf(near.prctl(task.sysif, 9999, 0, 0, 0, 0)), "EINVAL");
    });
  });

  describe("limits", () => {
    it("a soft limit moves below the hard one, and not above", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setrlimit(task, RLIMIT.NOFILE, { cur: 100n, max: 200n });
      assert.deepEqual(yield* getrlimit(task, RLIMIT.NOFILE), { cur: 100n, max: 200n });
      const above = setrlimit(task, RLIMIT.NOFILE, { cur: 201n, max: 200n });
      assert.equal(yield* errnoOf(above), "EINVAL");
    });

    it("NOFILE stops descriptors at its number", function* (thread) {
      const child = yield* thread.fork();
      yield* setrlimit(child.task, RLIMIT.NOFILE, { cur: 50n, max: 50n });
      const error = yield* errnoOf(
        Effect.scoped(Effect.all(Array.from({ length: 60 }, () => Eventfd.make(child.task)))),
      );
      assert.equal(error, "EMFILE");
    });

    it("a child inherits them, and prlimit reads them from outside", function* (thread) {
      const parent = yield* thread.fork();
      yield* setrlimit(parent.task, RLIMIT.CORE, { cur: 0n, max: 4096n });
      const child = yield* parent.fork();
      assert.deepEqual(yield* getrlimit(child.task, RLIMIT.CORE), { cur: 0n, max: 4096n });
      const from = yield* prlimit(parent.task, child.task.pid, RLIMIT.CORE);
      assert.deepEqual(from, { cur: 0n, max: 4096n });
    });

    it.skipIf(notRoot)("a hard limit is not raised without CAP_SYS_RESOURCE", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setrlimit(task, RLIMIT.NOFILE, { cur: 100n, max: 200n });
      yield* setresuid(task, { real: NOBODY, effective: NOBODY, saved: NOBODY });
      const raised = setrlimit(task, RLIMIT.NOFILE, { cur: 100n, max: 300n });
      assert.equal(yield* errnoOf(raised), "EPERM");
    });

    it("an unknown resource is EINVAL", function* ({ task }) {
      assert.equal(yield* errnoOf(getrlimit(task, 99)), "EINVAL");
    });

    it("nice values are clamped to 19", function* (thread) {
      const { task } = yield* thread.fork();
      yield* setpriority(task, PRIO.PROCESS, 0, 100);
      assert.equal(yield* getpriority(task, PRIO.PROCESS, 0), 19);
      assert.equal(yield* errnoOf(getpriority(task, 3, 0)), "EINVAL");
    });

    it("a process can be bound to one CPU, and not to none", function* (thread) {
      const { task } = yield* thread.fork();
      const [first = 0] = yield* schedGetaffinity(task, 0);
      yield* schedSetaffinity(task, 0, new Set([first]));
      assert.deepEqual([...(yield* schedGetaffinity(task, 0))], [first]);
      assert.equal(yield* errnoOf(schedSetaffinity(task, 0, new Set())), "EINVAL");
    });
  });

  describe("pidfds", () => {
    it("are readable once their process has ended", function* (thread) {
      const child = yield* thread.fork();
      const pidfd = yield* Pidfd.make(thread.task, child.process.pid);
      const epoll = yield* Epoll.make(thread.task);
      yield* epoll.set(EPOLL_CTL.ADD, pidfd, { events: EPOLL.IN, data: 1 });
      assert.deepEqual([...(yield* epoll.wait(1, 0))], []);
      yield* child.process.kill(SIG.KILL);
      yield* child.process.wait();
      const [event] = yield* epoll.wait(1, -1);
      assert.isTrue(((event?.events ?? 0) & EPOLL.IN) !== 0); // and EPOLLHUP, since Linux 6.10
    });

    it("signal their process, and are ESRCH when it was waited for", function* (thread) {
      const child = yield* thread.fork();
      const pidfd = yield* Pidfd.make(thread.task, child.process.pid);
      yield* pidfd.sendSignal(0);
      yield* pidfd.sendSignal(SIG.KILL);
      yield* child.process.wait();
      assert.equal(yield* errnoOf(pidfd.sendSignal(0)), "ESRCH");
    });

    it("are not made of a process that there is none of", function* ({ task }) {
      const made = Effect.scoped(Pidfd.make(task, near.Pid(2 ** 22 + 1)));
      assert.equal(yield* errnoOf(made), "ESRCH");
    });

    it("getfd takes a copy of a descriptor of the process", function* (thread) {
      const child = yield* thread.fork();
      const [reader, writer] = yield* child.pipe();
      const pidfd = yield* Pidfd.make(thread.task, child.process.pid);
      const copy = yield* pidfd.getfd(writer.near);
      yield* copy.writeAllText("across");
      assert.equal(Buffer.from(yield* reader.readBytes(6)).toString(), "across");
      assert.equal(yield* errnoOf(Effect.scoped(pidfd.getfd(near.Fd(999)))), "EBADF");
    });
  });

  describe("clocks and timers", () => {
    it("the monotonic clock does not go back", function* ({ task }) {
      const now = () =>
        Effect.map(
          result(task, Timespec, (at) => near.clockGettime(task.sysif, CLOCK.MONOTONIC, at)),
          ns,
        );
      let last = 0;
      for (let i = 0; i < 10; i++) {
        const next = yield* now();
        assert.isAtLeast(next, last);
        last = next;
      }
    });

    it("a clock that there is none of is EINVAL", function* ({ task }) {
      const gone = result(task, Timespec, (at) => near.clockGettime(task.sysif, 99, at));
      assert.equal(yield* errnoOf(gone), "EINVAL");
    });

    it("every clock has a resolution", function* ({ task }) {
      for (const clock of [CLOCK.REALTIME, CLOCK.MONOTONIC, CLOCK.BOOTTIME]) {
        const { seconds, nanoseconds } = yield* result(task, Timespec, (at) =>
          near.clockGetres(task.sysif, clock, at),
        );
        assert.isTrue(seconds === 0 && nanoseconds >= 1);
      }
    });

    it("nanosleep refuses a billion nanoseconds", function* ({ task }) {
      const sleep = task.withBytes(
        new Uint8Array(new BigInt64Array([0n, 1_000_000_000n]).buffer),
        (at) => near.nanosleep(task.sysif, at, near.NULL),
        8,
      );
      assert.equal(yield* errnoOf(sleep), "EINVAL");
    });

    it("a timer counts its expirations, and a read takes them", function* ({ task }) {
      const timer = yield* Timerfd.make(task, CLOCK.MONOTONIC, TFD.NONBLOCK);
      assert.equal(yield* errnoOf(timer.readExpirations()), "EAGAIN");
      const past = { value: { seconds: 0, nanoseconds: 1 } };
      yield* timer.settime(past, TFD_TIMER.ABSTIME);
      assert.equal(yield* timer.readExpirations(), 1n);
      assert.equal(yield* errnoOf(timer.readExpirations()), "EAGAIN");
    });

    it("a timer tells what is left, and its interval", function* ({ task }) {
      const timer = yield* Timerfd.make(task, CLOCK.MONOTONIC);
      const time = {
        value: { seconds: 1000, nanoseconds: 0 },
        interval: { seconds: 5, nanoseconds: 7 },
      };
      yield* timer.settime(time);
      const left = yield* timer.gettime();
      assert.deepEqual(left.interval, time.interval);
      assert.isTrue(left.value.seconds === 999 || left.value.seconds === 1000);
      assert.deepEqual((yield* timer.disarm()).interval, time.interval);
      assert.deepEqual((yield* timer.gettime()).value, { seconds: 0, nanoseconds: 0 });
    });

    it("a timer of a billion nanoseconds is EINVAL", function* ({ task }) {
      const timer = yield* Timerfd.make(task, CLOCK.MONOTONIC);
      const wrong = { value: { seconds: 0, nanoseconds: 1_000_000_000 } };
      assert.equal(yield* errnoOf(timer.settime(wrong)), "EINVAL");
    });

    it("a timer of the process's own CPU time cannot be made", function* ({ task }) {
      const made = Effect.scoped(Timerfd.make(task, CLOCK.PROCESS_CPUTIME_ID));
      assert.equal(yield* errnoOf(made), "EINVAL");
    });
  });

  describe("eventfds", () => {
    it("add up, and a read takes all", function* ({ task }) {
      const fd = yield* Eventfd.make(task, 3, EFD.NONBLOCK);
      yield* fd.add(4);
      assert.equal(yield* fd.readCount(), 7n);
      assert.equal(yield* errnoOf(fd.readCount()), "EAGAIN");
    });

    it("as semaphores, give one at a time", function* ({ task }) {
      const fd = yield* Eventfd.make(task, 2, EFD.NONBLOCK | EFD.SEMAPHORE);
      assert.equal(yield* fd.readCount(), 1n);
      assert.equal(yield* fd.readCount(), 1n);
      assert.equal(yield* errnoOf(fd.readCount()), "EAGAIN");
    });

    it("hold 2^64 - 2 at most, and do not take 2^64 - 1", function* ({ task }) {
      const fd = yield* Eventfd.make(task, 0, EFD.NONBLOCK);
      yield* fd.add(2n ** 64n - 2n);
      assert.equal(yield* errnoOf(fd.add(1)), "EAGAIN");
      assert.equal(yield* errnoOf(fd.add(2n ** 64n - 1n)), "EINVAL");
      assert.equal(yield* fd.readCount(), 2n ** 64n - 2n);
    });

    it("wake a reader that waits", function* (thread) {
      const fd = yield* Eventfd.make(thread.task, 0);
      const afd = yield* thread.makeAfd(fd);
      const reading = yield* begin(afd.readBytes(8));
      yield* fd.add(9);
      assert.equal(Buffer.from(yield* Fiber.join(reading)).readBigUInt64LE(), 9n);
    });

    it("take no flags that there are none of", function* ({ task }) {
      assert.equal(yield* errnoOf(Effect.scoped(Eventfd.make(task, 0, 2))), "EINVAL");
    });
  });

  describe("epoll", () => {
    it("level-triggered, tells again; edge-triggered, once", function* (thread) {
      const [reader, writer] = yield* thread.pipe();
      yield* writer.writeAllText("x");
      for (const [flag, again] of [
        [0, 1],
        [EPOLL.ET, 0],
      ] as const) {
        const epoll = yield* Epoll.make(thread.task);
        yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.IN | flag, data: 5 });
        assert.lengthOf(yield* epoll.wait(4, 0), 1);
        assert.lengthOf(yield* epoll.wait(4, 0), again);
      }
    });

    it("one-shot, is silent until it is set again", function* (thread) {
      const [, writer] = yield* thread.pipe();
      const epoll = yield* Epoll.make(thread.task);
      const once = { events: EPOLL.OUT | EPOLL.ONESHOT, data: 1 };
      yield* epoll.set(EPOLL_CTL.ADD, writer, once);
      assert.lengthOf(yield* epoll.wait(4, 0), 1);
      assert.lengthOf(yield* epoll.wait(4, 0), 0);
      yield* epoll.set(EPOLL_CTL.MOD, writer, once);
      assert.lengthOf(yield* epoll.wait(4, 0), 1);
    });

    it("tells a reader that the writer is gone", function* (thread) {
      const [reader, writer] = yield* thread.pipe();
      const epoll = yield* Epoll.make(thread.task);
      yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.IN, data: 1 });
      yield* writer.close();
      assert.deepEqual([...(yield* epoll.wait(4, 0))], [{ events: EPOLL.HUP, data: 1 }]);
    });

    it("tells a writer that the reader is gone", function* (thread) {
      const [reader, writer] = yield* thread.pipe();
      const epoll = yield* Epoll.make(thread.task);
      yield* epoll.set(EPOLL_CTL.ADD, writer, { events: 0, data: 1 });
      yield* reader.close();
      assert.deepEqual([...(yield* epoll.wait(4, 0))], [{ events: EPOLL.ERR, data: 1 }]);
    });

    it("adds a descriptor once, and changes or deletes only what it has", function* (thread) {
      const [reader] = yield* thread.pipe();
      const epoll = yield* Epoll.make(thread.task);
      const event = { events: EPOLL.IN, data: 1 };
      assert.equal(yield* errnoOf(epoll.set(EPOLL_CTL.MOD, reader, event)), "ENOENT");
      assert.equal(yield* errnoOf(epoll.delete(reader)), "ENOENT");
      yield* epoll.set(EPOLL_CTL.ADD, reader, event);
      assert.equal(yield* errnoOf(epoll.set(EPOLL_CTL.ADD, reader, event)), "EEXIST");
      yield* epoll.delete(reader);
      assert.equal(yield* errnoOf(epoll.delete(reader)), "ENOENT");
    });

    it("takes no regular file, and not itself", function* (thread) {
      const epoll = yield* Epoll.make(thread.task);
      const event = { events: EPOLL.IN, data: 1 };
      const file = yield* thread.open("/proc/self/status", O.RDONLY);
      const directory = yield* thread.open("/", O.DIRECTORY);
      assert.equal(yield* errnoOf(epoll.set(EPOLL_CTL.ADD, directory, event)), "EPERM");
      assert.equal(yield* errnoOf(epoll.set(EPOLL_CTL.ADD, epoll, event)), "EINVAL");
      yield* file.close();
    });

    it("forgets a descriptor when it is closed", function* (thread) {
      const [, writer] = yield* thread.pipe();
      const epoll = yield* Epoll.make(thread.task);
      yield* epoll.set(EPOLL_CTL.ADD, writer, { events: EPOLL.OUT, data: 1 });
      yield* writer.close();
      assert.lengthOf(yield* epoll.wait(4, 0), 0);
    });

    it("is itself ready when one of its descriptors is", function* (thread) {
      const [inner, outer] = [yield* Epoll.make(thread.task), yield* Epoll.make(thread.task)];
      const fd = yield* Eventfd.make(thread.task);
      yield* inner.set(EPOLL_CTL.ADD, fd, { events: EPOLL.IN, data: 1 });
      yield* outer.set(EPOLL_CTL.ADD, inner, { events: EPOLL.IN, data: 2 });
      assert.lengthOf(yield* outer.wait(4, 0), 0);
      yield* fd.add(1);
      assert.deepEqual([...(yield* outer.wait(4, 0))], [{ events: EPOLL.IN, data: 2 }]);
      assert.equal(
        yield* errnoOf(inner.set(EPOLL_CTL.ADD, outer, { events: EPOLL.IN, data: 3 })),
        "ELOOP",
      );
    });

    it("gives no more events than there is room for, and the others next", function* (thread) {
      const epoll = yield* Epoll.make(thread.task);
      for (const data of [1, 2, 3]) {
        const fd = yield* Eventfd.make(thread.task, 1);
        yield* epoll.set(EPOLL_CTL.ADD, fd, { events: EPOLL.IN, data });
      }
      const first = yield* epoll.wait(2, 0);
      const second = yield* epoll.wait(2, 0);
      const seen = new Set([...first, ...second].map(({ data }) => data));
      assert.deepEqual([first.length, second.length, seen.size], [2, 2, 3]);
    });
  });
});
