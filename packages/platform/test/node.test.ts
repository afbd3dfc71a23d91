import { describeUnless, it, tempDirectory } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, FileSystem, type Layer, Path, PlatformError, type Sink, Stream } from "effect";
import { ChildProcess, type ChildProcessSpawner } from "effect/process";
import { assert } from "vitest";
import { ThreadChildProcessSpawner, ThreadFileSystem, ThreadPath } from "../src/index.ts";
import { comparisons, populate, tree } from "./nodeComparisons.ts";
import { threadKinds } from "./threadKinds.ts";

type Services = FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner;

interface NodeModule {
  // biome-ignore lint/suspicious/noExplicitAny: the layers differ, and are only composed here.
  readonly layer: Layer.Layer<any, never, any>;
}

/** Effect's own services for Node. They need a newer Node than we do, so they may not be installed. */
const load = (name: string): Promise<NodeModule | undefined> =>
  import(/* @vite-ignore */ `@effect/platform-node-shared/${name}`).catch(() => undefined);

const modules = await Promise.all(
  ["NodeFileSystem", "NodePath", "NodeChildProcessSpawner"].map(load),
);

const reason = modules.includes(undefined)
  ? "Effect's services for Node need Node 22.19"
  : undefined;

const provideNode = <A, E>(program: Effect.Effect<A, E, Services>): Effect.Effect<A, E> => {
  const [files, paths, programs] = modules as [NodeModule, NodeModule, NodeModule];
  return program.pipe(
    Effect.provide(programs.layer),
    Effect.provide(files.layer),
    Effect.provide(paths.layer),
  ) as Effect.Effect<A, E>;
};

/** A program that knows nothing of Threads. It tells all that it sees. */
const program = (directory: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const path = yield* Path.Path;
    const at = path.join(directory, "work");
    yield* fs.makeDirectory(path.join(at, "a", "b"), { recursive: true });
    const file = path.join(at, "a", "file");
    yield* fs.writeFileString(file, "one\ntwo\nthree\n");
    yield* fs.chmod(file, 0o640);
    yield* fs.symlink("file", path.join(at, "a", "link"));
    yield* fs.copy(path.join(at, "a"), path.join(at, "copy"));
    yield* fs.rename(path.join(at, "copy", "b"), path.join(at, "b"));
    yield* fs.truncate(file, 7);
    const { type, mode, size } = yield* fs.stat(path.join(at, "a", "link"));
    const streamed = yield* fs
      .stream(path.join(at, "copy", "file"))
      .pipe(Stream.decodeText, Stream.splitLines, Stream.runCollect);
    const counted = yield* Effect.scoped(
      Effect.flatMap(
        ChildProcess.make("sh", ["-c", "cat; echo $X >&2; exit 3"], {
          stdin: fs.stream(file) as never,
          env: { X: "x" },
          extendEnv: true,
        }),
        ({ stdout, stderr, exitCode }) =>
          Effect.all(
            [
              Stream.mkString(Stream.decodeText(stdout)),
              Stream.mkString(Stream.decodeText(stderr)),
              exitCode,
            ],
            { concurrency: "unbounded" },
          ),
      ),
    );
    const sorted = yield* Effect.scoped(
      Effect.flatMap(
        ChildProcess.make("printf", ["b\\na\\n"]).pipe(
          ChildProcess.pipeTo(ChildProcess.make("sort", [])),
        ),
        ({ stdout }) => Stream.mkString(Stream.decodeText(stdout)),
      ),
    );
    yield* Stream.run(
      Stream.make(new TextEncoder().encode("sunk")),
      fs.sink(path.join(at, "sunk")),
    );
    return {
      entries: [...(yield* fs.readDirectory(at, { recursive: true }))].sort(),
      status: { type, mode: mode & 0o7777, size: Number(size) },
      streamed,
      counted,
      sorted,
      link: yield* fs.readLink(path.join(at, "a", "link")),
      real: path.relative(directory, yield* fs.realPath(path.join(at, "copy", "link"))),
      sunk: yield* fs.readFileString(path.join(at, "sunk")),
      exists: [yield* fs.exists(file), yield* fs.exists(`${file}-not`)],
    };
  });

/** What goes wrong, by the names that Effect has for it. */
const failures = (directory: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const absent = `${directory}/absent`;
    const file = `${directory}/regular`;
    yield* fs.writeFileString(file, "");
    const wrong: Record<
      string,
      Effect.Effect<unknown, PlatformError.PlatformError, ChildProcessSpawner.ChildProcessSpawner>
    > = {
      access: fs.access(absent),
      copy: fs.copy(absent, file),
      copyFile: fs.copyFile(absent, file),
      chmod: fs.chmod(absent, 0o600),
      link: fs.link(absent, file),
      makeDirectory: fs.makeDirectory(directory),
      makeBelowFile: fs.makeDirectory(`${file}/x`),
      open: Effect.scoped(fs.open(absent)),
      openDirectory: Effect.scoped(fs.open(directory, { flag: "w" })),
      readDirectory: fs.readDirectory(file),
      readFile: fs.readFile(absent),
      readDirectoryAsFile: fs.readFile(directory),
      readLink: fs.readLink(file),
      realPath: fs.realPath(absent),
      remove: fs.remove(absent),
      rename: fs.rename(absent, file),
      stat: fs.stat(absent),
      symlink: fs.symlink("x", file),
      truncate: fs.truncate(absent),
      utimes: fs.utimes(absent, 0, 0),
      write: fs.writeFileString(`${absent}/x`, ""),
      stream: Stream.runDrain(fs.stream(absent)),
      sink: Stream.run(
        Stream.empty,
        fs.sink(`${absent}/x`) as Sink.Sink<void, never, never, PlatformError.PlatformError>,
      ),
      linkDirectory: fs.link(directory, `${directory}/x`),
      readWritable: Effect.scoped(
        Effect.flatMap(fs.open(file, { flag: "w" }), (file) => file.readAlloc(1)),
      ),
      writeReadable: Effect.scoped(
        Effect.flatMap(fs.open(file), (file) => file.writeAll(new Uint8Array(1))),
      ),
      seek: Effect.scoped(Effect.flatMap(fs.open(file), (file) => file.seek(-1n, "start"))),
      noFlag: Effect.scoped(fs.open(file, { flag: "x" as never })),
      noFollow: Effect.andThen(
        fs.symlink(file, `${directory}/symlink`),
        Effect.scoped(fs.open(`${directory}/symlink`, { noFollow: true })),
      ),
      nul: fs.stat("a\0"),
      watch: Stream.runDrain(fs.watch(absent)),
      spawn: Effect.scoped(Effect.asVoid(ChildProcess.make("no-such-program", []))),
      spawnNul: Effect.scoped(Effect.asVoid(ChildProcess.make("true", ["\0"]))),
      spawnNulEnv: Effect.scoped(Effect.asVoid(ChildProcess.make("true", { env: { A: "\0" } }))),
      spawnShell: Effect.scoped(Effect.asVoid(ChildProcess.make("echo", ["a"], { shell: true }))),
      spawnNulIn: Effect.scoped(Effect.asVoid(ChildProcess.make("true", { cwd: "a\0" }))),
      spawnEmpty: Effect.scoped(Effect.asVoid(ChildProcess.make("true", { cwd: "" }))),
      killed: Effect.scoped(
        Effect.gen(function* () {
          const sleep = yield* ChildProcess.make("sleep", ["1000"]);
          yield* sleep.kill();
          return yield* sleep.exitCode;
        }),
      ),
      killedTwice: Effect.scoped(
        Effect.gen(function* () {
          const sleep = yield* ChildProcess.make("sleep", ["1000"]);
          yield* sleep.kill();
          yield* sleep.kill();
        }),
      ),
      input: Effect.scoped(
        Effect.gen(function* () {
          const stdin = Stream.fail(PlatformError.badArgument({ module: "M", method: "m" }));
          const cat = yield* ChildProcess.make("cat", { stdin });
          return yield* cat.exitCode;
        }),
      ),
      spawnDirectory: Effect.scoped(Effect.asVoid(ChildProcess.make(directory, []))),
      spawnUnexecutable: Effect.scoped(Effect.asVoid(ChildProcess.make(file, []))),
      spawnElsewhere: Effect.scoped(Effect.asVoid(ChildProcess.make("true", [], { cwd: absent }))),
    };
    const seen: Record<string, string> = {};
    for (const [name, effect] of Object.entries(wrong)) {
      const outcome = yield* Effect.match(Effect.asVoid(effect), {
        onFailure: ({ reason: { _tag, module, method } }) => `${_tag}: ${module}.${method}`,
        onSuccess: () => "nothing",
      });
      seen[name] = outcome;
    }
    return seen;
  });

const ofNode = (of: typeof program | typeof failures) =>
  Effect.flatMap(tempDirectory, (directory) => provideNode(of(directory) as never));

/**
 * Where Node has a code of its own for an errno (ERR_FS_EISDIR) Effect says Unknown, and we say what the errno
 * is; and Node follows links to directories.
 */
const different = new Set([
  "copy of a directory over a file",
  "copy of a file over a directory",
  "readDirectory, recursive",
  "remove of a directory",
  "remove of a directory, by force",
]);

/** What each operation comes to, and how it leaves the directory. */
const outcomes = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  const seen: Record<string, unknown> = {};
  for (const { name, ours } of comparisons) {
    if (different.has(name)) continue;
    const directory = yield* tempDirectory;
    populate(directory);
    const outcome = yield* Effect.scoped(ours(fs, directory)).pipe(
      Effect.catch(({ reason: { _tag, module, method } }) =>
        Effect.succeed(`${_tag}: ${module}.${method}`),
      ),
    );
    seen[name] = [outcome, tree(directory)];
  }
  return seen;
});

describeUnless(reason, "a program that knows only Effect's services", () => {
  for (const { name, thread, missing } of threadKinds)
    it.skipIf(missing)(
      `sees in ${name} what it sees by Effect's own services for Node`,
      function* () {
        const where = yield* thread;
        for (const of of [program, failures]) {
          const directory = yield* tempDirectory;
          const seen = yield* (of(directory) as ReturnType<typeof program>).pipe(
            Effect.provide(ThreadChildProcessSpawner.layer(where)),
            Effect.provide(ThreadFileSystem.layer(where)),
            Effect.provide(ThreadPath.layer(where)),
          );
          assert.deepEqual(seen, yield* ofNode(of));
        }
      },
    );

  it("does with all of the FileSystem what it does with Effect's own", function* () {
    const seen = yield* Effect.provide(outcomes, ThreadFileSystem.layer(yield* LocalThread));
    assert.deepEqual(seen, yield* provideNode(outcomes as never));
  });
});
