import type { HandleFailure } from "@rsyscall/handle";
import { printable } from "@rsyscall/near";
import { allow, type Decision, deny, type ExecCall, type ExecEvent } from "@rsyscall/seccomp";
import type { ExecutableNotFoundError, Thread } from "@rsyscall/thread";
import { Duration, Effect } from "effect";
import type { OutputError, PolicyError } from "./errors.ts";
import { type AskUser, askAtTerminal } from "./guard/ask.ts";
import { logged } from "./guard/DecisionLog.ts";
import { loadPolicy } from "./guard/loadPolicy.ts";
import { ask, type GuardedCall, guarded, type Policy, type Verdict } from "./guard/Policy.ts";
import { openOutput } from "./internal/output.ts";
import { type CommandLine, shellStatus, supervise } from "./internal/supervise.ts";
import { commandLine } from "./text.ts";

/** How long the user may think. */
const ASK_DEADLINE = Duration.minutes(5);

export interface GuardOptions {
  /** The program and its arguments. */
  readonly command: CommandLine;
  /** The policy, or the path of its file: see `loadPolicy`. */
  readonly policy: Policy | string;
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
  readonly denied: number;
}

export type GuardFailure = HandleFailure | ExecutableNotFoundError | OutputError | PolicyError;

/**
 * Runs a command in the foreground, and lets a policy decide each program that it and its descendants execute: the
 * command `rsyscall guard`. docs/policies.md says what that is good for, and what it is not: a sandbox.
 */
export const guard = (
  thread: Thread,
  options: GuardOptions,
): Effect.Effect<Guarded, GuardFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { command, contain = false, tellDenials = true } = options;
      const policy =
        typeof options.policy === "string" ? yield* loadPolicy(options.policy) : options.policy;
      const log = options.log === undefined ? undefined : yield* openOutput(options.log, "a");
      const { stderr } = process;
      let allowed = 0;
      let denied = 0;
      const onEvent = (event: ExecEvent) => {
        if (event._tag !== "Exec") return;
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
        log?.write(`${JSON.stringify(logged(event))}\n`);
      };
      const state = yield* supervise(
        thread,
        command,
        {
          decide: decider(policy, options.deadline ?? "10 seconds", {
            askUser: options.ask ?? askAtTerminal(thread),
            needsCwd: log !== undefined,
          }),
          deadline: Duration.sum(
            ASK_DEADLINE,
            Duration.fromInputUnsafe(options.deadline ?? "10 seconds"),
          ),
          onEvent,
          contain,
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
}

/** Makes the decisions of a policy. Those that need no waiting are made at once. */
const decider =
  (policy: Policy, deadline: Duration.Input, { askUser, needsCwd }: DeciderOptions) =>
  (exec: ExecCall): Decision | Effect.Effect<Decision, unknown> => {
    if (needsCwd) void exec.cwd;
    // What a policy cannot see, it cannot judge.
    if (exec.problem !== undefined) return deny(`its arguments cannot be read: ${exec.problem}`);
    const call = guarded(exec);
    const verdict = policy(call);
    if (!(verdict instanceof Promise)) return decision(verdict, call, askUser);
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
            : decision(given.value, call, askUser);
        return Effect.isEffect(decided) ? decided : Effect.succeed(decided);
      },
    );
  };

/**
 * What becomes of a call by a verdict. A verdict of another kind (to rewrite a call, to run it elsewhere) is a case
 * here, and ends in a decision too: the call goes on, as what a link or a mount has put in its way, or it fails.
 */
const decision = (
  verdict: Verdict,
  call: GuardedCall,
  askUser: AskUser,
): Decision | Effect.Effect<Decision> => {
  if (verdict === "allow") return allow;
  if (verdict === "ask") return askUser(call, ask());
  switch (verdict?._tag) {
    case "Ask":
      return askUser(call, verdict);
    case "Deny":
      return verdict;
    default:
      return deny(`the policy gave ${printable(String(verdict))}, which is no verdict`);
  }
};
