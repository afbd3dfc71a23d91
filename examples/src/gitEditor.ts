/* git commit starts its editor, which is a function of this program: it writes the message and ends. */
import { Effect } from "effect";
import { LocalThread, StubServer } from "rsyscall";

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const directory = yield* thread.mkdtemp();
  const editor = yield* StubServer.make(thread, directory, "editor");
  yield* Effect.forkScoped(
    editor.serve(({ argv, thread: caller }) =>
      Effect.gen(function* () {
        console.log(`git called ${argv[0]?.split("/").at(-1)} ${argv[1]?.split("/").at(-1)}`);
        // Here "caller" is the process that git has started: its files and its directory.
        yield* caller.spit(argv[1] ?? "", "Written by a function\n");
        return 0;
      }),
    ),
  );

  const git = (yield* thread.which("git")).env({
    GIT_EDITOR: `${directory}/editor`,
    GIT_CONFIG_GLOBAL: "/dev/null",
  });
  const options = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
  const repository = { cwd: directory };
  yield* thread.run(git.args("init", "--quiet", "."), repository);
  const state = yield* thread.run(git.args(...options, "commit", "--allow-empty"), repository);
  console.log(`git commit ${state}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
