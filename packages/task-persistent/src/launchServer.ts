import { O, SIG, SO, SOL, type Stat } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, type Socket, spawn } from "@rsyscall/handle";
import { type Path, setsockopt } from "@rsyscall/near";
import { ChildProcess, type Command, fieldsOf, once, type Thread } from "@rsyscall/thread";
import { LaunchError, listenAt } from "@rsyscall/transport";
import { Duration, Effect, Exit, Scope } from "effect";
import { failure } from "./dial.ts";
import type { PersistentTaskError } from "./errors.ts";

/** The number of controllers that may wait for their turn. */
const BACKLOG = 16;

/** Whether a process is kept when its scope closes. */
export interface Life {
  isKept: boolean;
}

/** A started process that listens. */
export interface LaunchedServer {
  readonly process: ChildProcess;
  /** Fails when the process ends: then it will not answer. */
  readonly failed: () => Effect.Effect<never, HandleFailure | LaunchError>;
  /** Completes once the process runs. */
  readonly started: () => Effect.Effect<void>;
  /** To be called once the process was waited for. */
  readonly forget: () => Effect.Effect<void>;
}

/**
 * Listens on a path to which only this user and root can connect. It replaces the socket of a process that has ended.
 * The scope removes the socket if it is still the same file.
 */
export const listen = (
  parent: Thread,
  path: Path,
  life: Life,
  patience: Duration.Input,
): Effect.Effect<
  { readonly socket: Socket; readonly own: Stat },
  HandleFailure | PersistentTaskError,
  Scope.Scope
> =>
  listenAt(parent, path, {
    mode: 0o600,
    backlog: BACKLOG,
    stays: () => life.isKept,
    prepare: (socket) => setReceiveTimeout(socket, Duration.toMillis(patience)),
  }).pipe(
    Effect.catchTag("PathTakenError", (error) =>
      Effect.fail(failure(path, "PathTaken", `${error.problem}: ${error.remedy}`)(error)),
    ),
  );

/** Sets SO_RCVTIMEO of socket(7), from which the process takes how long it waits for a client. */
const setReceiveTimeout = (socket: Socket, milliseconds: number) => {
  const micros = BigInt(Math.ceil(Math.max(milliseconds, 1) * 1000));
  const time = new BigInt64Array([micros / 1_000_000n, micros % 1_000_000n]);
  const { task } = socket;
  return Effect.flatMap(socket.borrow(task), (fd) =>
    task.withBytes(new Uint8Array(time.buffer), (at) =>
      setsockopt(task.sysif, fd, SOL.SOCKET, SO.RCVTIMEO, at, time.byteLength),
    ),
  );
};

export interface Stdio {
  readonly stdout?: FileDescriptor | undefined;
  readonly stderr?: FileDescriptor | undefined;
}

/**
 * Starts the process that serves a socket. Unless it is kept, the scope kills it, and so does the kernel when its
 * parent ends. It is watched while its parent exists.
 */
export const launchServer = (
  parent: Thread,
  command: Command,
  listening: Socket,
  { stdout, stderr }: Stdio,
  life: Life,
): Effect.Effect<LaunchedServer, HandleFailure, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const fields = fieldsOf(parent);
      const scope = yield* Scope.fork(fields.scope);
      yield* fields.beforeChildren();
      const envp = yield* parent.environ.stringsFor(command);
      const cloned = yield* Effect.scoped(
        Effect.gen(function* () {
          // The controller's stdio may be a terminal, or a pipe whose end a program waits for.
          const nowhere = yield* parent.open("/dev/null", O.RDWR);
          const options = {
            path: command.executable,
            argv: command.argv,
            envp,
            fds: new Map<number, FileDescriptor>([
              [0, listening],
              [1, stdout ?? nowhere],
              [2, stderr ?? nowhere],
            ]),
            deathSignal: SIG.KILL,
          };
          return yield* Scope.provide(spawn(parent.task, options), scope);
        }),
      );
      const { pidfd } = cloned;
      // The outcome lies on the child's stack, which is freed with the child.
      const failure = once(Effect.suspend(() => cloned.failure()));
      yield* Scope.addFinalizer(scope, cloned.freeStack());
      const process = yield* ChildProcess.watch(
        fields,
        { ...cloned, life: scope },
        Effect.ignore(failure),
      ).pipe(Effect.onError(() => Effect.ignore(pidfd.sendSignal(SIG.KILL))));
      const forget = Scope.close(scope, Exit.void);
      yield* Effect.addFinalizer(() =>
        life.isKept ? Effect.void : Effect.andThen(process.killAndWait(), forget),
      );
      process.executes(command);
      const failed = () =>
        Effect.flatMap(Effect.exit(process.wait()), () =>
          Effect.flatMap(
            failure,
            (error): Effect.Effect<never, HandleFailure | LaunchError> =>
              Effect.fail(
                error ??
                  new LaunchError({
                    command: String(command),
                    problem: `it ${process.state}`,
                    stderr: "",
                  }),
              ),
          ),
        );
      return { process, failed, started: () => cloned.freeStack(), forget: () => forget };
    }),
  );
