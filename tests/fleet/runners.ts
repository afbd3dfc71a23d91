import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { HostAddress, HostOutcome } from "@rsyscall/fleet";
import { Effect, type Scope } from "effect";

const fixture = fileURLToPath(new URL("../fixtures/fleetRunner.mjs", import.meta.url));

/** What a runner is told: see the fixture. */
export interface RunnerOptions {
  readonly cluster:
    | { readonly kind: "memory" }
    | { readonly kind: "sqlite"; readonly filename: string }
    | {
        readonly kind: "postgres";
        readonly url: string;
        readonly host: string;
        readonly port: number;
      };
  readonly hosts: Readonly<Record<string, HostAddress>>;
  readonly settings?: object;
  readonly options?: object;
}

/** A runner could not be started: the error of its layer, or that it died of a defect. */
export interface RunnerFailure {
  readonly error: "Fail" | "Die" | "Interrupt";
  readonly tag?: string;
  readonly message?: string;
}

/** What came of a program on a host, as the runner tells it. */
export interface ToldEvent {
  readonly _tag: "Started" | "Done" | "Failed" | "Skipped";
  readonly host: string;
  readonly message?: string;
  readonly error?: {
    readonly problem: string;
    readonly error: string;
    readonly mayHaveRun: boolean;
  };
}

/** A process of a fleet. */
export interface Runner {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Its status, or the signal that has ended it. */
  readonly ended: Promise<number | string | null>;
  /** What it has logged. */
  readonly log: () => string;
  /** Completes when it is ready, with its failure if it is not. */
  readonly ready: Effect.Effect<RunnerFailure | undefined>;
  /** Which of the hosts it owns, and whether it performs the rollout. */
  readonly owned: (
    hosts: ReadonlyArray<string>,
    rollout?: string,
    name?: string,
  ) => Effect.Effect<{ readonly hosts: ReadonlyArray<string>; readonly performs: boolean }>;
  readonly start: (
    rollout: string,
    name: string,
    hosts: ReadonlyArray<string>,
    work: object,
    options?: object,
  ) => Effect.Effect<void>;
  readonly approve: (rollout: string, name: string, batch: number) => Effect.Effect<void>;
  readonly outcome: (rollout: string, name: string) => Effect.Effect<ReadonlyArray<HostOutcome>>;
  readonly run: (
    program: string,
    hosts: ReadonlyArray<string>,
    work: object,
    options?: object,
  ) => Effect.Effect<ReadonlyArray<ToldEvent>>;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Starts a runner and does not wait for it. The scope kills it. */
export const startRunner = (options: RunnerOptions): Effect.Effect<Runner, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawned(options)),
      ({ child, ended }) =>
        Effect.promise(() => {
          if (child.exitCode === null && child.signalCode === null) {
            child.kill("SIGCONT");
            child.kill("SIGKILL");
          }
          return ended;
        }),
    ),
    ({ runner }) => runner,
  );

const spawned = (
  options: RunnerOptions,
): {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string | null>;
  readonly runner: Runner;
} => {
  const child = spawn(process.execPath, [fixture, JSON.stringify(options)], { stdio: "pipe" });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    log += piece;
  });
  child.stdin.on("error", () => {});
  const waiting = new Map<number, (answer: Answer) => void>();
  const answered = (id: number) =>
    new Promise<Answer>((resolve) => {
      waiting.set(id, resolve);
    });
  createInterface(child.stdout).on("line", (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
  });
  const ended = new Promise<number | string | null>((resolve) =>
    child.on("close", (status, signal) => resolve(status ?? signal)),
  );
  const ready = answered(0);
  let last = 0;
  const command = <A>(name: string, parameters: object) =>
    Effect.promise(async () => {
      const id = ++last;
      const answer = answered(id);
      child.stdin.write(`${JSON.stringify({ id, command: name, ...parameters })}\n`);
      const { value, error } = await answer;
      if (error !== undefined) throw new Error(`${name}: ${error}\n${log}`);
      return value as A;
    });
  const runner: Runner = {
    pid: child.pid as number,
    kill: (signal) => void child.kill(signal),
    ended,
    log: () => log,
    ready: Effect.promise(async () => {
      const answer = (await Promise.race([ready, ended.then(() => ({ id: 0, error: log }))])) as
        | RunnerFailure
        | { error?: undefined };
      return answer.error === undefined ? undefined : answer;
    }),
    owned: (hosts, rollout, name) => command("owned", { hosts, rollout, name }),
    start: (rollout, name, hosts, work, more) =>
      command("start", { rollout, name, hosts, work, options: more }),
    approve: (rollout, name, batch) => command("approve", { rollout, name, batch }),
    outcome: (rollout, name) => command("outcome", { rollout, name }),
    run: (program, hosts, work, more) => command("run", { program, hosts, work, options: more }),
  };
  return { child, ended, runner };
};
