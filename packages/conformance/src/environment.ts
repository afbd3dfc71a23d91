import type { ExecutableNotFoundError } from "@rsyscall/thread";
import { Effect } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, failing, ok } from "./internal/expect.ts";
import { newThread } from "./internal/subject.ts";

export const environment: ReadonlyArray<Behaviour> = topic("environment", [
  behaviour(
    "gives programs the process's variables, with what was changed of them",
    ["programs"],
    function* () {
      const thread = yield* newThread;
      const value = new Uint8Array([0x61, 0xff, 0x3d, 0x0a, 0x62]);
      yield* thread.environ.set("RSYSCALL_SET", value);
      yield* thread.environ.set("RSYSCALL_GONE", "gone");
      yield* thread.environ.delete("RSYSCALL_GONE");
      equalBytes(thread.environ.getBytes("RSYSCALL_SET") ?? new Uint8Array(0), value, "a variable");
      const [reader, writer] = yield* thread.pipe();
      const print = 'printf "%s" "[$RSYSCALL_GONE] $RSYSCALL_SET"';
      yield* thread.run(thread.environ.sh.args("-c", print), { stdout: writer });
      yield* writer.close();
      const seen = yield* thread.readToEof(reader);
      equal(utf8(seen.subarray(0, 3)), "[] ", "a variable that was deleted");
      equalBytes(seen.subarray(3), value, "a variable that was set");
      yield* thread.environ.delete("RSYSCALL_SET");
    },
  ),

  behaviour("gives children an environment of their own", ["children"], function* () {
    const thread = yield* newThread;
    yield* thread.environ.set("RSYSCALL_BOTH", "parent");
    const child = yield* thread.fork();
    equal(child.environ.get("RSYSCALL_BOTH"), "parent", "a variable of the parent, in the child");
    yield* child.environ.set("RSYSCALL_BOTH", "child");
    equal(thread.environ.get("RSYSCALL_BOTH"), "parent", "the parent's after the child's change");
    yield* thread.environ.delete("RSYSCALL_BOTH");
  }),

  behaviour(
    "finds programs by PATH, in the file system of the process",
    ["programs"],
    function* () {
      const thread = yield* newThread;
      const directory = yield* thread.mkdtemp();
      const before = thread.environ.get("PATH");
      yield* Effect.gen(function* () {
        yield* thread.environ.set("PATH", `/no/such:${directory}:/usr/bin:/bin`);
        yield* thread.spit(`${directory}/here`, "#!/bin/sh\nexit 9\n", 0o755);
        yield* thread.spit(`${directory}/data`, "no program\n", 0o644);
        const here = yield* thread.which("here");
        equal(here.executable.text, `${directory}/here`, "where the program is");
        equal((yield* thread.run(here)).exitStatus, 9, "the status of the program");
        ok((yield* thread.which("sh")).executable.text.endsWith("/sh"), "sh should be found");
        for (const name of ["data", "no-such-program"]) {
          const error = yield* failing(
            thread.which(name),
            ["ExecutableNotFoundError"],
            `which of "${name}"`,
          );
          equal((error as ExecutableNotFoundError).program, name, "the name that was not found");
        }
      }).pipe(
        Effect.ensuring(
          Effect.ignore(
            before === undefined
              ? thread.environ.delete("PATH")
              : thread.environ.set("PATH", before),
          ),
        ),
      );
    },
  ),
]);
