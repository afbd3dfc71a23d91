import { EPOLL, EPOLL_CTL, SIG } from "@rsyscall/abi";
import {
  type ChildState,
  chdir,
  Epoll,
  type FileDescriptor,
  type HandleFailure,
} from "@rsyscall/handle";
import { Fd, InvalidStateError, oneLine, type PathLike, SyscallError } from "@rsyscall/near";
import type { ChildProcess, ChildThread, Command, Thread } from "@rsyscall/thread";
import { Array as Arr, Cause, Deferred, type Duration, Effect, type Scope, Stream } from "effect";
import type { Decision } from "./Decision.ts";
import type { ExecCall } from "./ExecCall.ts";
import type { ExecEvent } from "./ExecEvent.ts";
import { type Decided, decisions } from "./internal/Decisions.ts";
import { Desk } from "./internal/Desk.ts";
import { ExecLoop, LISTENER, type Waiting } from "./internal/ExecLoop.ts";
import { endCaller, endTree } from "./internal/endTree.ts";
import { startListening } from "./internal/startListening.ts";

/** What is read of each exec: strings of argv and of the environment, and bytes of all strings of each. */
const BOUNDS = { strings: 32_768, bytes: 1024 * 1024 };

/** How long processes that were killed may take to end. */
const END = "2 seconds";

/** Events that a stream keeps before the tree has to wait for its consumer. */
const KEPT_EVENTS = 4096;

/** Options of an {@link ExecWatch}. */
export interface ExecWatchOptions<E = never, R = never> {
  /**
   * Decides each exec, that of the command as well, while its process waits. A value is the fastest answer; an Effect
   * may take its time. What fails, throws or gives something else is a denial. Default: all are allowed.
   */
  readonly decide?: (call: ExecCall) => Decision | Effect.Effect<Decision, E, R>;
  /** How long a decision may take; then it is a denial. Default: 10 seconds. */
  readonly deadline?: Duration.Input;
  /** Gets the events as they come. The tree waits meanwhile, so it should be short. What it throws is a defect. */
  readonly onEvent?: (event: ExecEvent) => void;
  /** The command's descriptors 0, 1 and 2. Default: those of the Thread. */
  readonly stdin?: FileDescriptor;
  /** The command's descriptor 1. */
  readonly stdout?: FileDescriptor;
  /** The command's descriptor 2. */
  readonly stderr?: FileDescriptor;
  /** The command's working directory. Default: that of the Thread. */
  readonly cwd?: PathLike;
  /**
   * Whether the command is in a pid namespace of its own: then the kernel ends all its descendants with it, also if
   * the controller is killed. See `ContainOptions` of @rsyscall/thread. Default: false.
   */
  readonly contain?: boolean;
}

/** Options of `ExecWatch.run`. */
export interface ExecRunOptions<E = never, R = never> extends ExecWatchOptions<E, R> {
  /**
   * What happens to processes that the command leaves behind: "wait" until they have ended, or "kill" them. They
   * cannot go on without the controller, because their execs would fail with ENOSYS. Default: "wait".
   */
  readonly rest?: "wait" | "kill";
}

/**
 * A command, and every exec of it and of its descendants: also by absolute paths, of static programs, below a chroot,
 * after PATH was reset. The kernel lets each exec wait for this process: seccomp_unotify(2).
 *
 * The tree has no_new_privs: set-user-ID programs and file capabilities give it no rights. There can be one such
 * supervisor only: EBUSY if this process is in a supervised tree itself.
 *
 * The scope kills the command and its descendants. If the controller is killed, the kernel kills the command, and
 * what remains of its descendants can execute no program (ENOSYS); with `contain`, the kernel kills all of them.
 *
 * @example
 * ```ts
 * import { ExecWatch } from "@rsyscall/seccomp";
 * import { Command, LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const command = Command.make("/bin/sh", "-c", "ls / >&2; true");
 *   const state = yield* ExecWatch.run(thread, command, {
 *     onEvent: (event) => {
 *       if (event._tag === "Exec") console.log(event.call.argv.join(" "));
 *     },
 *   });
 *   console.log(String(state)); // exited with status 0
 * });
 * await Effect.runPromise(program.pipe(Effect.provide(LocalThread.layer)));
 * ```
 */
export class ExecWatch {
  /** The command. */
  readonly process: ChildProcess;
  readonly #loop: ExecLoop;
  readonly #over: Deferred.Deferred<void>;

  private constructor(process: ChildProcess, loop: ExecLoop, over: Deferred.Deferred<void>) {
    this.process = process;
    this.#loop = loop;
    this.#over = over;
  }

  /**
   * Starts a command in a child of a Thread of this host, and waits until it runs. The scope kills it and its
   * descendants.
   */
  static make<E = never, R = never>(
    thread: Thread,
    command: Command,
    options: ExecWatchOptions<E, R> = {},
  ): Effect.Effect<ExecWatch, HandleFailure, R | Scope.Scope> {
    return Effect.gen(function* () {
      const { connection } = thread;
      const { accessTask } = connection;
      if (!connection.canPass)
        return yield* new InvalidStateError({
          syscall: "ExecWatch.make",
          subject: `the connection to ${thread.task}`,
          problem: "passes no descriptors, so the listener cannot get here",
          remedy: "run the controller on that host",
        });
      const desk = yield* Desk.make(accessTask);
      const epoll = yield* Epoll.make(accessTask);
      epoll.closeOnFork = true;
      const child = yield* thread.fork({ contain: options.contain ?? false });
      yield* prepare(child, options);
      const listener = yield* startListening(child);
      yield* epoll.set(EPOLL_CTL.ADD, listener, { events: EPOLL.IN, data: LISTENER });
      const decide = yield* decisions(options.decide, options.deadline ?? "10 seconds");
      const noneLeft = yield* Deferred.make<void>();
      const over = yield* Deferred.make<void>();
      const onEvent = (event: ExecEvent) => {
        try {
          options.onEvent?.(event);
        } catch (defect) {
          Deferred.doneUnsafe(over, Effect.die(defect));
        }
      };
      let isEnding = false;
      /** The last denial, until the command runs: its error says why. */
      let denial: Decided | undefined;
      const loop = new ExecLoop(
        desk,
        {
          epoll: yield* epoll.number(),
          listener: yield* listener.number(),
          execs: child.task.abi.execs,
          bounds: BOUNDS,
          opened: (fd) => accessTask.fdTable.opened(Fd(fd)),
        },
        {
          onCall: (waiting: Waiting) => {
            if (isEnding) {
              endCaller(loop.processes, waiting.call.pid, waiting.call.ppid);
              return;
            }
            // What a decision is based on must be of the process that waits.
            if (options.decide !== undefined && !loop.isWaiting(waiting)) return;
            decide(waiting.call, (decided) => {
              if (!loop.answer(waiting, decided.decision)) return;
              if (decided.decision._tag === "Deny") denial = decided;
              onEvent({ _tag: "Exec", call: waiting.call, ...decided });
            });
          },
          onEnd: onEvent,
          onNoneLeft: () => Deferred.doneUnsafe(noneLeft, Effect.void),
          onOver: () => Deferred.doneUnsafe(over, Effect.void),
        },
      );
      yield* Effect.acquireRelease(
        Effect.sync(() => loop.resume()),
        () => Effect.sync(() => loop.close()),
      );
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          if (Deferred.isDoneUnsafe(noneLeft)) return Effect.void;
          isEnding = true;
          loop.resume();
          endTree(loop.processes);
          return Effect.andThen(
            Effect.ignore(child.process.kill(SIG.KILL)),
            Effect.raceFirst(Deferred.await(noneLeft), Effect.sleep(END)),
          );
        }),
      );
      yield* child
        .exec(command)
        .pipe(
          Effect.mapError((error) =>
            error instanceof SyscallError && denial?.decision._tag === "Deny"
              ? error.because(denial.decision.message ?? "the decision was to deny it")
              : error,
          ),
        );
      return new ExecWatch(child.process, loop, over);
    });
  }

  /**
   * Runs a command, and gives how it ended. All its descendants have ended by then: see `rest`. An interruption kills
   * them.
   */
  static run<E = never, R = never>(
    thread: Thread,
    command: Command,
    options: ExecRunOptions<E, R> = {},
  ): Effect.Effect<ChildState, HandleFailure, Exclude<R, Scope.Scope>> {
    return Effect.scoped(
      Effect.flatMap(ExecWatch.make(thread, command, options), (watch) =>
        Effect.tap(watch.wait(), () =>
          options.rest === "kill" && !Deferred.isDoneUnsafe(watch.#over)
            ? Effect.void
            : watch.over(),
        ),
      ),
    );
  }

  /**
   * Runs a command, and streams the events until it and its descendants have ended. The tree waits while the consumer
   * is thousands of events behind. The end of the stream kills the tree.
   */
  static stream<E = never, R = never>(
    thread: Thread,
    command: Command,
    options: Omit<ExecWatchOptions<E, R>, "onEvent"> = {},
  ): Stream.Stream<ExecEvent, HandleFailure, Exclude<R, Scope.Scope>> {
    const events = Effect.gen(function* () {
      let kept: Array<ExecEvent> = [];
      let isOver = false;
      let news = Deferred.makeUnsafe<void>();
      let watch: ExecWatch | undefined;
      const onEvent = (event: ExecEvent) => {
        if (kept.push(event) >= KEPT_EVENTS) watch?.pause();
        Deferred.doneUnsafe(news, Effect.void);
      };
      watch = yield* ExecWatch.make(thread, command, { ...options, onEvent });
      const { resume, over } = { resume: () => watch?.resume(), over: watch.over() };
      yield* Effect.forkScoped(
        Effect.map(over, () => {
          isOver = true;
          Deferred.doneUnsafe(news, Effect.void);
        }),
      );
      const take: Effect.Effect<Arr.NonEmptyArray<ExecEvent>, Cause.Done> = Effect.suspend(() => {
        const taken = kept;
        kept = [];
        if (Arr.isArrayNonEmpty(taken)) return Effect.as(Effect.sync(resume), taken);
        if (isOver) return Cause.done();
        news = Deferred.makeUnsafe();
        return Effect.andThen(Deferred.await(news), take);
      });
      return Stream.fromPull(Effect.succeed(take));
    });
    return Stream.unwrap(events);
  }

  /** Waits for the command's end. */
  wait(): Effect.Effect<ChildState, HandleFailure> {
    return this.process.wait();
  }

  /** Waits until the command and all its descendants have ended, and `onEvent` has got all events. */
  over(): Effect.Effect<void> {
    return Deferred.await(this.#over);
  }

  /** The processes that have executed programs, or tried to, and have not ended. */
  get pids(): ReadonlyArray<number> {
    return this.#loop.processes.pids();
  }

  /** Takes no call until `resume`: processes that execute programs wait. */
  pause(): void {
    this.#loop.pause();
  }

  /** Takes calls again: see `pause`. */
  resume(): void {
    this.#loop.resume();
  }
}

oneLine(ExecWatch, ({ process }) => String(process));

/** Gives a child the command's stdio and directory. */
const prepare = (
  child: ChildThread,
  { stdin, stdout, stderr, cwd }: Pick<ExecWatchOptions, "stdin" | "stdout" | "stderr" | "cwd">,
): Effect.Effect<void, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const given = [
        [stdin, child.stdin],
        [stdout, child.stdout],
        [stderr, child.stderr],
      ] as const;
      for (const [fd, number] of given)
        if (fd !== undefined && fd.near !== number.near)
          yield* (yield* fd.inherit(child)).dup3(number);
      if (cwd !== undefined) yield* chdir(child, cwd);
    }),
  );
