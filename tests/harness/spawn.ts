import { type SpawnOptions, spawn } from "node:child_process";
import { Effect, type Scope } from "effect";

/** How a program ended, and what it wrote. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A program that runs beside the test. */
export interface Running {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>;
  readonly stdin: NodeJS.WritableStream | null;
  readonly stdout: NodeJS.ReadableStream | null;
  readonly ended: Effect.Effect<Ended>;
  /** Waits until a line of stdout, now or later, is as wanted. The test fails if the program ends before that. */
  readonly line: (wanted: (line: string) => boolean) => Effect.Effect<void>;
}

export interface RunOptions extends SpawnOptions {
  /** What the program reads; nothing by default. */
  readonly input?: string | Uint8Array;
}

/** Starts a program by Node's own means: it knows nothing of us. Killed with the scope. */
export const start = (
  command: string,
  args: ReadonlyArray<string> = [],
  { input, ...options }: RunOptions = {},
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(command, args, { stdio: "pipe", ...options });
      const collect = (stream: NodeJS.ReadableStream | null) => {
        const parts: Array<Buffer> = [];
        stream?.on("data", (part: Buffer) => parts.push(part));
        return parts;
      };
      const stdout = collect(child.stdout);
      const stderr = collect(child.stderr);
      // The program may end without having read everything.
      child.stdin?.on("error", () => {});
      if (input !== undefined) child.stdin?.end(input);
      const ended = new Promise<Ended>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (status, signal) =>
          resolve({
            status,
            signal,
            stdout: Buffer.concat(stdout),
            stderr: Buffer.concat(stderr),
          }),
        );
      });
      ended.catch(() => {});
      return { child, ended, stdout };
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        return ended.then(
          () => {},
          () => {},
        );
      }),
  ).pipe(
    Effect.map(({ child, ended, stdout }) => ({
      pid: child.pid ?? 0,
      kill: (signal) => Effect.sync(() => void child.kill(signal)),
      stdin: child.stdin,
      stdout: child.stdout,
      ended: Effect.promise(() => ended),
      line: (wanted) =>
        Effect.callback<void>((resume) => {
          const look = () => {
            const lines = Buffer.concat(stdout).toString().split("\n").slice(0, -1);
            if (lines.some(wanted)) resume(Effect.void);
          };
          child.stdout?.on("data", look);
          look();
          // A program that has ended writes no more.
          void ended.then(
            ({ status, signal, stderr }) =>
              resume(
                Effect.die(
                  new Error(`${command} ended (${signal ?? status}) without that line: ${stderr}`),
                ),
              ),
            (error: unknown) => resume(Effect.die(error)),
          );
          return Effect.sync(() => void child.stdout?.off("data", look));
        }),
    })),
  );

/** Runs a program to its end. */
export const execute = (
  command: string,
  args: ReadonlyArray<string> = [],
  options: RunOptions = {},
): Effect.Effect<Ended> =>
  Effect.scoped(
    Effect.flatMap(start(command, args, { input: "", ...options }), ({ ended }) => ended),
  );
