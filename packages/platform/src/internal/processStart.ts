import { O } from "@rsyscall/abi";
import type { Epoller } from "@rsyscall/epoller";
import {
  chdir,
  type FdKind,
  FileDescriptor,
  type HandleFailure,
  open,
  type Pidfd,
  type PipeReader,
  type PipeWriter,
  pipe,
  Socket,
  setsid,
} from "@rsyscall/handle";
import { catchErrno, Fd, pathText, SyscallError } from "@rsyscall/near";
import {
  type ChildProcess,
  type ChildThread,
  Environment,
  type ExecutableNotFoundError,
  fieldsOf,
  type Thread,
  which,
} from "@rsyscall/thread";
import { Effect, Exit, Fiber, PlatformError, Scope } from "effect";
import { platformError } from "../platformError.ts";
import { openPassage, type Passage } from "./descriptorPassage.ts";
import { end } from "./processEnd.ts";
import { signalGroup, type Target } from "./processGroup.ts";
import { MODULE, type Plan, type Wire } from "./processPlan.ts";

/** A running program. */
export interface Started extends Target {
  /** The other ends of its descriptors, in the task that they are passed to: mostly the controller. */
  readonly ends: ReadonlyMap<number, FileDescriptor>;
  /** Tells when these are ready. */
  readonly epoller: Epoller;
  /** Lets it outlive its scope and the program that started it. Idempotent. */
  readonly unref: () => Effect.Effect<void>;
  /** Undoes `unref`: it ends with its scope again, and keeps the event loop alive. */
  readonly ref: () => Effect.Effect<void>;
}

/**
 * Starts a program as a child of the Thread. The scope ends it, as the plan says.
 *
 * @param given the descriptors for wires of the type `given`, in the task that has the program's other ends
 */
export const start = (
  thread: Thread,
  plan: Plan,
  given: ReadonlyMap<number, FileDescriptor>,
): Effect.Effect<Started, PlatformError.PlatformError, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      // The pidfd lives as long as the process or the Thread, and so perhaps longer than the scope.
      const life = yield* Scope.fork(fieldsOf(thread).scope);
      return yield* Effect.gen(function* () {
        const passage = yield* Scope.provide(openPassage(thread), life);
        const child = yield* Scope.provide(fork(thread, plan, life), life);
        const { process } = child;
        const { ends, epoller, pidfd } = yield* become(child, passage, plan, given, scope).pipe(
          Scope.provide(life),
          Effect.onError(() => process.killAndWait()),
        );
        // Either scope may be the last: that of a caller that unref'ed it, or that of a Thread that ends.
        const inScope = yield* Scope.provide(pidfd.forTask(pidfd.task), scope);
        const target: Target = { process, pidfds: [pidfd, inScope], leadsGroup: plan.detached };
        const { hold, letGo } = holding(thread, process);
        yield* hold;
        yield* Scope.addFinalizer(life, letGo);
        const over = yield* Effect.forkIn(
          Effect.exit(process.ended()).pipe(
            Effect.andThen(letGo),
            Effect.andThen(endOthers(target, plan)),
          ),
          life,
        );
        let isReferenced = true;
        const setReferenced = (value: boolean) =>
          Effect.sync(() => {
            isReferenced = value;
          });
        yield* Scope.addFinalizer(
          scope,
          Effect.suspend(() =>
            Effect.andThen(
              isReferenced || hasFailed(process)
                ? Effect.ignore(end(target, plan.ending))
                : Effect.void,
              Effect.andThen(letGo, closeAfter(over, thread, process, life)),
            ),
          ),
        );
        return {
          ...target,
          ends,
          epoller,
          unref: () => Effect.andThen(letGo, setReferenced(false)),
          ref: () => Effect.andThen(hold, setReferenced(true)),
        };
      }).pipe(Effect.onError((cause) => Scope.close(life, Exit.failCause(cause))));
    }),
  ).pipe(
    Effect.mapError((error) =>
      PlatformError.isPlatformError(error)
        ? error
        : platformError(MODULE, "spawn", plan.name)(errnoOf(error)),
    ),
  );

/** The error that execvp(3) would give. */
const errnoOf = (error: HandleFailure | ExecutableNotFoundError): Error =>
  error._tag === "ExecutableNotFoundError"
    ? SyscallError.of(
        "execve",
        error.notExecutable === undefined ? "ENOENT" : "EACCES",
        error.notExecutable ?? error.program,
      )
    : error;

/** Keeps the event loop alive while a program runs, until it is unref'ed. */
const holding = ({ connection: { accessEpoller } }: Thread, process: ChildProcess) => {
  let isHeld = false;
  const hold = Effect.sync(() => {
    if (!isHeld && process.state === undefined) {
      isHeld = true;
      accessEpoller.hold();
    }
  });
  const letGo = Effect.sync(() => {
    if (isHeld) {
      isHeld = false;
      accessEpoller.letGo();
    }
  });
  return { hold, letGo };
};

/** Whether a process has exited with a status other than 0. */
const hasFailed = ({ state }: ChildProcess): boolean => (state?.exitStatus ?? 0) !== 0;

/** Ends what a failed program leaves behind, even if it was unref'ed. */
const endOthers = (target: Target, { ending }: Plan): Effect.Effect<void> =>
  Effect.suspend(() =>
    target.leadsGroup && hasFailed(target.process)
      ? Effect.ignore(signalGroup(target, ending.signal))
      : Effect.void,
  );

/** Closes the pidfd of a process as soon as there is nothing left to watch. */
const closeAfter = (
  over: Fiber.Fiber<void>,
  thread: Thread,
  process: ChildProcess,
  life: Scope.Closeable,
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const close = Effect.andThen(Fiber.await(over), Scope.close(life, Exit.void));
    return process.state === undefined
      ? Effect.asVoid(Effect.forkIn(close, fieldsOf(thread).scope))
      : close;
  });

/** Makes a child of the Thread that will become the program. */
const fork = (
  thread: Thread,
  { wires, outlivesThread }: Plan,
  life: Scope.Scope,
): Effect.Effect<ChildThread, HandleFailure, Scope.Scope> => {
  // A child may outlive its scope: this scope has its pidfd.
  const parent = thread.with({ scope: life });
  const forked = parent.fork({ detached: outlivesThread });
  const numbers = [...wires.keys()].filter((number) => number > 2);
  if (numbers.length === 0) return forked;
  // Channels of the child must not get the numbers of the program's descriptors.
  return Effect.acquireUseRelease(
    Scope.make(),
    (scope) =>
      Effect.andThen(
        Scope.provide(
          Effect.flatMap(thread.pipe(), ([reader]) =>
            Effect.forEach(numbers, (number) => reader.dup(number), { discard: true }),
          ),
          scope,
        ),
        forked,
      ),
    (scope) => Scope.close(scope, Exit.void),
  );
};

/** Wires up a child and executes the program in it. */
const become = Effect.fnUntraced(function* (
  child: ChildThread,
  passage: Passage,
  plan: Plan,
  given: ReadonlyMap<number, FileDescriptor>,
  scope: Scope.Scope,
): Effect.fn.Return<
  Pick<Started, "ends" | "epoller"> & { readonly pidfd: Pidfd },
  HandleFailure | ExecutableNotFoundError | PlatformError.PlatformError,
  Scope.Scope
> {
  const { task } = child;
  if (plan.detached) yield* setsid(task);
  if (plan.cwd !== undefined) yield* enter(child, plan.cwd);

  const connection = yield* passage(child);
  const handed = [...given];
  const passed = yield* connection.passTo(handed.map(([, fd]) => fd));
  const own = new Map<number, FileDescriptor>();
  for (const [i, [number]] of handed.entries()) own.set(number, passed[i] as FileDescriptor);
  const others: Array<[number, PipeReader | PipeWriter | Socket]> = [];
  for (const [number, wire] of plan.wires) {
    const pair = yield* wireUp(child, wire);
    if (pair === undefined) continue;
    own.set(number, pair[0]);
    if (pair[1] !== undefined) others.push([number, pair[1]]);
  }
  for (const [number, wire] of plan.wires)
    if (wire.type === "same") own.set(number, own.get(wire.as) as FileDescriptor);

  const ours = yield* Scope.provide(connection.passFrom(others.map(([, fd]) => fd)), scope);
  for (const fd of ours) fd.closeOnFork = true;
  const ends = new Map<number, FileDescriptor>(
    yield* Effect.forEach(
      others.entries(),
      ([i, [number, other]]) => {
        // The kind of a descriptor that was passed is unknown.
        const end = (ours[i] as FileDescriptor).narrow(other.constructor as FdKind<FileDescriptor>);
        return Effect.map(Scope.provide(end, scope), (fd) => [number, fd] as const);
      },
      { concurrency: "unbounded" },
    ),
  );

  yield* place(child, own);
  yield* execute(child, plan);
  const pidfd = yield* child.process.signalling();
  return { ends, epoller: connection.accessEpoller, pidfd };
});

/** Changes the directory: chdir(2). Its errors are those of Effect's own spawner, which calls access first. */
const enter = (
  child: ChildThread,
  cwd: string,
): Effect.Effect<void, PlatformError.PlatformError> => {
  const [module, method] = ["FileSystem", "access"] as const;
  return typeof cwd !== "string" || cwd.includes("\0")
    ? Effect.fail(
        PlatformError.badArgument({
          module,
          method,
          description: `${JSON.stringify(cwd)} cannot be a path`,
        }),
      )
    : Effect.mapError(chdir(child, cwd), platformError(module, method, cwd));
};

/** Opens the child's end of a wire, and our end if there is one. */
const wireUp = (
  { task }: ChildThread,
  { type }: Wire,
): Effect.Effect<
  readonly [own: FileDescriptor, other?: PipeReader | PipeWriter | Socket] | undefined,
  HandleFailure,
  Scope.Scope
> => {
  switch (type) {
    case "ignore":
      return Effect.map(open(task, "/dev/null", O.RDWR), (fd) => [fd] as const);
    case "input":
      return Effect.map(pipe(task), ([reader, writer]) => [reader, writer] as const);
    case "output":
      return Effect.map(pipe(task), ([reader, writer]) => [writer, reader] as const);
    case "duplex":
      return Socket.pair(task);
    default:
      return Effect.succeed(undefined);
  }
};

/** Puts descriptors in their places, none over one that is still needed. */
const place = Effect.fnUntraced(function* (
  { task }: ChildThread,
  wanted: ReadonlyMap<number, FileDescriptor>,
): Effect.fn.Return<void, HandleFailure, Scope.Scope> {
  const aside = new Map<FileDescriptor, FileDescriptor>();
  for (const [number, fd] of wanted) {
    if (fd.near === number || !wanted.has(fd.near) || aside.has(fd)) continue;
    let moved = yield* fd.dup(3);
    while (wanted.has(moved.near)) moved = yield* fd.dup(moved.near + 1);
    aside.set(fd, moved);
  }
  for (const [number, fd] of wanted)
    yield* (aside.get(fd) ?? fd).dup3(new FileDescriptor(task, Fd(number)));
});

/** Executes as execvpe(3): by the PATH of the program's environment, and by a shell what is no executable. */
const execute = (
  child: ChildThread,
  { program, argv, envp, path }: Plan,
): Effect.Effect<void, HandleFailure | ExecutableNotFoundError> => {
  const environ = Environment.fromRecord({ PATH: path });
  const found = program.includes("/")
    ? Effect.succeed(program)
    : Effect.map(which(child.task, environ, program), ({ executable }) => pathText(executable));
  return Effect.flatMap(found, (file) =>
    child
      .execve(file, argv, envp)
      .pipe(
        catchErrno("ENOEXEC", () =>
          child.execve("/bin/sh", ["/bin/sh", file, ...argv.slice(1)], envp),
        ),
      ),
  );
};
