import { basename, dirname } from "node:path";
import type { HandleFailure } from "@rsyscall/handle";
import { findProgram, type Mock, mock, pass, type Reply } from "@rsyscall/mock";
import { cloneWithStubs, placeSeen } from "@rsyscall/mock/effect";
import { allow, type Decision, deny, type ExecCall } from "@rsyscall/seccomp";
import type { ChildThread, ContainOptions, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import type { Answer } from "./Policy.ts";

/**
 * Carries out the verdicts for which the kernel alone is not enough: an answer, another command line, or a program
 * outside. The names that may get one lead to us, as links in front of PATH; and so do the paths, in a mount namespace
 * of the command. The kernel lets the link be executed, and what then calls us does what was decided.
 */
export class Answering {
  readonly #mock: Mock;
  readonly #names: ReadonlySet<string>;
  readonly #searchPath: string;
  /** The stubs of the paths. */
  readonly #stubs: ReadonlyMap<string, string>;
  /** Why the paths do not lead to us; undefined if they do. */
  #uncovered: string | undefined;
  /** What was decided for processes that execute a link. */
  readonly #decided = new Map<number, Answer | "allow">();
  /** Processes that will execute a program as was decided. */
  readonly #passing = new Set<number>();

  private constructor(
    mock: Mock,
    names: ReadonlyArray<string>,
    searchPath: string,
    stubs: ReadonlyMap<string, string>,
  ) {
    this.#stubs = stubs;
    this.#mock = mock;
    this.#names = new Set(names);
    this.#searchPath = searchPath;
  }

  /** Until the scope closes. @param searchPath PATH of the command */
  static make(
    names: ReadonlyArray<string>,
    searchPath: string,
  ): Effect.Effect<Answering, Error, Scope.Scope> {
    const attempt = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({ try: run, catch: (error) => error as Error });
    return Effect.gen(function* () {
      const made = yield* Effect.acquireRelease(
        attempt(() => mock({ env: { PATH: searchPath } })),
        (opened) => Effect.promise(() => opened.close({ verify: false })),
      );
      let answering: Answering | undefined;
      const stubs = yield* attempt(async () => {
        for (const name of names)
          made.program(name).otherwise(({ pid }) => (answering as Answering).#replyTo(pid));
        return names.some(isPath) ? made.stubs() : new Map<string, string>();
      });
      answering = new Answering(made, names, searchPath, stubs);
      return answering;
    });
  }

  /**
   * Makes the child that becomes the command: it sees stubs at the paths. If the system refuses that, it is an ordinary
   * one, and verdicts for the paths are denials, which say why.
   */
  clone(
    thread: Thread,
    options: ContainOptions,
  ): Effect.Effect<ChildThread, HandleFailure, Scope.Scope> {
    if (this.#stubs.size === 0) return thread.fork(options);
    return Effect.catchTag(
      cloneWithStubs(thread, this.#mock.directory, this.#stubs, options),
      "RunError",
      (error) => {
        this.#uncovered = error.message;
        return thread.fork(options);
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

  /** Whether a call leads to us. */
  isLink(call: ExecCall): boolean {
    return this.#isName(call) || (this.#uncovered === undefined && this.#isPlace(call));
  }

  #isName({ path }: ExecCall): boolean {
    return dirname(path) === `${this.#mock.directory}/bin`;
  }

  #isPlace(call: ExecCall): boolean {
    return this.#stubs.size > 0 && this.#stubs.has(placeSeen(call));
  }

  /** The program behind a link in PATH; undefined if the call is of no link. */
  behind(call: ExecCall): string | undefined {
    if (!this.#isName(call)) return undefined;
    const name = basename(call.path);
    return findProgram(this.#searchPath, name) ?? name;
  }

  /** Has a link do what was decided. */
  carryOut({ pid }: ExecCall, verdict: Answer | "allow"): Decision {
    this.#decided.set(pid, verdict);
    return allow;
  }

  /** Why a call that has not come by a link cannot have its verdict. */
  refuse(call: ExecCall): Decision {
    const { path } = call;
    const name = basename(path);
    return deny(
      this.#isPlace(call)
        ? `it cannot be answered: ${this.#uncovered}`
        : this.#names.has(name)
          ? `it cannot be answered: it was called by its path, around the link to ${name} in PATH; add "${path}" to the names that the policy exports`
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

const isPath = (name: string): boolean => name.includes("/");
