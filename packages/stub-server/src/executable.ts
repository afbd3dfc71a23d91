import { ACCESS, fsEncode, O, S_IF, S_IFMT } from "@rsyscall/abi";
import { access, type HandleFailure, stat, symlink, unlink } from "@rsyscall/handle";
import { catchErrno, type Path } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Scope } from "effect";
import { creationError, StubServerError } from "./errors.ts";
import { judgeExecutable, place, workshop } from "./placement.ts";

/**
 * How the executable gets to its place.
 *
 * - `symlink`: a link to the stub, which finds the socket beside it. argv and environment arrive as
 *   they were given, and it works on a file system that is mounted noexec.
 * - `copy`: a copy of the stub, for callers that resolve links before they execute.
 * - `script`: a shell script that names the socket in the environment. argv[0] is the script's path.
 */
export type LinkMode = "symlink" | "copy" | "script";

/** Puts an executable in place, until the scope closes. */
export const placeExecutable = (
  thread: Thread,
  path: Path,
  socketPath: Path,
  stub: Path,
  mode: LinkMode,
): Effect.Effect<void, HandleFailure | StubServerError, Scope.Scope> => {
  const create = Effect.gen(function* () {
    const outer = yield* Effect.scope;
    yield* checkStub(thread, stub);
    yield* Effect.scoped(
      Effect.gen(function* () {
        const made = (yield* workshop(thread, path)).join("executable");
        if (mode === "symlink") yield* symlink(thread.task, stub, made);
        else {
          const content = mode === "copy" ? yield* thread.slurp(stub) : script(stub, socketPath);
          yield* createExecutable(thread, made, path, content);
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

/** Makes an executable file, which is to get the name `path` later. */
const createExecutable = (
  thread: Thread,
  made: Path,
  path: Path,
  content: Uint8Array,
): Effect.Effect<void, HandleFailure | StubServerError> => {
  const { task } = thread;
  const write = Effect.scoped(
    Effect.gen(function* () {
      const file = yield* thread.open(made, O.WRONLY | O.CREAT | O.EXCL, 0o700);
      yield* file.writeAllBytes(content);
      yield* file.chmod(0o755);
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
  // The descriptor is closed before the name is there: the kernel executes no file that is open for
  // writing (ETXTBSY).
  return write.pipe(
    Effect.andThen(checkExecutable),
    Effect.tapError(() => Effect.ignore(unlink(task, made))),
  );
};

/** Everything is literal between single quotes, but a single quote. */
const quoted = (path: Path): string => `'${path.text.replaceAll("'", `'\\''`)}'`;

/** "-" ends the shell's options: what follows is our path, which may begin with one. */
const script = (stub: Path, socketPath: Path): Uint8Array =>
  fsEncode(
    `#!/bin/sh -
RSYSCALL_UNIX_STUB_SOCK_PATH=${quoted(socketPath)} RSYSCALL_UNIX_STUB_ARGV0="$0" exec ${quoted(stub)} "$@"
`,
  );

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
