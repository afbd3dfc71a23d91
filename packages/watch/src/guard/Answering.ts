import { basename, dirname } from "node:path";
import { findProgram, type Mock, mock, pass, type Reply } from "@rsyscall/mock";
import { allow, type Decision, deny, type ExecCall } from "@rsyscall/seccomp";
import { Effect, type Scope } from "effect";
import type { Answer } from "./Policy.ts";

/**
 * Carries out the verdicts for which the kernel alone is not enough: an answer, another command line, or a program
 * outside. The names that may get one lead to us, as links in front of PATH. The kernel lets the link be executed, and
 * what then calls us does what was decided.
 */
export class Answering {
  readonly #mock: Mock;
  readonly #names: ReadonlySet<string>;
  readonly #searchPath: string;
  /** What was decided for processes that execute a link. */
  readonly #decided = new Map<number, Answer | "allow">();
  /** Processes that will execute a program as was decided. */
  readonly #passing = new Set<number>();

  private constructor(mock: Mock, names: ReadonlyArray<string>, searchPath: string) {
    this.#mock = mock;
    this.#names = new Set(names);
    this.#searchPath = searchPath;
  }

  /** Until the scope closes. @param searchPath PATH of the command */
  static make(
    names: ReadonlyArray<string>,
    searchPath: string,
  ): Effect.Effect<Answering, Error, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(
        Effect.tryPromise({
          try: () => mock({ env: { PATH: searchPath } }),
          catch: (error) => error as Error,
        }),
        (made) => Effect.promise(() => made.close({ verify: false })),
      ),
      (made) => {
        const answering = new Answering(made, names, searchPath);
        for (const name of names)
          made.program(name).otherwise(({ pid }) => answering.#replyTo(pid));
        return answering;
      },
    );
  }

  /** PATH of the command, with the links in front. */
  get path(): string {
    return this.#mock.path;
  }

  /** Whether a call only does what was decided for its process before: it is not decided again. */
  isDecided({ pid }: ExecCall): boolean {
    return this.#passing.delete(pid);
  }

  /** Whether a call is of one of the links. */
  isLink({ path }: ExecCall): boolean {
    return dirname(path) === `${this.#mock.directory}/bin`;
  }

  /** The program behind a link; undefined if the call is of no link. */
  behind(call: ExecCall): string | undefined {
    if (!this.isLink(call)) return undefined;
    const name = basename(call.path);
    return findProgram(this.#searchPath, name) ?? name;
  }

  /** Has a link do what was decided. */
  carryOut({ pid }: ExecCall, verdict: Answer | "allow"): Decision {
    this.#decided.set(pid, verdict);
    return allow;
  }

  /** Why a call that has not come by a link cannot have its verdict. */
  refuse({ path }: ExecCall): Decision {
    const name = basename(path);
    return deny(
      this.#names.has(name)
        ? `it cannot be answered: it was called by its path, around the link to ${name} in PATH`
        : `it cannot be answered: add "${name}" to the names that the policy exports`,
    );
  }

  #replyTo(pid: number): Reply {
    const verdict = this.#decided.get(pid);
    this.#decided.delete(pid);
    // A process that the kernel has not told of: it has the link from elsewhere.
    if (verdict === undefined)
      return { stderr: "rsyscall guard: not under this guard\n", status: 126 };
    if (verdict !== "allow" && verdict._tag === "Reply") return verdict.reply;
    if (verdict !== "allow" && verdict._tag === "Outside")
      return pass({ ...verdict.command, outside: true });
    this.#passing.add(pid);
    return verdict === "allow" ? pass : pass(verdict.command);
  }
}
