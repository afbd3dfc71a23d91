import { fsDecode, type Ucred } from "@rsyscall/abi";
import { execStrings, type HandleFailure } from "@rsyscall/handle";
import {
  type Fd,
  InvalidArgumentError,
  oneLine,
  Path,
  type PathLike,
  type Pid,
  printable,
} from "@rsyscall/near";
import {
  Command,
  type Environment,
  type ExecutableNotFoundError,
  type Thread,
} from "@rsyscall/thread";
import {
  type Description,
  encodeExec,
  encodeReply,
  type HandshakeError,
} from "@rsyscall/transport";
import { EXEC, REPLY } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import { argv0FromScript, callerEnvironmentText, callerVariables } from "./callerEnvironment.ts";
import type { Door } from "./Door.ts";
import { ownView, serverView } from "./FileView.ts";
import type { HandedOver } from "./handOver.ts";
import { realProgram } from "./realProgram.ts";
import { checkReply, type Reply, replyThrough } from "./reply.ts";
import { takeOver } from "./takeOver.ts";

/** Characters of a call in a message. */
const SHOWN = 200;

let make: (door: Door) => StubCall;
let read: (call: StubCall) => Door;

/** Makes the call of a caller that waits at a door. */
export const callAt = (door: Door): StubCall => make(door);

/** Where a call waits for its answer. */
export const doorOf = (call: StubCall): Door => read(call);

/** A program called us: what it said, and the process that it started, which is now ours. */
export class StubCall {
  readonly #description: Description;
  #argv: ReadonlyArray<string> | undefined;
  #argvBytes: ReadonlyArray<Uint8Array> | undefined;
  #env: Readonly<Record<string, string>> | undefined;
  /** The working directory; undefined when it was removed. */
  readonly cwd: Path | undefined;
  /** The path by which the caller executed us. */
  readonly execfn: Path | undefined;
  /** The process's pid in its own pid namespace. */
  readonly pid: Pid;
  /** The pid of the process that waits for this one; 0 when it is in another pid namespace. */
  readonly ppid: Pid;
  /** The caller's real user, in its own user namespace. */
  readonly uid: number;
  /** The caller's real group. */
  readonly gid: number;
  /** Pid and effective ids as the kernel reports them in the server's namespaces. */
  readonly peer: Ucred;
  /** Descriptors that the caller left open; undefined when the process cannot see its /proc. */
  readonly fds: ReadonlyArray<Fd> | undefined;

  /** The caller's environment, without what led the stub to us. `exec` passes its changes on. */
  readonly environ: Environment;

  readonly #door: Door;

  static {
    make = (door) => new StubCall(door);
    read = (call) => call.#door;
  }

  /**
   * The process: it is the caller's child, with its stdin, stdout, directory and ids. Inside `serve` it is put together
   * when this is first read: a call that needs no system call in its process is answered much faster without. If that
   * does not work, or if the call was answered before, all its calls fail with SyscallSendError.
   */
  get thread(): Thread {
    return this.#door.thread;
  }

  /**
   * The arguments as the caller gave them; argv[0] is the name. What is not UTF-8 is decoded as
   * `fsDecode` does, and can be passed on as it is.
   */
  get argv(): ReadonlyArray<string> {
    if (this.#argv === undefined) {
      const argv = this.#description.argvText();
      const argv0 = argv0FromScript(this.#description);
      this.#argv = argv0 === undefined ? argv : [fsDecode(argv0), ...argv.slice(1)];
    }
    return this.#argv;
  }

  /** The arguments as bytes. */
  get argvBytes(): ReadonlyArray<Uint8Array> {
    if (this.#argvBytes === undefined) {
      const { argv } = this.#description;
      const argv0 = argv0FromScript(this.#description);
      this.#argvBytes = argv0 === undefined ? argv : [argv0, ...argv.slice(1)];
    }
    return this.#argvBytes;
  }

  /** `environ` as the caller gave it, as text that `fsDecode` makes: each variable with a NUL behind it. The cheapest form. */
  get environText(): string {
    return callerEnvironmentText(this.#description);
  }

  /** The variables of `environ` as the caller gave them, as process.env has them: with bytes decoded by `fsDecode`. */
  get env(): Readonly<Record<string, string>> {
    this.#env ??= callerVariables(this.#description);
    return this.#env;
  }

  /**
   * A program called as the stub was: with the caller's name for it and the caller's arguments. With
   * `thread.exec` it takes the stub's place, and the caller never knows; with `thread.run` it can be
   * watched.
   *
   * If the caller's name for it is the program's own, it is called by its path. By the bare name, programs that look
   * for themselves in PATH (gcc, python, bash) would find the stub. Any other name stays as it is: some programs do
   * what their name says (busybox), and a shell that is called "-bash" is a login shell.
   */
  command(program: PathLike): Command {
    const [name, ...args] = this.argvBytes;
    const command = Command.make(program, ...args);
    return name === undefined || Path.make(name).name === command.executable.name
      ? command
      : command.argv0(name);
  }

  /**
   * Answers the call: the process writes, and ends. This is the last that a handler does: it gives no status of its own,
   * and `thread` can no longer be made. Fast: the process does it by itself, if `thread` was not used before. Completes
   * when the process has, or is certain to get, all of the reply; SyscallHangup if it is gone.
   *
   * @example
   * ```ts
   * import type { StubCall } from "@rsyscall/stub-server";
   *
   * const git = (call: StubCall) => call.reply({ stderr: "fatal: not a git repository\n", status: 128 });
   * ```
   */
  reply(reply: Reply): Effect.Effect<void, HandleFailure | HandshakeError> {
    return Effect.flatMap(checkReply(reply), ([output, end]) =>
      this.#door.takes(REPLY)
        ? this.#door.answer("reply", encodeReply(output, end))
        : this.#door.through("reply", (thread) => replyThrough(thread, output, end)),
    );
  }

  /**
   * Answers the call: the process becomes a program, with `environ` and the command's changes to it. This is the last
   * that a handler does, as with `reply`.
   *
   * If `thread` was not used before, the process does it by itself, much faster, with everything as the caller has left
   * it. A program that the kernel refuses is then an error of the caller's: a line on its stderr and, as in a shell, the
   * status 127 for one that does not exist, or else 126. Otherwise it is a SyscallError, as of `thread.exec`.
   *
   * @example
   * ```ts
   * import type { StubCall } from "@rsyscall/stub-server";
   * import { Effect } from "effect";
   *
   * const spy = (call: StubCall) =>
   *   Effect.gen(function* () {
   *     console.log(call.argv);
   *     yield* call.exec(yield* call.real());
   *   });
   * ```
   */
  exec(command: Command): Effect.Effect<void, HandleFailure | HandshakeError> {
    return Effect.suspend(() => {
      const through = this.#door.through("exec", (thread) => thread.exec(command));
      if (!this.#door.takes(EXEC)) return through;
      const { executable, argv, envUpdates, ignoresEnvironment } = command;
      const { environ } = this;
      const isOwn = envUpdates.size === 0 && !ignoresEnvironment && !environ.hasChanged;
      return Effect.flatMap(
        isOwn ? Effect.succeed([]) : environ.stringsFor(command),
        (envp): Effect.Effect<void, HandleFailure | HandshakeError> => {
          const strings = execStrings("exec", executable, argv, envp);
          if (strings instanceof InvalidArgumentError) return Effect.fail(strings);
          const [path = new Uint8Array(0), ...rest] = strings;
          const encoded = encodeExec({
            path,
            argv: rest.slice(0, argv.length),
            envp: isOwn ? undefined : rest.slice(argv.length),
          });
          return encoded === undefined ? through : this.#door.answer("exec", [encoded]);
        },
      );
    });
  }

  /**
   * The program that the caller would have got without us, called as the stub was: the next one of that name in the
   * PATH of the call's environment, behind the stub that was called. It is never a stub of this server, nor a stub
   * without a server; a stub of another server counts as a program like any other.
   *
   * Needs no Thread if the server sees the same files as the caller does: they have the same root directory in the same
   * mount namespace, and the same effective user. Otherwise the caller's process looks for it.
   *
   * @param name of another program, which is looked for in the same way
   */
  real(
    name = this.#door.place.name ?? (this.execfn ?? Path.make(this.argv[0] ?? "")).name,
  ): Effect.Effect<Command, ExecutableNotFoundError | HandleFailure | HandshakeError> {
    const { execfn, cwd } = this;
    const { place } = this.#door;
    const door = this.#door;
    const seen =
      door.isWaiting && door.opensAtOnce
        ? serverView(door.driver, this.peer, cwd, this.environ)
        : Effect.succeed(undefined);
    return seen.pipe(
      Effect.flatMap((view) =>
        view !== undefined ? Effect.succeed(view) : Effect.map(door.open(), ownView),
      ),
      Effect.flatMap((view) => realProgram(view, place, execfn, name)),
      Effect.map(({ executable }) =>
        this.command(cwd === undefined ? executable : cwd.join(executable)),
      ),
    );
  }

  /**
   * Completes when the process has ended, or is out of reach. A handler that waits for other things
   * than its process can race them with it.
   */
  ended(): Effect.Effect<void> {
    return this.#door.ended();
  }

  /**
   * Leaves the call, which has no Thread and no answer yet, to another thread of JavaScript of this process: post the
   * result there, for `StubCall.takeOver` or `StubServer.handle`. Until it is taken, or this server ends, the call keeps
   * its place here. The handler gives no status, and ends when it likes.
   */
  handOver(): Effect.Effect<HandedOver, HandleFailure> {
    return this.#door.handOver();
  }

  /**
   * Takes a call over that another thread of JavaScript of this process has handed over. Each can be taken once:
   * InvalidStateError otherwise, or if the other thread has ended. The process belongs to the scope, as that of `accept`.
   *
   * @param thread the LocalThread of this thread of JavaScript
   */
  static takeOver(
    thread: Thread,
    handed: HandedOver,
  ): Effect.Effect<StubCall, HandleFailure | HandshakeError, Scope.Scope> {
    return Effect.map(takeOver(thread, handed), (door) => new StubCall(door));
  }

  private constructor(door: Door) {
    const { description, peer } = door;
    this.#door = door;
    this.#description = description;
    this.environ = door.environ;
    this.cwd = description.cwd;
    this.execfn = description.execfn;
    this.pid = description.pid;
    this.ppid = description.ppid;
    this.uid = description.uid;
    this.gid = description.gid;
    this.peer = peer;
    this.fds = description.fds;
  }
}

oneLine(StubCall, ({ pid, argv }) => `process ${pid}: ${printable(argv.join(" "), SHOWN)}`);
