import { O } from "@rsyscall/abi";
import {
  Directory,
  type FileDescriptor,
  type HandleFailure,
  mkdir,
  open,
  type Task,
} from "@rsyscall/handle";
import {
  catchErrno,
  InvalidArgumentError,
  invalidPath,
  Path,
  type PathLike,
  pathArgument,
} from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { type Environment, isCString } from "./Environment.ts";

/** Where a temporary file or directory is made, and its name. */
export interface TemporaryOptions {
  /** What the name begins with. Default "rsyscall-". */
  readonly prefix?: string;
  /** The directory to make it in. Default: the environment's TMPDIR, or /tmp. */
  readonly directory?: PathLike;
}

/** How many names are tried: that many exist only if another process makes them on purpose. */
const ATTEMPTS = 16;

/**
 * Makes a file or directory at a new path. The scope removes it, even if the process has changed its root since.
 * It is left if the process is gone, or something is mounted there.
 */
const makeTemporary = <A>(
  task: Task,
  environ: Environment,
  options: TemporaryOptions,
  make: (path: Path) => Effect.Effect<A, HandleFailure, Scope.Scope>,
): Effect.Effect<A, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { prefix = "rsyscall-", directory = environ.tmpdir } = options;
    if (!isCString(prefix))
      return yield* new InvalidArgumentError({
        syscall: "mktemp",
        argument: "prefix",
        value: prefix,
        expected: "text without a NUL, and without half of a character",
      });
    if (pathArgument(directory) === undefined)
      return yield* invalidPath("mktemp", directory, "directory");
    const parent = yield* Directory.make(task, directory, O.PATH);
    const attempt = (left: number): Effect.Effect<A, HandleFailure, Scope.Scope> => {
      // By the global `crypto`, which Node loads when it is used: node:crypto takes 4 ms of every import.
      const random = crypto.getRandomValues(new Uint8Array(12));
      const name = prefix + Buffer.from(random).toString("base64url");
      const path = Path.make(directory, name);
      const acquire = Effect.acquireRelease(make(path), () =>
        parent
          .removeTree(name)
          .pipe(Effect.catch((error) => Effect.logDebug(`${path} was left: ${error.message}`))),
      );
      return left === 0
        ? acquire
        : catchErrno("EEXIST", () => Effect.suspend(() => attempt(left - 1)))(acquire);
    };
    return yield* attempt(ATTEMPTS);
  });

/**
 * mkdtemp(3): makes a new directory that only the process's user may enter; the scope removes it with all that is
 * in it.
 */
export const mkdtemp = (
  task: Task,
  environ: Environment,
  options: TemporaryOptions = {},
): Effect.Effect<Path, HandleFailure, Scope.Scope> =>
  makeTemporary(task, environ, options, (path) => Effect.as(mkdir(task, path, 0o700), path));

/** mkstemp(3): makes a new file that only the process's user may open; the scope removes it. */
export const mkstemp = (
  task: Task,
  environ: Environment,
  options: TemporaryOptions = {},
): Effect.Effect<
  { readonly path: Path; readonly file: FileDescriptor },
  HandleFailure,
  Scope.Scope
> =>
  makeTemporary(task, environ, options, (path) =>
    Effect.map(open(task, path, O.RDWR | O.CREAT | O.EXCL, 0o600), (file) => ({ path, file })),
  );
