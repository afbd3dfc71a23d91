import type { HandleFailure } from "@rsyscall/handle";
import { printable } from "@rsyscall/near";
import { allow, type Decision, deny, type ExecCall, type ExecEvent } from "@rsyscall/seccomp";
import type { ExecutableNotFoundError, Thread } from "@rsyscall/thread";
import { Duration, Effect } from "effect";
import { type OutputError, PolicyError } from "./errors.ts";
import { Answering } from "./guard/Answering.ts";
import { type AskUser, askAtTerminal } from "./guard/ask.ts";
import { logged } from "./guard/DecisionLog.ts";
import { exists } from "./guard/exists.ts";
import { loadPolicy } from "./guard/loadPolicy.ts";
import {
  type Ask,
  ask,
  type GuardedCall,
  guarded,
  type Policy,
  type Verdict,
} from "./guard/Policy.ts";
import { Searches } from "./guard/Searches.ts";
import { openOutput } from "./internal/output.ts";
import { type CommandLine, shellStatus, supervise } from "./internal/supervise.ts";
import { commandLine } from "./text.ts";

/** How long the user may think. */
const ASK_DEADLINE = Duration.minutes(5);

/** Options of `guard`. */
export interface GuardOptions {
  /** The program and its arguments. */
  readonly command: CommandLine;
  /** The policy, or the path of its file: see `loadPolicy`. */
  readonly policy: Policy | string;
  /**
   * Programs whose calls the policy may answer, rewrite, or have run outside as well. By their names in PATH: links of
   * these names are in front of PATH. By absolute paths: stubs are at these in a mount namespace of the command. Default:
   * those that the file of the policy exports, or none.
   */
  readonly names?: ReadonlyArray<string> | undefined;
  /** A file to which each decision is appended, as a line of JSON: see `LoggedDecision`. */
  readonly log?: string | undefined;
  /** How long the policy may take for a call; then it is a denial. Default: 10 seconds. */
  readonly deadline?: Duration.Input | undefined;
  /** Whether denials are told on stderr. Default: true. */
  readonly tellDenials?: boolean | undefined;
  /** Asks the user. Default: at the terminal, for at most five minutes. */
  readonly ask?: AskUser | undefined;
  /** Whether processes that the command leaves behind are killed. Default: they are waited for. */
  readonly killRest?: boolean | undefined;
  /** Whether the command is in a pid namespace of its own: see `ExecWatchOptions`. */
  readonly contain?: boolean | undefined;
}

/** What has become of a guarded command. */
export interface Guarded {
  /** Its exit status, as a shell gives it: 128 and the signal if one has ended it. */
  readonly status: number;
  /** How many calls were allowed and denied. */
  readonly allowed: number;
  /** How many calls were denied. */
  readonly denied: number;
}

/** What `guard` can fail with. */
export type GuardFailure = HandleFailure | ExecutableNotFoundError | OutputError | PolicyError;

/**
 * Runs a command in the foreground, and lets a policy decide each program that it and its descendants execute: the
 * command `rsyscall guard`. docs/policies.md says what that is good for, and what it is not: a sandbox.
 *
 * @example
 * ```ts
 * import { LocalThread } from "@rsyscall/thread";
 * import { deny, guard } from "@rsyscall/watch";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const { status, denied } = yield* guard(yield* LocalThread, {
 *     command: ["sh", "-c", "ls /; curl example.org"],
 *     policy: ({ name }) => (name === "curl" ? deny("no network") : "allow"),
 *   });
 *   console.log(status, denied); // 126 1
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export const guard = (
  thread: Thread,
  options: GuardOptions,
): Effect.Effect<Guarded, GuardFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { command, contain = false, tellDenials = true } = options;
      const { policy, names } =
        typeof options.policy === "string"
          ? yield* loadPolicy(options.policy)
          : { policy: options.policy, names: [] };
      const answering = yield* answeringFor(thread, options.names ?? names);
      const environ = thread.environ.copy();
      if (answering !== undefined) yield* environ.set("PATH", answering.path);
      const from = thread.with({ environ });
      /** What was decided, for the log, if it is more than that the kernel executes it. */
      const outcomes = new WeakMap<ExecCall, Outcome>();
      const log = options.log === undefined ? undefined : yield* openOutput(options.log, "a");
      const { stderr } = process;
      let allowed = 0;
      let denied = 0;
      const searches = new Searches();
      const onEvent = (event: ExecEvent) => {
        const outcome = event._tag === "Exec" ? outcomes.get(event.call) : undefined;
        if (outcome !== "no file") searches.hear(event);
        if (event._tag !== "Exec" || outcome === "no file" || outcome === "decided before") return;
        const { call, decision, failure } = event;
        if (decision._tag === "Allow") allowed++;
        else {
          denied++;
          const message = failure ?? decision.message;
          if (tellDenials)
            stderr.write(
              `rsyscall guard: denied ${commandLine(call.argv, call.path)} (pid ${call.pid})${message === undefined ? "" : `: ${printable(message)}`}\n`,
            );
        }
        log?.write(`${JSON.stringify(logged(event, outcome, answering?.behind(call)))}\n`);
      };
      const state = yield* supervise(
        from,
        command,
        {
          decide: decider(policy, options.deadline ?? "10 seconds", {
            askUser: options.ask ?? askAtTerminal(thread),
            needsCwd: log !== undefined,
            answering,
            searches,
            note: (call, outcome) => outcomes.set(call, outcome),
          }),
          deadline: Duration.sum(
            ASK_DEADLINE,
            Duration.fromInputUnsafe(options.deadline ?? "10 seconds"),
          ),
          onEvent,
          ...(answering === undefined
            ? { contain }
            : { clone: () => answering.clone(from, { contain }) }),
          rest: options.killRest ? "kill" : "wait",
        },
        (pids) =>
          stderr.write(
            `rsyscall guard: ${command[0]} has ended; waiting for what it has left: pid ${pids.join(", ")}\n`,
          ),
      );
      return { status: shellStatus(state), allowed, denied };
    }),
  );

interface DeciderOptions {
  readonly askUser: AskUser;
  /** Whether the working directory is read of each call, for the log. */
  readonly needsCwd: boolean;
  readonly answering: Answering | undefined;
  readonly searches: Searches;
  readonly note: (call: ExecCall, outcome: Outcome) => void;
}

/** What becomes of a call, if that is more than what the policy says: it has not decided the first two. */
type Outcome = "decided before" | "no file" | "reply" | "rewrite" | "outside";

const answeringFor = (thread: Thread, names: ReadonlyArray<string>) =>
  names.length === 0
    ? Effect.succeed(undefined)
    : Effect.mapError(
        Answering.make(names, thread.environ.get("PATH") ?? ""),
        (cause) => new PolicyError({ path: "names", problem: cause.message, cause }),
      );

/** Makes the decisions of a policy. Those that need no waiting are made at once. */
const decider =
  (policy: Policy, deadline: Duration.Input, options: DeciderOptions) =>
  (exec: ExecCall): Decision | Effect.Effect<Decision, unknown> => {
    const { needsCwd, answering, searches, note } = options;
    if (needsCwd) void exec.cwd;
    if (answering?.isDecided(exec)) {
      note(exec, "decided before");
      return allow;
    }
    const denial = searches.denial(exec);
    if (denial !== undefined) {
      note(exec, "decided before");
      return denial;
    }
    // What a policy cannot see, it cannot judge.
    if (exec.problem !== undefined) return deny(`its arguments cannot be read: ${exec.problem}`);
    const call = guarded(exec, answering?.behind(exec));
    const verdict = policy(call);
    const decided =
      verdict instanceof Promise
        ? inTime(verdict, deadline, call, options)
        : decision(verdict, call, options);
    if (!Searches.isOf(exec) || (!Effect.isEffect(decided) && decided._tag === "Allow"))
      return decided;
    // A search goes on where there is no such file, and nothing is to be decided of it.
    return Effect.flatMap(exists(exec.path, exec.pid), (isThere) => {
      if (isThere) return Effect.isEffect(decided) ? decided : Effect.succeed(decided);
      note(exec, "no file");
      return Effect.succeed(deny("there is no such file", "ENOENT"));
    });
  };

/** The decision by a verdict that takes its time. */
const inTime = (
  verdict: Promise<Verdict>,
  deadline: Duration.Input,
  call: GuardedCall,
  options: DeciderOptions,
): Effect.Effect<Decision, unknown> => {
  // It may fail before anything waits for it.
  verdict.catch(() => {});
  return Effect.flatMap(
    Effect.timeoutOption(
      Effect.tryPromise({ try: () => verdict, catch: (error) => error }),
      deadline,
    ),
    (given) => {
      const decided =
        given._tag === "None"
          ? deny(
              `the policy gave no verdict within ${Duration.format(Duration.fromInputUnsafe(deadline))}`,
            )
          : decision(given.value, call, options);
      return Effect.isEffect(decided) ? decided : Effect.succeed(decided);
    },
  );
};

/** What becomes of a call by a verdict. */
const decision = (
  verdict: Verdict,
  call: GuardedCall,
  { askUser, answering, note }: DeciderOptions,
): Decision | Effect.Effect<Decision> => {
  const { exec } = call;
  const go = (): Decision => (answering?.isLink(exec) ? answering.carryOut(exec, "allow") : allow);
  const asked = (question: Ask) =>
    Effect.map(askUser(call, question), (given) => (given._tag === "Allow" ? go() : given));
  if (verdict === "allow") return go();
  if (verdict === "ask") return asked(ask());
  switch (verdict?._tag) {
    case "Ask":
      return asked(verdict);
    case "Deny":
      return verdict;
    case "Reply":
    case "Rewrite":
    case "Outside":
      if (answering === undefined)
        return deny(
          `it cannot be answered: add "${call.name}" to the names that the policy exports`,
        );
      if (!answering.isLink(exec)) return answering.refuse(exec);
      note(exec, outcomeOf[verdict._tag]);
      return answering.carryOut(exec, verdict);
    default:
      return deny(`the policy gave ${printable(String(verdict))}, which is no verdict`);
  }
};

const outcomeOf = { Reply: "reply", Rewrite: "rewrite", Outside: "outside" } as const;
