import {
  type FileDescriptor,
  type HandleFailure,
  type MallocFailure,
  readlink,
} from "@rsyscall/handle";
import { oneLine, Path, type PathLike, pathText, printable } from "@rsyscall/near";
import type { Command, ExecutableNotFoundError, RunOptions, Thread } from "@rsyscall/thread";
import { Effect, type Scope, Stream } from "effect";
import { NixError } from "./errors.ts";
import { isStorePath } from "./internal/storePath.ts";

/** What an operation of a store can fail with. */
export type NixFailure = NixError | HandleFailure;

/** How far a copy is. */
export interface CopyProgress {
  /** Bytes that have been sent so far. The size of the archive is unknown until it ends. */
  readonly bytes: number;
  /** The store paths that are copied. */
  readonly paths: ReadonlyArray<string>;
}

/** Options of a copy from one store to another. */
export interface CopyOptions {
  /** Runs after every piece that was sent. Default: nothing. */
  readonly onProgress?: (progress: CopyProgress) => Effect.Effect<void>;
}

/**
 * The Nix store that a Thread uses: the one that its `nix-store` uses by its settings and by the Thread's
 * environment (`NIX_REMOTE`).
 *
 * @see https://nixos.org/manual/nix/stable/command-ref/nix-store.html
 */
export class NixStore {
  /** The Thread whose store it is. */
  readonly thread: Thread;
  readonly #program: Command;

  private constructor(thread: Thread, program: Command) {
    this.thread = thread;
    this.#program = program;
  }

  /**
   * Finds the program by which the store is used. ExecutableNotFoundError if the Thread's PATH has none.
   *
   * @param program nix-store(1), with options that it always needs. Default: the one in
   *   the Thread's PATH
   */
  static make(
    thread: Thread,
    program?: Command,
  ): Effect.Effect<NixStore, ExecutableNotFoundError | MallocFailure> {
    return Effect.map(
      program === undefined ? thread.which("nix-store") : Effect.succeed(program),
      (found) => new NixStore(thread, found),
    );
  }

  /** Adds a copy of a file or a directory, and gives its store path. */
  add(path: PathLike): Effect.Effect<Path, NixFailure> {
    const words = ["--add", operand(path)];
    return Effect.flatMap(this.#storePaths(words), ([added]) =>
      added === undefined
        ? Effect.fail(this.#error(words, "it has named no store path"))
        : Effect.succeed(Path.make(added)),
    );
  }

  /**
   * Makes sure that store paths exist: builds them, or fetches them from the store's substituters.
   * The garbage collector keeps them, and what they refer to, until the scope closes.
   */
  realise(
    ...paths: ReadonlyArray<PathLike>
  ): Effect.Effect<ReadonlyArray<Path>, NixFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const directory = yield* this.thread.mkdtemp({ prefix: "nix-roots-" });
      const root = `${directory.text}/root`;
      const words = ["--realise", ...paths.map(operand), "--add-root", root];
      const links = yield* this.#lines(words);
      return yield* Effect.forEach(links, (link) =>
        Effect.tap(readlink(this.thread.task, link), ({ text }) => this.#check(words, [text])),
      );
    });
  }

  /** Gives the closure of store paths, themselves included: a path comes after those that it refers to. */
  closure(...paths: ReadonlyArray<PathLike>): Effect.Effect<ReadonlyArray<string>, NixFailure> {
    return this.#storePaths(["--query", "--requisites", ...paths.map(operand)]);
  }

  /** Gives the store paths that are not in this store. */
  missing(paths: ReadonlyArray<PathLike>): Effect.Effect<ReadonlyArray<string>, NixFailure> {
    return this.#storePaths(["--check-validity", "--print-invalid", ...paths.map(operand)]);
  }

  /**
   * Copies the closure of store paths to the store of another Thread, without the paths that are there
   * already. The paths are the same there. Nothing is stored in files on the way.
   *
   * Each `nix-store` gets only store paths as arguments, and this one only those that are to be copied, whatever
   * the other store answers. But a store believes what it imports: copy from stores that you trust.
   */
  copyTo(
    other: NixStore,
    paths: ReadonlyArray<PathLike>,
    { onProgress = () => Effect.void }: CopyOptions = {},
  ): Effect.Effect<ReadonlyArray<string>, NixFailure> {
    return Effect.gen({ self: this }, function* () {
      const closure = yield* this.closure(...paths);
      const words = ["--check-validity", "--print-invalid", ...closure];
      const missing = yield* other.#storePaths(words, new Set(closure));
      if (missing.length > 0) yield* Effect.scoped(this.#export(other, missing, onProgress));
      return missing;
    });
  }

  /** Pipes nix-store --export of one store into nix-store --import of the other. */
  #export(
    other: NixStore,
    paths: ReadonlyArray<string>,
    onProgress: NonNullable<CopyOptions["onProgress"]>,
  ): Effect.Effect<void, NixFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const [archive, exported] = yield* this.thread.pipe();
      const [importing, sent] = yield* other.thread.pipe();
      let bytes = 0;
      const transfer = this.thread.stream(archive).pipe(
        Stream.tap((piece) => {
          bytes += piece.length;
          return onProgress({ bytes, paths });
        }),
        Stream.run(other.thread.sink(sent)),
        // The program that failed says why. The other fails as well, because its pipe has no other end then.
        Effect.ensuring(Effect.ignore(Effect.andThen(sent.close(), archive.close()))),
        Effect.ignore,
      );
      yield* Effect.all(
        [
          this.#run(["--export", ...paths], { stdout: exported }),
          other.#storePaths(["--import"], new Set(paths), { stdin: importing }),
          transfer,
        ],
        { concurrency: "unbounded" },
      );
    });
  }

  #lines(
    words: ReadonlyArray<string>,
    options?: RunOptions,
  ): Effect.Effect<ReadonlyArray<string>, NixFailure> {
    return Effect.map(this.#run(words, options), (text) =>
      text.split("\n").filter((line) => line !== ""),
    );
  }

  /** Gives the store paths in its output, which may become arguments of another store's nix-store. */
  #storePaths(
    words: ReadonlyArray<string>,
    among?: ReadonlySet<string>,
    options?: RunOptions,
  ): Effect.Effect<ReadonlyArray<string>, NixFailure> {
    return Effect.tap(this.#lines(words, options), (lines) => this.#check(words, lines, among));
  }

  /** Checks answers of a store: a far host may answer with an option for nix-store, or a path outside of the copy. */
  #check(
    words: ReadonlyArray<string>,
    lines: ReadonlyArray<string>,
    among?: ReadonlySet<string>,
  ): Effect.Effect<void, NixError> {
    const wrong = lines.find((line) => !isStorePath(line));
    const other = lines.find((line) => among?.has(line) === false);
    if (wrong === undefined && other === undefined) return Effect.void;
    const problem =
      wrong === undefined
        ? `it has named "${other}", of which it was not told`
        : `it has named "${printable(wrong, 100)}", which is no store path`;
    return Effect.fail(this.#error(words, problem));
  }

  #error(words: ReadonlyArray<string>, problem: string, stderr = ""): NixError {
    return new NixError({ command: String(this.#program.args(...words)), problem, stderr });
  }

  /** Runs nix-store to its end. Gives what it has written to stdout, unless `stdout` is given. */
  #run(words: ReadonlyArray<string>, options: RunOptions = {}): Effect.Effect<string, NixFailure> {
    const command = this.#program.args(...words);
    const { thread } = this;
    const error = this.#error.bind(this);
    return Effect.scoped(
      Effect.gen(function* () {
        const [errors, stderr] = yield* thread.pipe();
        const [output, stdout] =
          options.stdout === undefined ? yield* thread.pipe() : [undefined, options.stdout];
        const stdin = options.stdin ?? (yield* thread.open("/dev/null"));
        const process = yield* thread.spawn(command, { ...options, stdin, stdout, stderr });
        // Only the program has them now: they close when it ends.
        const given: ReadonlyArray<FileDescriptor> = [stdin, stdout, stderr];
        yield* Effect.forEach(given, (fd) => fd.close(), { discard: true });
        const [said, text] = yield* Effect.all(
          [
            thread.readTextToEof(errors),
            output === undefined ? Effect.succeed("") : thread.readTextToEof(output),
          ],
          { concurrency: "unbounded" },
        );
        const state = yield* process.wait();
        if (state.clean) return text;
        return yield* error(words, `it ${state}`, said);
      }),
    );
  }
}

oneLine(NixStore, ({ thread }) => `of ${thread}`);
/** A path as an argument of nix-store(1), which takes words that begin with `-` for options, even after `--`. */
const operand = (path: PathLike): string => {
  const text = pathText(path);
  return text.startsWith("-") ? `./${text}` : text;
};
