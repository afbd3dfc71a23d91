import { closeSync, mkdirSync, openSync, readFileSync, readSync } from "node:fs";
import { basename } from "node:path";
import { O } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, open } from "@rsyscall/handle";
import { SyscallError } from "@rsyscall/near";
import { type StubCall, StubServer, type StubServerError } from "@rsyscall/stub-server";
import {
  type ChildThread,
  Command,
  ExecutableNotFoundError,
  type Thread,
  which,
} from "@rsyscall/thread";
import { Effect, type Scope, Semaphore } from "effect";
import { placeOf } from "../places.ts";
import { cloneWithStubs } from "./mountNamespace.ts";
import { RunError } from "./runProgram.ts";

/**
 * The mocked paths of a mock. Each has a server, and a stub that names its socket: so a call is known by it, whatever
 * path, descriptor or script has led to the stub.
 */
export class MockedPaths {
  readonly #directory: string;
  readonly #stubs = new Map<string, string>();
  readonly #placeOfCall = new WeakMap<StubCall, string>();
  readonly #placing = Semaphore.makeUnsafe(1);

  /** @param directory of the mock */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes servers of places that have none yet. They live as long as the scope. */
  serve<R>(
    thread: Thread,
    places: ReadonlyArray<string>,
    handle: (call: StubCall) => Effect.Effect<number | void, unknown, R>,
  ): Effect.Effect<void, HandleFailure | RunError, Scope.Scope | R> {
    const serveOne = (place: string) =>
      Effect.gen({ self: this }, function* () {
        if (this.#stubs.has(place)) return;
        const directory = `${this.#directory}/paths/${this.#stubs.size}`;
        mkdirSync(directory, { recursive: true });
        const server = yield* StubServer.make(thread, directory, basename(place), {
          link: "script",
        }).pipe(
          Effect.mapError((error) =>
            error._tag === "StubServerError" ? unplaced(this.#directory, error) : error,
          ),
        );
        yield* Effect.forkScoped(
          server.serve((call) => {
            this.#placeOfCall.set(call, place);
            return handle(call);
          }),
        );
        this.#stubs.set(place, `${directory}/${basename(place)}`);
      });
    return this.#placing.withPermit(Effect.forEach(places, serveOne, { discard: true }));
  }

  /** Makes a child that sees stubs at these places, which have servers; an ordinary child if there are none. */
  clone(
    thread: Thread,
    places: ReadonlyArray<string>,
  ): Effect.Effect<ChildThread, HandleFailure | RunError, Scope.Scope> {
    if (places.length === 0) return thread.fork();
    return Effect.suspend(() => {
      const stubs = new Map(places.map((place) => [place, this.#stubs.get(place) as string]));
      return Effect.mapError(cloneWithStubs(thread, this.#directory, stubs), (error) =>
        error instanceof SyscallError ? new RunError({ problem: denied(places, error) }) : error,
      );
    });
  }

  /** The place by which a call has come; undefined if it has come by its name. */
  placeOf(call: StubCall): string | undefined {
    return this.#placeOfCall.get(call);
  }

  /**
   * The program that a mocked place has without us, called as the stub was. It is found from the root of this process,
   * in whose mount namespace it is not covered: so /proc/self/exe of the program is what it would be without us.
   */
  real(
    call: StubCall,
    place: string,
  ): Effect.Effect<Command, ExecutableNotFoundError | HandleFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { task, environ, connection } = call.thread;
      const root = yield* open(connection.accessTask, "/", O.PATH | O.DIRECTORY);
      const [passed] = yield* connection.passTo([root]);
      // Low numbers are what scripts use for themselves.
      const here = yield* (passed as FileDescriptor).dup(HIGH);
      yield* (passed as FileDescriptor).close();
      // The interpreter of a script opens it by this path too.
      if (!isElf(place)) yield* here.setCloexec(false);
      const path = `/proc/self/fd/${here.near}${place}`;
      const { executable } = yield* which(task, environ, path).pipe(
        Effect.catchTag("ExecutableNotFoundError", ({ notExecutable }) =>
          Effect.fail(
            new ExecutableNotFoundError({
              program: place,
              tried: [place],
              notExecutable: notExecutable === undefined ? undefined : place,
            }),
          ),
        ),
      );
      const [argv0 = place, ...args] = call.argvBytes;
      return Command.make(executable, ...args).argv0(argv0);
    });
  }

  /** A command whose program is the real one, also where a stub is at its path. */
  uncovered(call: StubCall, command: Command): Effect.Effect<Command, HandleFailure, Scope.Scope> {
    const { text } = command.executable;
    const place = this.#stubs.size === 0 || !text.startsWith("/") ? undefined : placeOf(text);
    return place === undefined || !this.#stubs.has(place)
      ? Effect.succeed(command)
      : Effect.orElseSucceed(this.real(call, place), () => command);
  }
}

/** The least number of the descriptor by which a real program is found. */
const HIGH = 100;

/** Whether a file is a program that is no script. One that cannot be read is no script. */
const isElf = (path: string): boolean => {
  try {
    const fd = openSync(path, "r");
    try {
      const magic = Buffer.alloc(4);
      readSync(fd, magic, 0, 4, 0);
      return magic.equals(ELF);
    } finally {
      closeSync(fd);
    }
  } catch {
    return true;
  }
};

const ELF = Buffer.from("\x7fELF", "latin1");

/** Says why the system refuses a mount namespace, and what helps. */
const denied = (places: ReadonlyArray<string>, error: SyscallError): string =>
  `${places.join(", ")}: a path is mocked in a mount namespace of the program, and the system refuses ` +
  `${error.syscall === "mount" ? "to mount there" : "to make one"}: ${error.message}` +
  `${error.syscall === "mount" && isRestricted() ? `; ${RESTRICTED} is 1: as root, sysctl -w ${RESTRICTED}=0, or run as root` : ""}. ` +
  "Allow that, or mock the program by its name, without a slash, and have it found in PATH";

/** AppArmor gives an ordinary user a namespace then, and no rights in it. */
const RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns";

const isRestricted = (): boolean => {
  try {
    return readFileSync(`/proc/sys/${RESTRICTED.replaceAll(".", "/")}`, "utf8").trim() === "1";
  } catch {
    return false;
  }
};

/** Why there can be no stub in the directory of the mock. */
const unplaced = (directory: string, error: StubServerError): RunError =>
  new RunError({
    problem:
      error.reason === "StubNotExecutable"
        ? `${directory} is on a file system that is mounted noexec: set TMPDIR to a directory on another one`
        : error.message,
  });
