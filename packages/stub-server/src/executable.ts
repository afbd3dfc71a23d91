import { ACCESS, O, S_IF, S_IFMT } from "@rsyscall/abi";
import { absolutePath, access, type HandleFailure, stat, symlink, unlink } from "@rsyscall/handle";
import { catchErrno, InvalidArgumentError, Path, type PathLike, pathProblem } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { place, workshop } from "@rsyscall/transport";
import { Effect, Scope } from "effect";
import { creationError, StubServerError } from "./errors.ts";
import { judgeExecutable } from "./occupants.ts";
import { namingSocket } from "./stubFile.ts";

/**
 * How the executable gets to its place.
 *
 * - `symlink`: a link to the stub, which finds the socket beside it. It works on a file system that is mounted
 *   noexec.
 * - `copy`: a copy of the stub, for callers that resolve links before they execute.
 * - `script`: a copy that names the socket, in place of a wrapper script that would do so in the environment. It
 *   can be copied, moved and linked to under any name. There is no shell in between, which would add to the
 *   environment, leave out what it has no names for, and give up the effective ids of its caller.
 *
 * With each, argv, environment and ids arrive as the caller gave them.
 */
export type LinkMode = "symlink" | "copy" | "script";

const modes: ReadonlyArray<string> = [
  "symlink",
  "copy",
  "script",
] satisfies ReadonlyArray<LinkMode>;

/** The path of an executable in a directory, which must be one. */
export const executablePath = Effect.fnUntraced(function* (
  thread: Thread,
  directory: PathLike,
  name: PathLike,
): Effect.fn.Return<Path, HandleFailure | StubServerError> {
  const file = pathProblem(name) === undefined ? Path.make(name).text : undefined;
  if (file === undefined || file === "" || file === "." || file === ".." || /[/\0]/.test(file))
    return yield* new StubServerError({
      reason: "NameInvalid",
      subject: file === undefined ? `what is ${typeof name}` : JSON.stringify(file),
      problem: "is no file name",
      remedy: "give the bare name of the program",
    });
  const absolute = yield* absolutePath(thread.task, directory);
  const { mode } = yield* Effect.mapError(stat(thread.task, absolute), (error) =>
    creationError(absolute.join(file).text)(error),
  );
  if ((mode & S_IFMT) !== S_IF.DIR)
    return yield* new StubServerError({
      reason: "DirectoryMissing",
      subject: absolute.text,
      problem: "is no directory",
      remedy: "give the path of a directory",
    });
  return absolute.join(file);
});

/** Puts an executable in place, until the scope closes. */
export const placeExecutable = (
  thread: Thread,
  path: Path,
  socketPath: Path,
  stub: Path,
  mode: LinkMode,
): Effect.Effect<void, HandleFailure | StubServerError, Scope.Scope> => {
  if (!modes.includes(mode)) {
    const expected = `one of ${modes.join(", ")}`;
    return Effect.fail(
      new InvalidArgumentError({
        syscall: "StubServer.make",
        argument: "link",
        value: mode,
        expected,
      }),
    );
  }
  const create = Effect.gen(function* () {
    const outer = yield* Effect.scope;
    yield* checkStub(thread, stub);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const made = (yield* workshop(thread, path)).join("executable");
        if (mode === "symlink") yield* symlink(thread.task, stub, made);
        else {
          const content = yield* thread.slurp(stub);
          yield* createExecutable(
            thread,
            made,
            path,
            mode === "copy" ? content : yield* withSocket(stub, content, socketPath),
          );
        }
        yield* place(thread, made, path, judgeExecutable(thread, path, stub)).pipe(
          Scope.provide(outer),
          Effect.tapError(() => Effect.ignore(unlink(thread.task, made))),
        );
      }),
    );
  });
  return Effect.mapError(create, (error) =>
    error instanceof StubServerError ? error : creationError(path.text)(error),
  );
};

/**
 * Makes an executable file, which is to get the name `path` later.
 *
 * The kernel executes no file that any process has open for writing (ETXTBSY), and a child that another thread of
 * the process is just making has a copy of all descriptors until it executes its program. So the file is written
 * in a child of ours, which has a table of its own and makes no children.
 */
const createExecutable = (
  thread: Thread,
  made: Path,
  path: Path,
  content: Uint8Array,
): Effect.Effect<void, HandleFailure | StubServerError> => {
  const { task } = thread;
  const write = Effect.scoped(
    Effect.gen(function* () {
      const child = yield* thread.fork();
      const file = yield* child.open(made, O.WRONLY | O.CREAT | O.EXCL, 0o700);
      yield* file.writeAllBytes(content);
      yield* file.chmod(0o755);
      yield* file.close();
    }),
  );
  const checkExecutable = Effect.mapError(access(task, made, ACCESS.X), (cause) =>
    cause._tag === "SyscallError" && cause.errno === "EACCES"
      ? new StubServerError({
          reason: "StubNotExecutable",
          subject: path.text,
          problem: "could not be executed on this file system",
          remedy: 'use link: "symlink", or a directory that is not mounted noexec',
          cause,
        })
      : cause,
  );
  return write.pipe(
    Effect.andThen(checkExecutable),
    Effect.tapError(() => Effect.ignore(unlink(task, made))),
  );
};

/** The stub with the path of its socket in it. */
const withSocket = (
  stub: Path,
  content: Uint8Array,
  socketPath: Path,
): Effect.Effect<Uint8Array, StubServerError> =>
  Effect.suspend(() => {
    const copy = namingSocket(content, socketPath);
    return copy !== undefined
      ? Effect.succeed(copy)
      : Effect.fail(
          new StubServerError({
            reason: "StubOutdated",
            subject: stub.text,
            problem: `has no room for the path of the socket, ${socketPath.text}`,
            remedy: 'give the stub that comes with this package, or use link: "copy"',
          }),
        );
  });

/** As a shell takes it literally: between single quotes everything is, except a single quote. */
const quoted = (path: Path): string => `'${path.text.replaceAll("'", `'\\''`)}'`;

/** The stub must be an executable for the machine of the thread. */
const checkStub = (
  thread: Thread,
  stub: Path,
): Effect.Effect<void, HandleFailure | StubServerError> => {
  const fail = (
    reason: StubServerError["reason"],
    problem: string,
    remedy: string,
    cause?: HandleFailure,
  ) =>
    Effect.fail(
      new StubServerError({
        reason,
        subject: stub.text,
        problem,
        remedy,
        ...(cause && { cause }),
      }),
    );
  return Effect.gen(function* () {
    const { mode } = yield* stat(thread.task, stub);
    if ((mode & S_IFMT) !== S_IF.REG)
      return yield* fail("StubMissing", "is no file", "give the path of the stub executable");
    yield* access(thread.task, stub, ACCESS.X);
    const header = yield* Effect.scoped(
      Effect.flatMap(thread.open(stub), (file) => file.readBytes(20)),
    );
    const { machine, elfMachine } = thread.task.abi;
    const actual = elfMachineOf(header);
    if (actual !== elfMachine)
      return yield* fail(
        "StubWrongMachine",
        actual === undefined ? "is no ELF executable" : `is for ELF machine ${actual}`,
        `give a stub for ${machine} (ELF machine ${elfMachine})`,
      );
  }).pipe(
    catchErrno(["ENOENT", "ENOTDIR"], (cause) =>
      fail(
        "StubMissing",
        "does not exist",
        "build it with 'npm run build', or reinstall @rsyscall/native",
        cause,
      ),
    ),
    catchErrno("EACCES", (cause) =>
      fail(
        "StubNotExecutable",
        "may not be executed",
        `run 'chmod +x ${quoted(stub)}', and check the directories above and the mount options`,
        cause,
      ),
    ),
  );
};

/** e_machine, when this is an ELF file. */
const elfMachineOf = (header: Uint8Array): number | undefined =>
  header.length >= 20 && [0x7f, 0x45, 0x4c, 0x46].every((byte, i) => header[i] === byte)
    ? new DataView(header.buffer, header.byteOffset).getUint16(18, true)
    : undefined;
