import { fsDecode, type Ucred } from "@rsyscall/abi";
import type { SyscallConnection } from "@rsyscall/connection";
import type { HandleFailure } from "@rsyscall/handle";
import { type Fd, oneLine, Path, type PathLike, type Pid, printable } from "@rsyscall/near";
import { Command, Environment, type ExecutableNotFoundError, type Thread } from "@rsyscall/thread";
import {
  bootstrapThread,
  type Description,
  type Greeted,
  type HandshakeError,
  type Transport,
} from "@rsyscall/transport";
import { Effect, type Scope } from "effect";
import { type Place, realProgram } from "./realProgram.ts";

/** Characters of a call in a message. */
const SHOWN = 200;

/** Environment variables that are for the stub: handlers and programs do not see them. */
const ARGV0 = "RSYSCALL_UNIX_STUB_ARGV0";
const SOCKET_PATH = "RSYSCALL_UNIX_STUB_SOCK_PATH";
const OURS = [ARGV0, SOCKET_PATH, "RSYSCALL_UNIX_STUB_SOCK", "RSYSCALL_UNIX_STUB_TIMEOUT"].map(
  (name) => `${name}=`,
);

const isOurs = (text: Uint8Array): boolean => OURS.some((prefix) => startsWith(text, prefix));

const startsWith = (text: Uint8Array, prefix: string): boolean =>
  text.length >= prefix.length && [...prefix].every((c, i) => text[i] === c.charCodeAt(0));

/** The caller's environment, without what led the stub to us. */
const callerEnvironment = (description: Description): ReadonlyArray<Uint8Array> =>
  description.environment().filter((text) => !isOurs(text));

/** A wrapper script passes argv[0] on in a variable, beside the socket's. */
const argv0FromScript = ({ variable }: Description): Uint8Array | undefined =>
  variable(SOCKET_PATH) === undefined ? undefined : variable(ARGV0);

/** A program called us: what it said, and the process that it started, which is now ours. */
export class StubCall {
  readonly #description: Description;
  #argv: ReadonlyArray<string> | undefined;
  #argvBytes: ReadonlyArray<Uint8Array> | undefined;
  /** The process: it is the caller's child, with its stdin, stdout, directory and ids. */
  readonly thread: Thread;
  /** The working directory; undefined when it was removed. */
  readonly cwd: Path | undefined;
  /** The path by which the caller executed us. */
  readonly execfn: Path | undefined;
  /** The process's pid in its own pid namespace. */
  readonly pid: Pid;
  /** The pid of the process that waits for this one; 0 when it is in another pid namespace. */
  readonly ppid: Pid;
  /** Real user and group id. */
  readonly uid: number;
  readonly gid: number;
  /** Pid and effective ids as the kernel reports them in the server's namespaces. */
  readonly peer: Ucred;
  /** Descriptors that the caller left open; undefined when the process cannot see its /proc. */
  readonly fds: ReadonlyArray<Fd> | undefined;

  readonly #ended: Effect.Effect<void>;
  readonly #place: Place;

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
   * The program that the caller would have got without us, called as the stub was: the next one of that name in the
   * PATH of the call's environment, behind the stub that was called. It is never a stub of this server, nor a stub
   * without a server; a stub of another server counts as a program like any other.
   *
   * @param name of another program, which is looked for in the same way
   *
   * @example
   * ```ts
   * import type { StubCall } from "@rsyscall/stub-server";
   * import { Effect } from "effect";
   *
   * const spy = (call: StubCall) =>
   *   Effect.gen(function* () {
   *     console.log(call.argv);
   *     yield* call.thread.exec(yield* call.real());
   *   });
   * ```
   */
  real(
    name = this.#place.name ?? (this.execfn ?? Path.make(this.argv[0] ?? "")).name,
  ): Effect.Effect<Command, ExecutableNotFoundError | HandleFailure> {
    const { thread, execfn, cwd } = this;
    return Effect.map(realProgram(thread, this.#place, execfn, name), ({ executable }) =>
      this.command(cwd === undefined ? executable : cwd.join(executable)),
    );
  }

  /**
   * Completes when the process has ended, or is out of reach. A handler that waits for other things
   * than its process can race them with it.
   */
  ended(): Effect.Effect<void> {
    return this.#ended;
  }

  /** Takes over the process of a stub that has passed its checks. */
  static bootstrap(
    transport: Transport,
    greeted: Greeted,
    place: Place,
  ): Effect.Effect<
    { readonly call: StubCall; readonly connection: SyscallConnection },
    HandleFailure | HandshakeError,
    Scope.Scope
  > {
    const { description, peer } = greeted;
    const environ = new Environment(() => callerEnvironment(description));
    return Effect.map(
      bootstrapThread(transport, greeted, environ),
      ({ thread, connection, ended }) => ({
        call: new StubCall(description, peer, thread, ended(), place),
        connection,
      }),
    );
  }

  private constructor(
    description: Description,
    peer: Ucred,
    thread: Thread,
    ended: Effect.Effect<void>,
    place: Place,
  ) {
    this.#description = description;
    this.thread = thread;
    this.cwd = description.cwd;
    this.execfn = description.execfn;
    this.pid = description.pid;
    this.ppid = description.ppid;
    this.uid = description.uid;
    this.gid = description.gid;
    this.peer = peer;
    this.fds = description.fds;
    this.#ended = ended;
    this.#place = place;
  }
}

oneLine(StubCall, ({ pid, argv }) => `process ${pid}: ${printable(argv.join(" "), SHOWN)}`);
