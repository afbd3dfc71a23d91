import { O, SIG, signalName } from "@rsyscall/abi";
import {
  chdir,
  FileDescriptor,
  type HandleFailure,
  open,
  type Pidfd,
  setsid,
} from "@rsyscall/handle";
import { catchErrno, Fd, kill, NULL, pidfdSendSignal, TaggedError } from "@rsyscall/near";
import {
  type ChildProcess,
  type ChildThread,
  Command,
  Environment,
  type Thread,
  which,
} from "@rsyscall/thread";
import { Deferred, Effect, Fiber, type Scope, Stream } from "effect";
import type { NotRun, Ran, RunRequest, Stdio } from "../runMessages.ts";

/** Milliseconds for which output is awaited when the program has ended, from processes that it has left. */
const LINGER = 1000;

/** Bytes of an output that are kept. A program that writes more is ended. */
const OUTPUT_LIMIT = 64 * 1024 * 1024;

/** PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h. Since Linux 6.9; before it is EINVAL. */
const PROCESS_GROUP = 4;

/** Why a program cannot run, in words. */
export class RunError extends TaggedError("RunError")<NotRun> {
  override get message(): string {
    return this.problem;
  }
}

const TOO_MUCH = new RunError({
  problem: `it has written more than ${OUTPUT_LIMIT} bytes, and was killed: give it a file for its output, as a descriptor`,
});

const failed =
  (what: string, status?: NotRun["status"]) =>
  (error: { readonly message: string }): RunError =>
    new RunError({ problem: `${what}: ${error.message}`, status });

/**
 * Runs a program to its end, in a session and a process group of its own: the scope kills the whole group. When the
 * program has ended, so do the processes of its group that it leaves behind. In the foreground it stays in the group
 * of this process, which has the terminal, and only the program itself is killed.
 *
 * @param thread of this process
 * @param clone makes the child that becomes the program
 * @param onStart gets the process when it runs the program
 */
export const runProgram = Effect.fnUntraced(function* (
  thread: Thread,
  request: RunRequest,
  clone: Effect.Effect<ChildThread, HandleFailure | RunError, Scope.Scope>,
  onStart: (process: ChildProcess) => void,
): Effect.fn.Return<Ran, HandleFailure | RunError, Scope.Scope> {
  const { timeout, foreground } = request;
  const input = request.stdin instanceof Uint8Array ? request.stdin : undefined;
  const stdin = input === undefined ? undefined : yield* pipeTo(thread, "input");
  const stdout = request.stdout === "pipe" ? yield* pipeTo(thread, "output") : undefined;
  const stderr = request.stderr === "pipe" ? yield* pipeTo(thread, "output") : undefined;
  const wires = [
    stdin?.theirs ?? sourceOf(thread, request.stdin as Stdio),
    stdout?.theirs ?? sourceOf(thread, request.stdout as Stdio),
    stderr?.theirs ?? sourceOf(thread, request.stderr as Stdio),
  ];
  // The caller's descriptors may be closed as soon as the program has them, and their numbers be used again.
  const letGo = Effect.sync(() => {
    for (const wire of wires) if (wire instanceof FileDescriptor && wire.isShared) wire.disown();
  });
  yield* Effect.addFinalizer(() => letGo);
  const child = yield* clone;
  const { process } = child;
  const end = foreground
    ? Effect.ignore(process.kill())
    : signalGroup(yield* process.signalling(), process.pid);
  yield* Effect.addFinalizer(() => end);
  if (!foreground) yield* setsid(child);
  yield* Effect.mapError(chdir(child, request.cwd), failed("cwd"));
  yield* wire(child, wires);
  yield* execute(child, request);
  onStart(process);
  yield* letGo;
  // Else we would never see the end of its output, nor the program that of its input.
  for (const pipe of [stdin, stdout, stderr]) yield* pipe?.theirs.close() ?? Effect.void;

  if (input !== undefined && stdin !== undefined)
    yield* Effect.forkScoped(Effect.ignore(write(thread, stdin.ours, input)));
  const tooMuch = Deferred.makeUnsafe<never, RunError>();
  const out = yield* collect(thread, stdout?.ours, tooMuch);
  const err = yield* collect(thread, stderr?.ours, tooMuch);
  const outputs = Effect.andThen(out.untilEnd, err.untilEnd);
  const ended = Effect.andThen(process.wait(), Effect.raceFirst(outputs, Effect.sleep(LINGER)));
  const isLate = yield* Effect.raceFirst(
    Effect.raceFirst(Effect.as(ended, false), Deferred.await(tooMuch)),
    timeout === undefined ? Effect.never : Effect.as(Effect.sleep(timeout), true),
  );
  yield* end;
  const state = yield* process.wait();
  return {
    pid: process.pid,
    stdout: out.bytes(),
    stderr: err.bytes(),
    isLate,
    status: state.exitStatus,
    signal: state.signal === undefined ? undefined : signalName(state.signal),
  };
});

/** Kills a process group. The pidfd stands for it also when its leader has ended, and never for another group. */
const signalGroup = (pidfd: Pidfd, pid: number): Effect.Effect<void> => {
  const { sysif } = pidfd.task;
  return pidfdSendSignal(sysif, pidfd.near, SIG.KILL, NULL, PROCESS_GROUP).pipe(
    catchErrno(["EINVAL", "ENOSYS"], () => kill(sysif, -pid, SIG.KILL)),
    Effect.ignore,
  );
};

/** A pipe: our end, and the program's. */
const pipeTo = Effect.fnUntraced(function* (
  thread: Thread,
  direction: "input" | "output",
): Effect.fn.Return<
  { readonly ours: FileDescriptor; readonly theirs: FileDescriptor },
  HandleFailure,
  Scope.Scope
> {
  const [reader, writer] = yield* thread.pipe();
  const [ours, theirs] = direction === "input" ? [writer, reader] : [reader, writer];
  ours.closeOnFork = true;
  return { ours, theirs };
});

/** What a descriptor of the program is made of; undefined for /dev/null. */
const sourceOf = (
  thread: Thread,
  stdio: Stdio | undefined,
): FileDescriptor | "inherit" | "ignore" =>
  typeof stdio === "number" ? new FileDescriptor(thread.task, Fd(stdio)) : (stdio ?? "inherit");

/** Gives a child its descriptors 0, 1 and 2. */
const wire = Effect.fnUntraced(function* (
  child: ChildThread,
  sources: ReadonlyArray<FileDescriptor | "inherit" | "ignore">,
): Effect.fn.Return<void, HandleFailure, Scope.Scope> {
  const own: Array<FileDescriptor | undefined> = [];
  for (const source of sources)
    if (source === "inherit") own.push(undefined);
    else if (source === "ignore") own.push(yield* open(child.task, "/dev/null", O.RDWR));
    else {
      const inherited = yield* source.inherit(child);
      // The caller's stdout may be the program's stderr.
      own.push(inherited.near > 2 ? inherited : yield* inherited.dup(3));
    }
  for (const [i, target] of [child.stdin, child.stdout, child.stderr].entries())
    yield* own[i]?.dup3(target) ?? Effect.void;
});

/** Executes the program, found as execvp(3) finds it. */
const execute = Effect.fnUntraced(function* (
  child: ChildThread,
  { command, args, argv0, env, cwd }: RunRequest,
): Effect.fn.Return<void, HandleFailure | RunError> {
  const environ = Environment.fromRecord(env);
  const found = yield* Effect.mapError(
    which(child.task, environ, command),
    (error) =>
      new RunError({
        problem:
          error._tag === "ExecutableNotFoundError" && command.includes("/")
            ? `${error.message} (in ${cwd})`
            : error.message,
        status:
          error._tag === "ExecutableNotFoundError" && error.notExecutable === undefined ? 127 : 126,
      }),
  );
  const program = Command.make(found.executable, ...args).argv0(argv0);
  yield* Effect.mapError(child.with({ environ }).exec(program), failed(command, 126));
});

/** Writes all that the program is to read. It need not read it. */
const write = (thread: Thread, fd: FileDescriptor, bytes: Uint8Array) =>
  Effect.scoped(
    Effect.flatMap(thread.makeAfd(fd), (afd) =>
      Effect.andThen(afd.writeAllBytes(bytes), afd.close()),
    ),
  );

/** An output of a program. */
interface Output {
  readonly bytes: () => Uint8Array;
  /** Until no process has it any more. */
  readonly untilEnd: Effect.Effect<void>;
}

/** Reads an output, for as long as the scope. */
const collect = Effect.fnUntraced(function* (
  thread: Thread,
  reader: FileDescriptor | undefined,
  tooMuch: Deferred.Deferred<never, RunError>,
): Effect.fn.Return<Output, HandleFailure, Scope.Scope> {
  if (reader === undefined) return { bytes: () => new Uint8Array(), untilEnd: Effect.void };
  const chunks: Array<Uint8Array> = [];
  let length = 0;
  const afd = yield* thread.makeAfd(reader);
  const reading = yield* Effect.forkScoped(
    Stream.runForEach(afd.stream(), (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      return length <= OUTPUT_LIMIT ? Effect.void : Deferred.fail(tooMuch, TOO_MUCH);
    }),
  );
  return {
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
    untilEnd: Effect.asVoid(Fiber.await(reading)),
  };
});
