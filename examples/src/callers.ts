import { Effect } from "effect";
import { StubServer, type Thread } from "rsyscall";
import { printCall } from "./printCall.ts";
import { runProgram } from "./runProgram.ts";

type Env = Readonly<Record<string, string | undefined>>;

const script = `sendmail -t -i <<MAIL
To: root
From: nightly@example.com
Subject: backup finished

All files were copied.
MAIL
echo "the script goes on; sendmail's exit status was $?"
`;

/** Runs a POSIX shell script that sends mail. */
export const shellScript = (env: Env) => runProgram("sh", ["-c", script], { env });

/**
 * Runs git with a function as its editor. The function acts as the process that git started, and writes the
 * message into the file that git names, through that process.
 */
export const gitCommit = (thread: Thread, directory: string, env: Env) =>
  Effect.gen(function* () {
    const editor = yield* StubServer.make(thread, directory, "editor");
    yield* Effect.forkScoped(
      editor.serve((call) =>
        Effect.gen(function* () {
          const file = call.argv[1] ?? "";
          yield* call.thread.spit(file, "Written by a TypeScript callback\n");
          yield* printCall(call, { wrote: file, status: 0 });
        }),
      ),
    );
    const options = {
      cwd: directory,
      env: {
        ...env,
        GIT_EDITOR: "editor",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_SYSTEM: "/dev/null",
        GIT_AUTHOR_NAME: "Somebody",
        GIT_AUTHOR_EMAIL: "somebody@example.com",
        GIT_COMMITTER_NAME: "Somebody",
        GIT_COMMITTER_EMAIL: "somebody@example.com",
      },
    };
    const initialised = yield* runProgram("git", ["init", "--quiet", "repository"], options);
    if (initialised !== 0) return initialised;
    return yield* runProgram("git", ["-C", "repository", "commit", "--allow-empty"], options);
  }).pipe(Effect.scoped);
