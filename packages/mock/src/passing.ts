import { printable, SyscallError } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Command, ExecutableNotFoundError, type Thread, which } from "@rsyscall/thread";
import { Effect } from "effect";
import { type Behind, nameOf, realProgram } from "./realProgram.ts";
import type { CallRecord } from "./record.ts";
import type { Pass } from "./reply.ts";

/** Exit statuses of a shell for a program that is not there, and for one that cannot be executed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** A mock, as its calls are passed on. */
export interface PassOptions extends Behind {
  /** Where its names are, as links in `bin`. */
  readonly directory: string;
  /** Of this process. */
  readonly thread: Thread;
  /** Gets what becomes known of the call. */
  readonly tell: (changes: Partial<CallRecord>) => void;
}

/** What takes the place of a call that is passed. */
export const passedCommand = (
  call: StubCall,
  { program, args, env, mocked = true }: Omit<Pass, "reply">,
  options: PassOptions,
) =>
  Effect.gen(function* () {
    const found: Command = program?.includes("/")
      ? yield* programAtPath(call, program)
      : yield* realProgram(call, options, program);
    // Another program does not go by this one's name. This one does where it can find itself by that: not behind us.
    const own = mocked ? undefined : call.argvBytes[0];
    const named =
      program !== undefined
        ? found.argv0(found.executable.text)
        : own === undefined
          ? found
          : found.argv0(own);
    const [argv0 = named.executable.text] = named.argv;
    const command =
      args === undefined ? named : Command.make(named.executable, ...args).argv0(argv0);
    return command.env({ ...env, ...(mocked ? {} : { PATH: pathWithout(call, env, options) }) });
  });

/**
 * A program by its path. That it is not there, or may not be executed, is found out here: what the kernel refuses when
 * the call is answered, the caller alone would hear of.
 */
const programAtPath = (call: StubCall, program: string) => {
  const path = call.cwd?.join(program).text ?? program;
  return call.real(path).pipe(
    Effect.catchTag("ExecutableNotFoundError", () =>
      Effect.suspend(() => which(call.thread.task, call.thread.environ, path)),
    ),
    Effect.as(Command.make(program, ...call.argvBytes.slice(1))),
  );
};

/** PATH of a caller without the mock. */
const pathWithout = (
  call: StubCall,
  env: Pass["env"],
  { directory, searchPath }: PassOptions,
): string | undefined => {
  const path = env !== undefined && "PATH" in env ? env["PATH"] : call.environ.get("PATH");
  if (path === undefined) return undefined;
  const isOurs = (entry: string) => entry.replace(/\/+$/, "") === `${directory}/bin`;
  const left = path.split(":").filter((entry) => !isOurs(entry));
  return left.length === 0 ? searchPath : left.join(":");
};

/** Tells the caller and the test if the program behind a mock was not found, or the kernel has refused it. */
export const orRefused =
  (call: StubCall, { tell }: Pick<PassOptions, "tell">) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.catchIf(effect, cannotRun, (failure) => {
      const error: Refusal = failure;
      const code = error instanceof SyscallError ? error.errno : error.code;
      const status = code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
      const problem = `${printable(nameOf(call))}: rsyscall: the real program cannot run: ${error.message}`;
      tell({ outcome: "failed", problem, status });
      return call.reply({ stderr: `${problem}\n`, status });
    });

type Refusal = ExecutableNotFoundError | SyscallError;

const cannotRun = <E>(error: E): error is E & Refusal =>
  error instanceof ExecutableNotFoundError ||
  (error instanceof SyscallError && error.syscall.startsWith("execve"));
