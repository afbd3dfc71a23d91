import { spawn } from "node:child_process";
import { join } from "node:path";
import {
  type ServerFailure,
  type StubCall,
  StubServer,
  type StubServerError,
  type StubServerOptions,
} from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, References, type Scope } from "effect";
import { which } from "./requirements.ts";
import { type Ended, execute, type RunOptions } from "./spawn.ts";
import { tempDirectory } from "./temp.ts";

/*
 * Programs that call a stub without knowing of it.
 */

/** Runs an installed program to its end. */
export const program = (
  name: string,
  args: ReadonlyArray<string>,
  options?: RunOptions,
): Effect.Effect<Ended> => execute(which(name) ?? name, args, options);

/** Runs Python statements, with `os`, `sys` and `p` for `sys.argv[1]`. */
export const python = (
  code: string,
  args: ReadonlyArray<string>,
  options?: RunOptions,
): Effect.Effect<Ended> =>
  program("python3", ["-ISc", `import os, sys\np = sys.argv[1]\n${code}`, ...args], options);

/** Runs a script for dash, or for sh where there is none; the arguments are $1 and so on. */
export const shell = (
  code: string,
  args: ReadonlyArray<string> = [],
  options?: RunOptions,
): Effect.Effect<Ended> =>
  program(which("dash") ? "dash" : "sh", ["-c", code, "sh", ...args], options);

/** A mocked program. */
export interface Mock {
  readonly directory: string;
  readonly path: string;
  readonly server: StubServer;
}

export interface MockOptions extends StubServerOptions {
  /** The directory of the program. Default: a temporary one. */
  readonly directory?: string;
  readonly name?: string;
}

/** Handles every call of a mocked program until the scope closes. */
export const mock = <E>(
  handler: (call: StubCall) => Effect.Effect<number | void, E, Scope.Scope>,
  { directory: given, name = "mail", ...options }: MockOptions = {},
): Effect.Effect<Mock, StubServerError | ServerFailure, Scope.Scope | LocalThread> =>
  Effect.gen(function* () {
    const directory = given ?? (yield* tempDirectory);
    const server = yield* StubServer.make(yield* LocalThread, directory, name, options);
    yield* Effect.forkScoped(server.serve(handler));
    return { directory, path: join(directory, name), server };
  });

/** Runs an effect without logs, for handlers that fail on purpose. */
export const quietly = <A, E, Q>(effect: Effect.Effect<A, E, Q>): Effect.Effect<A, E, Q> =>
  Effect.provideService(effect, References.MinimumLogLevel, "None");

/** The status and the output of a program, as text. */
export const seen = ({ status, signal, stdout, stderr }: Ended) => ({
  status: signal ?? status,
  stdout: stdout.toString(),
  stderr: stderr.toString(),
});

/**
 * Mounts a temporary file system with these options, and gives its directory. It is mounted in the mount
 * namespace of a process that waits, and reached through that process: no other one sees it.
 */
export const mounted = (options: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const holder = yield* Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<ReturnType<typeof spawn>>((resolve, reject) => {
            const child = spawn(
              "unshare",
              [
                ...["-m", "--propagation", "private", "sh", "-c"],
                'mount -t tmpfs -o "$1" none "$2" && echo ready && read wait',
                ...["sh", options, directory],
              ],
              { stdio: ["pipe", "pipe", "inherit"] },
            );
            child.once("error", reject);
            child.stdout.once("data", () => resolve(child));
            child.once("close", (status) => reject(new Error(`mount ended with ${status}`)));
          }),
      ),
      (child) =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              child.once("close", () => resolve());
              child.stdin?.end();
            }),
        ),
    );
    return `/proc/${holder.pid}/root${directory}`;
  });
