import { O } from "@rsyscall/abi";
import { type FileDescriptor, open } from "@rsyscall/handle";
import type { StubCall } from "@rsyscall/stub-server";
import { Command, ExecutableNotFoundError } from "@rsyscall/thread";
import { Effect } from "effect";
import { findProgram } from "./names.ts";
import type { PassOptions } from "./passing.ts";
import { nameOf } from "./realProgram.ts";
import type { Pass } from "./reply.ts";

/**
 * Runs a program as a child of this process, in place of a call: with the caller's stdin, stdout, stderr, directory and
 * environment. The caller ends as it does; and it ends with the caller.
 */
export const runOutside = (
  call: StubCall,
  { program, args, env }: Omit<Pass, "reply">,
  { thread, searchPath, place, tell }: PassOptions,
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const name = program ?? place ?? nameOf(call);
      const path = name.includes("/") ? name : findProgram(searchPath, name);
      if (path === undefined)
        return yield* new ExecutableNotFoundError({
          program: name,
          tried: [],
          notExecutable: undefined,
        });
      const [argv0 = path, ...own] = call.argvBytes;
      const command = Command.make(path, ...(args ?? own))
        .argv0(program === undefined ? argv0 : path)
        .env({ PATH: searchPath, ...env });
      const [stdin, stdout, stderr] = yield* stdioOf(call);
      const { cwd } = call;
      const child = yield* thread.with({ environ: call.environ.copy() }).spawn(command, {
        ...(stdin && { stdin }),
        ...(stdout && { stdout }),
        ...(stderr && { stderr }),
        ...(cwd && { cwd }),
      });
      const state = yield* Effect.raceFirst(
        child.wait(),
        Effect.andThen(call.ended(), Effect.andThen(child.kill(), child.wait())),
      );
      const end =
        state.signal === undefined ? { status: state.exitStatus ?? 0 } : { signal: state.signal };
      tell(end);
      yield* call.reply(end);
    }),
  );

/** The caller's stdin, stdout and stderr in this process. What the caller has closed is /dev/null. */
const stdioOf = (call: StubCall) =>
  Effect.forEach([0, 1, 2] as const, (number) =>
    Effect.gen(function* () {
      const { thread } = call;
      const { connection } = thread;
      const isOpen = call.fds === undefined || call.fds.some((fd) => fd === number);
      if (!isOpen) return yield* open(connection.accessTask, "/dev/null", O.RDWR);
      const own = [thread.stdin, thread.stdout, thread.stderr][number] as FileDescriptor;
      const [passed] = yield* connection.passFrom([own]);
      return passed as FileDescriptor;
    }),
  );
