import { Path, printable, SyscallError } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Command, ExecutableNotFoundError } from "@rsyscall/thread";
import { Effect } from "effect";
import type { Pass } from "../reply.ts";
import type { MockServer } from "./MockServer.ts";
import { findProgram } from "./names.ts";

/** Exit statuses of a shell for a program that is not there, and for one that cannot be executed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** The next program of that name in the caller's PATH. Where the mock is all of PATH, the one that PATH had without it. */
const realProgram = (server: MockServer, call: StubCall, name: string) =>
  Effect.catchTag(call.real(name), "ExecutableNotFoundError", (error) => {
    const found = findProgram(server.options.searchPath, name);
    return found === undefined ? Effect.fail(error) : Effect.succeed(call.command(found));
  });

/** What takes the place of a call that is passed. */
export const passedCommand = (
  server: MockServer,
  call: StubCall,
  { program, args, env, mocked = true }: Omit<Pass, "reply"> = {},
) =>
  Effect.gen(function* () {
    const own = (call.execfn ?? Path.make(call.argv[0] ?? "")).name;
    const found: Command = program?.includes("/")
      ? Command.make(program, ...call.argvBytes.slice(1))
      : yield* realProgram(server, call, program ?? own);
    // Another program does not go by this one's name.
    const named = program === undefined ? found : found.argv0(found.executable.text);
    const [argv0 = named.executable.text] = named.argv;
    const command =
      args === undefined ? named : Command.make(named.executable, ...args).argv0(argv0);
    return command.env({ ...env, ...(mocked ? {} : { PATH: pathWithout(server, call, env) }) });
  });

/** PATH of a caller without the mock. */
const pathWithout = (server: MockServer, call: StubCall, env: Pass["env"]): string | undefined => {
  const path = env !== undefined && "PATH" in env ? env["PATH"] : call.thread.environ.get("PATH");
  const { directory, searchPath } = server.options;
  if (path === undefined) return undefined;
  const isOurs = (entry: string) => entry.replace(/\/+$/, "") === `${directory}/bin`;
  const left = path.split(":").filter((entry) => !isOurs(entry));
  return left.length === 0 ? searchPath : left.join(":");
};

/** Whether the program behind a mock was not found, or the kernel has refused to execute it. */
export const cannotRun = (error: unknown): error is ExecutableNotFoundError | SyscallError =>
  error instanceof ExecutableNotFoundError ||
  (error instanceof SyscallError && error.syscall.startsWith("execve"));

/** What the caller and the test are told of it, and its status. */
export const refusal = (call: StubCall, error: ExecutableNotFoundError | SyscallError) => {
  const name = printable(Path.make(call.argv[0] ?? "").name);
  const code = error instanceof SyscallError ? error.errno : error.code;
  return {
    problem: `${name}: rsyscall: the real program cannot run: ${error.message}`,
    status: code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE,
  };
};
