import { SIG, W } from "@rsyscall/abi";
import type { Connection } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import {
  type ChildState,
  type Cloned,
  type FileDescriptor,
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
import { Deferred, Effect, type Exit, type Scope } from "effect";
import type { Command } from "./Command.ts";
import { ChildProcessError } from "./errors.ts";
import type { ThreadFields } from "./ThreadFields.ts";

/** How often a child is asked whether it was stopped or continued, while somebody waits for that. */
const POLL_INTERVAL = "10 millis";

/**
 * A child of a process under our control. It is known by its pidfd, which never means another
 * process; its end is learned from that, without SIGCHLD.
 */
export class ChildProcess {
  /** The parent. */
  readonly task: Task;
  /** Its number in the parent's pid namespace. Nobody else's until the child was waited for. */
  readonly pid: Pid;
  /** The parent's descriptor, by which it is waited for. */
  readonly pidfd: Pidfd;
  /**
   * The same in the controller, if it can be passed there: its end is seen here, and signals are sent
   * from here, whatever the parent is doing, and even if it is gone.
   */
  readonly #ours: Pidfd;
  readonly #epoller: Epoller;
  readonly #ended = Deferred.makeUnsafe<ChildState, HandleFailure>();
  #reaping = false;
  #state: ChildState | undefined;
  #command: Command | undefined;

  private constructor(pid: Pid, pidfd: Pidfd, ours: Pidfd, epoller: Epoller) {
    this.task = pidfd.task;
    this.pid = pid;
    this.pidfd = pidfd;
    this.#ours = ours;
    this.#epoller = epoller;
  }

  /**
   * Watches a child until it has ended or the scope closes.
   *
   * @param parent the connection to it, and its own epoller
   * @param atEnd runs when the child has ended, before anybody hears of it
   */
  static watch(
    { connection, epoller }: Pick<ThreadFields, "connection" | "epoller">,
    { pid, pidfd }: Pick<Cloned, "pid" | "pidfd">,
    atEnd: Effect.Effect<void>,
  ): Effect.Effect<ChildProcess, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const ours = connection.canPass ? yield* passed(connection, pidfd) : pidfd;
      const watcher = connection.canPass ? connection.accessEpoller : yield* epoller;
      const child = new ChildProcess(pid, pidfd, ours, watcher);
      yield* watcher.watch(ours, (hasEnded) => child.#onReadable(hasEnded, atEnd));
      return child;
    });
  }

  /** A zombie is waited for as soon as there is one, whether or not anybody asks. */
  #onReadable(epollerHasEnded: boolean, atEnd: Effect.Effect<void>): void {
    if (this.#reaping) return;
    this.#reaping = true;
    // Readable means ended, unless it is the epoller that has ended: then nobody will be told.
    const reap = epollerHasEnded
      ? Deferred.fail(this.#ended, new SyscallSendError({ syscall: "waitid" }))
      : Effect.flatMap(Effect.exit(Effect.andThen(atEnd, this.pidfd.waitid(W.EXITED))), (exit) => {
          if (exit._tag === "Success") this.#state = exit.value;
          return Deferred.done(this.#ended, exit as Exit.Exit<ChildState, HandleFailure>);
        });
    Effect.runFork(reap);
  }

  /** How the child ended; undefined as long as it has not, or nobody knows. */
  get state(): ChildState | undefined {
    return this.#state;
  }

  /** What the child executed, for messages. */
  get command(): Command | undefined {
    return this.#command;
  }

  /** It is another program from now on. */
  executes(command: Command): void {
    this.#command = command;
  }

  /** Waits for the child's end. Any number may wait, and each can be interrupted at once. */
  get wait(): Effect.Effect<ChildState, HandleFailure> {
    return Effect.suspend(() =>
      this.#state === undefined
        ? this.#epoller.holding(Deferred.await(this.#ended))
        : Effect.succeed(this.#state),
    );
  }

  /** As `wait`, without keeping the event loop going. */
  get ended(): Effect.Effect<ChildState, HandleFailure> {
    return Deferred.await(this.#ended);
  }

  /** As `wait`, and anything but exit status 0 is an error. */
  get check(): Effect.Effect<ChildState, HandleFailure | ChildProcessError> {
    return Effect.flatMap(this.wait, (state) =>
      state.clean
        ? Effect.succeed(state)
        : Effect.fail(new ChildProcessError({ state, command: this.#command })),
    );
  }

  /**
   * Waits for the next change of the kinds that are asked for: `W.STOPPED`, `W.CONTINUED`, `W.EXITED`.
   * ECHILD once the child has ended, if its end was not asked for.
   *
   * The kernel tells of stops by SIGCHLD alone, which is not ours to take: so it is asked a hundred
   * times a second. A change that nobody waits for is kept until somebody does.
   */
  waitFor(options: number): Effect.Effect<ChildState, HandleFailure> {
    const changes = options & (W.STOPPED | W.CONTINUED);
    if (changes === 0) return this.wait;
    const poll: Effect.Effect<ChildState, HandleFailure> = Effect.flatMap(
      this.pidfd.waitid(changes | W.NOHANG),
      (state) =>
        state === undefined
          ? Effect.andThen(Effect.sleep(POLL_INTERVAL), poll)
          : Effect.succeed(state),
    );
    if ((options & W.EXITED) === 0) return poll;
    const untilEnd = catchErrno("ECHILD", () => this.wait)(poll);
    return Effect.raceFirst(untilEnd, this.wait);
  }

  /** pidfd_send_signal(2). ESRCH once the child has ended and was waited for. */
  kill(signal: number = SIG.TERM): Effect.Effect<void, HandleFailure> {
    return this.#ours.sendSignal(signal).pipe(
      // The parent may have rights, and see processes, that the controller has or sees not.
      catchErrno(["EPERM", "EINVAL"], (error) =>
        this.#ours.task === this.task ? Effect.fail(error) : this.pidfd.sendSignal(signal),
      ),
    );
  }

  /** Makes sure that the child has ended: what its scope does. */
  get killAndWait(): Effect.Effect<void> {
    // Where nobody is told any more, the end of a child that was killed is soon enough to wait for.
    const waitHere = Effect.map(this.pidfd.waitid(W.EXITED), (state) => {
      this.#state = state;
    });
    const end = Effect.andThen(
      this.kill(SIG.KILL),
      Effect.catchTag(this.wait, "SyscallSendError", () => waitHere),
    );
    return Effect.suspend(() => (this.#state === undefined ? Effect.ignore(end) : Effect.void));
  }

  /** killpg(3): to the process group that the child leads. */
  killpg(signal: number = SIG.TERM): Effect.Effect<void, HandleFailure> {
    return this.#byNumber("kill", (pid) => kill(this.task.sysif, -pid, signal));
  }

  /** getpgid(2) */
  get pgid(): Effect.Effect<Pid, HandleFailure> {
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

  /** The number is the child's until it was waited for; then it may be anybody's. */
  #byNumber<A>(
    syscall: string,
    use: (pid: Pid) => Effect.Effect<A, HandleFailure>,
  ): Effect.Effect<A, HandleFailure> {
    return Effect.suspend(() =>
      this.#state === undefined
        ? use(this.pid)
        : Effect.fail(SyscallError.of(syscall, "ESRCH", `pid ${this.pid}`)),
    );
  }
}

oneLine(ChildProcess, ({ pid, state }) => `pid ${pid}${state === undefined ? "" : `, ${state}`}`);

const passed = (
  connection: Connection,
  pidfd: Pidfd,
): Effect.Effect<Pidfd, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { accessTask } = connection;
    if (pidfd.task.fdTable === accessTask.fdTable) return yield* pidfd.forTask(accessTask);
    const [ours] = yield* connection.passFrom([pidfd]);
    const handle = yield* (ours as FileDescriptor).narrow(Pidfd);
    handle.closeOnFork = true;
    return handle;
  });
