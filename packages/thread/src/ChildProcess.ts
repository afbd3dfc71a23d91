import { SIG, W } from "@rsyscall/abi";
import { type Connection, LocalCalls } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import { type Namespace, NamespaceMismatchError } from "@rsyscall/far";
import {
  type BorrowFailure,
  type ChildState,
  type Cloned,
  FileDescriptor,
  type HandleFailure,
  Pidfd,
  type Task,
} from "@rsyscall/handle";
import {
  catchErrno,
  getpgid,
  kill,
  oneLine,
  type Pid,
  SyscallError,
  SyscallSendError,
  setpgid,
} from "@rsyscall/near";
import { Deferred, Effect, Exit, Scope } from "effect";
import { reapKilled } from "./abandon.ts";
import type { Command } from "./Command.ts";
import { type Ancestor, descends, numberIn } from "./descent.ts";
import { ChildProcessError } from "./errors.ts";
import { once } from "./once.ts";
import type { Starter } from "./Starter.ts";
import { signalChild } from "./signalChild.ts";

/** How often a child is asked whether it was stopped or continued, while a fiber waits for that. */
const POLL_INTERVAL = "10 millis";

/** The parts of a parent that its children need. */
type Parent = Pick<Starter, "task" | "connection" | "epoller" | "scope" | "ancestor" | "outside">;

/** A child that was made, and the scope of its resources. */
export interface Watched extends Pick<Cloned, "pid" | "pidfd"> {
  /** Holds the child's pidfd and stack, and closes as soon as the child was waited for. */
  readonly life: Scope.Closeable;
}

/** The number of a process in a pid namespace. */
interface Named {
  readonly pid: Pid;
  readonly namespace: Namespace;
}

/**
 * A child of a process under the program's control. It is known by its pidfd, which never means another process
 * and also reports its end, without SIGCHLD.
 *
 * @example
 * ```ts
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const child = yield* thread.spawn(thread.environ.sh.args("-c", "exit 3"));
 *   const error = yield* Effect.flip(child.check());
 *   console.log(error._tag); // ChildProcessError
 *   console.log(child.state?.exitStatus); // 3
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class ChildProcess {
  /** The parent. */
  readonly task: Task;
  /**
   * Its number in the pid namespace of the Thread that has started it. No other process has that number there
   * until the child was waited for. A child in a new pid namespace has another number inside: `task.pid` of its
   * Thread. See `pidIn`.
   */
  readonly pid: Pid;
  /** The parent's descriptor, by which the child is waited for. It is closed right after that. */
  readonly pidfd: Pidfd;
  /** Its number in the parent's pid namespace, for calls of the parent. */
  readonly #number: Pid;
  readonly #namespace: Namespace;
  /** The same descriptor in the controller, which sees the end by it; the parent's own if it cannot be passed. */
  readonly #ours: Pidfd;
  readonly #parent: Parent;
  readonly #epoller: Epoller;
  readonly #life: Scope.Closeable;
  readonly #ended = Deferred.makeUnsafe<ChildState, HandleFailure>();
  readonly #isOurs: Effect.Effect<boolean>;
  #reaping = false;
  /**
   * The child has ended, and the parent was asked how: its descriptors are closed, and another process may have
   * its number.
   */
  #isOver = false;
  #state: ChildState | undefined;
  #command: Command | undefined;

  private constructor(
    parent: Parent,
    { pid, pidfd, life }: Watched,
    named: Named,
    ours: Pidfd,
    epoller: Epoller,
  ) {
    this.task = pidfd.task;
    this.pid = named.pid;
    this.pidfd = pidfd;
    this.#number = pid;
    this.#namespace = named.namespace;
    this.#ours = ours;
    this.#parent = parent;
    this.#epoller = epoller;
    this.#life = life;
    this.#isOurs = isOurs(parent, ours);
  }

  /**
   * Watches a child until it has ended or its life closes.
   *
   * @param parent the connection to it, and its own epoller
   * @param atEnd runs when the child has ended, before any waiting fiber resumes
   */
  static watch(
    parent: Parent,
    child: Watched,
    atEnd: Effect.Effect<void>,
  ): Effect.Effect<ChildProcess, HandleFailure> {
    return Effect.suspend(() => {
      const { accessTask, accessEpoller } = parent.connection;
      if (child.pidfd.task !== accessTask || parent.outside !== undefined)
        return ChildProcess.#watchOther(parent, child, atEnd);
      // A child of this process, as most are: plain code, and a handle of the same descriptor.
      const ours = new Pidfd(accessTask, child.pidfd.near);
      ours.closeOnFork = true;
      const named = insideOf(parent, child);
      const process = new ChildProcess(parent, child, named, ours, accessEpoller);
      const end = accessEpoller.watchNow(ours, (hasEnded) => process.#onReadable(hasEnded, atEnd));
      const release = (exit: Exit.Exit<unknown, unknown>) => {
        if (typeof end === "function") end();
        return FileDescriptor.releaseNow(ours, exit) ?? Effect.void;
      };
      return Effect.flatMap(Scope.addFinalizerExit(child.life, release), () =>
        typeof end === "function"
          ? Effect.succeed(process)
          : end === undefined
            ? ChildProcess.#watchOther(parent, child, atEnd)
            : Effect.fail(end),
      );
    });
  }

  static #watchOther(
    parent: Parent,
    child: Watched,
    atEnd: Effect.Effect<void>,
  ): Effect.Effect<ChildProcess, HandleFailure> {
    const { connection } = parent;
    const watching = Effect.gen(function* () {
      const ours = connection.canPass ? yield* passed(connection, child.pidfd) : child.pidfd;
      const watcher = connection.canPass ? connection.accessEpoller : yield* parent.epoller();
      const named = yield* nameOf(parent, child);
      const process = new ChildProcess(parent, child, named, ours, watcher);
      yield* watcher.watch(ours, (hasEnded) => process.#onReadable(hasEnded, atEnd));
      return process;
    });
    return Scope.provide(watching, child.life);
  }

  /** Waits for the child as soon as it is a zombie, even if no caller asks for its end. */
  #onReadable(epollerHasEnded: boolean, atEnd: Effect.Effect<void>): void {
    if (this.#reaping) return;
    this.#reaping = true;
    // Readable means ended, unless the epoller itself has ended: then no end is reported any more.
    if (epollerHasEnded) {
      Deferred.doneUnsafe(this.#ended, Effect.fail(new SyscallSendError({ syscall: "waitid" })));
      return;
    }
    const state =
      Exit.isExit(atEnd) && this.pidfd.isValid
        ? LocalCalls.undecorated(this.task)?.reap(this.pidfd)
        : undefined;
    if (state !== undefined) this.#over(Exit.succeed(state));
    else
      Effect.runFork(
        Effect.map(Effect.exit(Effect.andThen(atEnd, this.pidfd.waitid(W.EXITED))), (exit) =>
          this.#over(exit as Exit.Exit<ChildState, HandleFailure>),
        ),
      );
  }

  /** The parent was asked how the child has ended. */
  #over(exit: Exit.Exit<ChildState, HandleFailure>): void {
    this.#isOver = true;
    if (exit._tag === "Success") this.#state = exit.value;
    // There is nothing left to watch. Fibers that wait for the end find everything closed.
    const rest = Scope.closeUnsafe(this.#life, Exit.void);
    if (rest === undefined || Exit.isExit(rest)) Deferred.doneUnsafe(this.#ended, exit);
    else Effect.runFork(Effect.andThen(rest, Deferred.done(this.#ended, exit)));
  }

  /** How the child ended; undefined if it has not ended, or if that is unknown. */
  get state(): ChildState | undefined {
    return this.#state;
  }

  /** What the child executed, for messages. */
  get command(): Command | undefined {
    return this.#command;
  }

  /** Records that the child is another program from now on. */
  executes(command: Command): void {
    this.#command = command;
  }

  /** "pid 7", and how it ended if that is known: for messages. */
  toString(): string {
    return this.#state === undefined ? `pid ${this.pid}` : `pid ${this.pid}, which ${this.#state}`;
  }

  /**
   * The child's number in the pid namespace of a task: for kill(2), or for a path in the task's /proc if that was
   * mounted in its pid namespace. Fails for a task in a pid namespace that is not certainly the one in which
   * `pid` is a number.
   */
  pidIn(task: Task): Effect.Effect<Pid, NamespaceMismatchError> {
    return Effect.suspend(() =>
      task.namespaces.pid.is(this.#namespace)
        ? Effect.succeed(this.pid)
        : Effect.fail(
            new NamespaceMismatchError({ namespace: "pid namespace", subject: `pid ${this.pid}` }),
          ),
    );
  }

  /**
   * The ancestor for a Thread that the child provides, by the programs that it executes or starts: see
   * `ThreadFields`.
   */
  get ancestor(): Ancestor | undefined {
    const { task, connection, ancestor } = this.#parent;
    const { accessTask } = connection;
    if (task.addressSpace !== accessTask.addressSpace) return ancestor;
    return accessTask.namespaces.pid.is(this.#namespace)
      ? { pid: this.pid, uid: undefined, isGone: () => this.#isOver }
      : undefined;
  }

  /** Waits for the child's end. Any number of fibers may wait, and each can be interrupted at once. */
  wait(): Effect.Effect<ChildState, HandleFailure> {
    return Effect.suspend(() =>
      this.#state === undefined
        ? this.#epoller.holding(Deferred.await(this.#ended))
        : Effect.succeed(this.#state),
    );
  }

  /** As `wait`, but does not keep the event loop going. */
  ended(): Effect.Effect<ChildState, HandleFailure> {
    return Deferred.await(this.#ended);
  }

  /** As `wait`, but fails unless the exit status is 0. */
  check(): Effect.Effect<ChildState, HandleFailure | ChildProcessError> {
    return Effect.flatMap(this.wait(), (state) =>
      state.clean
        ? Effect.succeed(state)
        : Effect.fail(new ChildProcessError({ state, command: this.#command })),
    );
  }

  /**
   * Waits for the next change of the kinds that are asked for: `W.STOPPED`, `W.CONTINUED`, `W.EXITED`. ECHILD
   * once the child has ended, if its end was not asked for.
   *
   * The kernel reports stops by SIGCHLD alone, which rsyscall leaves to the program: so the kernel is asked a
   * hundred times a second. A change for which no fiber waits is kept until one does.
   */
  waitFor(options: number): Effect.Effect<ChildState, HandleFailure> {
    const changes = options & (W.STOPPED | W.CONTINUED);
    if (changes === 0) return this.wait();
    const poll: Effect.Effect<ChildState, HandleFailure> = Effect.flatMap(
      this.#living("waitid", "ECHILD", this.pidfd.waitid(changes | W.NOHANG)),
      (state) =>
        state === undefined
          ? Effect.andThen(Effect.sleep(POLL_INTERVAL), poll)
          : Effect.succeed(state),
    );
    if ((options & W.EXITED) === 0) return poll;
    const untilEnd = catchErrno("ECHILD", () => this.wait())(poll);
    return Effect.raceFirst(untilEnd, this.wait());
  }

  /**
   * pidfd_send_signal(2). ESRCH once the child has ended and was waited for.
   *
   * The controller sends it, whatever the parent is doing, if the kernel shows that the child descends from
   * the controller itself, or from the parent and is one that the parent's user may signal. Else the parent
   * sends it, in the order of its calls: a task may name any process as its child, and that must not be
   * signalled with rights that the task does not have.
   */
  kill(signal: number = SIG.TERM): Effect.Effect<void, HandleFailure> {
    return this.#living(
      "pidfd_send_signal",
      "ESRCH",
      Effect.flatMap(this.#isOurs, (isOurs) =>
        isOurs
          ? this.#ours.sendSignal(signal).pipe(
              // The parent may have rights that the controller lacks, and see processes that the controller does
              // not see.
              catchErrno(["EPERM", "EINVAL", "ENOSYS"], () => this.#killByParent(signal)),
            )
          : this.#killByParent(signal),
      ),
    );
  }

  #killByParent(signal: number): Effect.Effect<void, HandleFailure> {
    const child = { pid: this.#number, pidfd: this.pidfd };
    return signalChild(child, signal, () => this.#reaping);
  }

  /**
   * A descriptor of the child for signals, which are sent as `kill` sends them. It is usable after the child has
   * ended: then it still stands for a process group that the child has led.
   */
  signalling(): Effect.Effect<Pidfd, SyscallSendError | BorrowFailure, Scope.Scope> {
    return Effect.flatMap(this.#isOurs, (isOurs) => {
      const pidfd = isOurs ? this.#ours : this.pidfd;
      return pidfd.forTask(pidfd.task);
    });
  }

  /** Kills the child and waits for its end, as its scope does. */
  killAndWait(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#state === undefined ? Effect.ignore(this.#killAndWait()) : Effect.void,
    );
  }

  #killAndWait(): Effect.Effect<void, HandleFailure> {
    // If no end is reported any more, the kernel is asked: a child that was killed ends soon enough.
    const waitHere = Effect.map(reapKilled(this.pidfd), (state) => {
      this.#state = state;
    });
    const told = Effect.catchTag(this.wait(), "SyscallSendError", () => waitHere);
    return Effect.andThen(
      this.kill(SIG.KILL),
      Effect.flatMap(this.#isOurs, (isOurs) =>
        // A process that is not certainly a child need not end when the parent does.
        isOurs ? Effect.asVoid(told) : Effect.raceFirst(Effect.asVoid(told), this.#parentGone),
      ),
    );
  }

  /** Completes when the parent is gone, or out of reach. */
  get #parentGone(): Effect.Effect<void> {
    return Effect.flatMap(Scope.fork(this.#parent.scope), (scope) =>
      Effect.callback<void>((resume) => {
        const gone = Effect.sync(() => resume(Effect.void));
        Effect.runFork(Scope.addFinalizer(scope, gone));
        return Scope.close(scope, Exit.void);
      }),
    );
  }

  /** killpg(3): sends a signal to the process group that the child leads. */
  killpg(signal: number = SIG.TERM): Effect.Effect<void, HandleFailure> {
    return this.#byNumber("kill", (pid) => kill(this.task.sysif, -pid, signal));
  }

  /** getpgid(2) */
  pgid(): Effect.Effect<Pid, HandleFailure> {
    return this.#byNumber("getpgid", (pid) => getpgid(this.task.sysif, pid));
  }

  /**
   * setpgid(2): the child becomes the leader of a process group of its own, or joins that of another
   * child. EACCES once it has executed a program.
   */
  setpgid(leader: ChildProcess = this): Effect.Effect<void, HandleFailure> {
    return this.#byNumber("setpgid", (pid) =>
      leader.#byNumber("setpgid", (group) => setpgid(this.task.sysif, pid, group)),
    );
  }

  /**
   * Makes a call with the child's number, unless the child was waited for: then another process may have the
   * number.
   */
  #byNumber<A>(
    syscall: string,
    use: (pid: Pid) => Effect.Effect<A, HandleFailure>,
  ): Effect.Effect<A, HandleFailure> {
    return this.#living(
      syscall,
      "ESRCH",
      Effect.suspend(() => use(this.#number)),
    );
  }

  /** Makes a call, or fails once the child was waited for. */
  #living<A>(
    syscall: string,
    errno: "ESRCH" | "ECHILD",
    use: Effect.Effect<A, HandleFailure>,
  ): Effect.Effect<A, HandleFailure> {
    return Effect.suspend(() =>
      !this.#isOver ? use : Effect.fail(SyscallError.of(syscall, errno, this.toString())),
    );
  }
}

/** The number of a child in the pid namespace of its parent. */
const insideOf = ({ task }: Parent, { pid }: Watched): Named => ({
  pid,
  namespace: task.namespaces.pid,
});

/**
 * The number by which callers know a child: that in the pid namespace of the task for which it was started, if
 * that task can see it.
 */
const nameOf = (parent: Parent, child: Watched): Effect.Effect<Named> => {
  const { outside } = parent;
  const inside = insideOf(parent, child);
  return outside === undefined
    ? Effect.succeed(inside)
    : Effect.map(numberIn(outside, child.pidfd), (pid) =>
        pid === undefined ? inside : { pid, namespace: outside.namespaces.pid },
      );
};

/**
 * Whether signals may be sent by the controller's descriptor of a child: the parent runs the controller's own
 * code in its memory, or the kernel shows whose child it is. Asked once: a pidfd never means another process.
 */
const isOurs = ({ task, connection, ancestor }: Parent, ours: Pidfd): Effect.Effect<boolean> => {
  const { accessTask } = connection;
  if (ours.task === task || task.addressSpace === accessTask.addressSpace)
    return Effect.succeed(true);
  return ancestor === undefined || ours.task !== accessTask
    ? Effect.succeed(false)
    : once(descends(accessTask, ours, ancestor));
};

oneLine(ChildProcess);

const passed = Effect.fnUntraced(function* (
  connection: Connection,
  pidfd: Pidfd,
): Effect.fn.Return<Pidfd, HandleFailure, Scope.Scope> {
  const { accessTask } = connection;
  if (pidfd.task.fdTable === accessTask.fdTable) return yield* pidfd.forTask(accessTask);
  const [ours] = yield* connection.passFrom([pidfd]);
  const handle = yield* (ours as FileDescriptor).narrow(Pidfd);
  handle.closeOnFork = true;
  return handle;
});
