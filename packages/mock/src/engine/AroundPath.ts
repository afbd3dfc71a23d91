import { accessSync, constants, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { InvalidStateError, SyscallError } from "@rsyscall/near";
import {
  allow,
  type Decision,
  deny,
  type ExecCall,
  type ExecEvent,
  ExecWatch,
} from "@rsyscall/seccomp";
import type { ChildThread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import type { AroundPath as Mode } from "../messages.ts";
import { findProgram } from "../names.ts";
import { linkOf, placeSeen, seenPath } from "../placeSeen.ts";
import { placeOf } from "../places.ts";
import { RunError } from "./runProgram.ts";

/** What is known of a mock, to tell its programs from others. */
export interface AroundPathOptions {
  readonly mode: Mode;
  /** Of the mock. */
  readonly directory: string;
  /** PATH without us. */
  readonly searchPath: string;
  /** Names, paths, and directories with a slash at their end, whose programs are the real ones. */
  readonly allow: ReadonlyArray<string>;
  /** The mocked paths. */
  readonly places: ReadonlySet<string>;
  /** Gets each call that went around the mock. */
  readonly onCall: (call: ExecCall, problem: string) => void;
}

/** Processes of a program under test. */
interface Tree {
  /** They run a stub: what takes its place is what a rule or a handler says. */
  readonly stubs: Set<number>;
  /** Their last call was named. */
  readonly named: Set<number>;
}

/** Calls that have been named are not named again: a loop would fill the report. */
const MOST = 1000;

/**
 * Names the programs that a program under test executes around the mock: by a path that leads to none of the links, and
 * is not allowed. The kernel lets each exec of its tree wait for this process.
 */
export class AroundPath {
  readonly #options: AroundPathOptions;
  readonly #allowed: ReadonlySet<string>;
  readonly #directories: ReadonlyArray<string>;
  #named = 0;

  constructor(options: AroundPathOptions) {
    const { allow, searchPath } = options;
    this.#options = options;
    this.#allowed = new Set(
      allow.flatMap((name) => {
        if (name.endsWith("/")) return [];
        const path = name.includes("/") ? name : findProgram(searchPath, name);
        return path === undefined ? [] : [placeOf(path)];
      }),
    );
    this.#directories = allow.filter((name) => name.endsWith("/")).map(resolvedDirectory);
  }

  /**
   * Watches a child that is to become a program under test. What that leaves behind is watched on, until the scope
   * closes: then it is killed, because its execs would fail.
   *
   * Gives why it cannot, if the system refuses. That is an error where calls are to be denied.
   */
  watch(child: ChildThread, scope: Scope.Scope): Effect.Effect<string | undefined, RunError> {
    return Effect.gen({ self: this }, function* () {
      const own = yield* Scope.fork(scope);
      const tree: Tree = { stubs: new Set(), named: new Set() };
      const watching = yield* ExecWatch.attach(child, {
        decide: (call) => this.#decide(call, tree),
        onEvent: (event: ExecEvent) => {
          if (event._tag === "End") for (const pids of Object.values(tree)) pids.delete(event.pid);
        },
      }).pipe(
        Scope.provide(own),
        Effect.tapCause(() => Scope.close(own, Exit.void)),
      );
      yield* Effect.forkIn(Effect.andThen(watching.over(), Scope.close(own, Exit.void)), scope);
      return undefined;
    }).pipe(
      Effect.catch((error) => {
        const why =
          `what goes around PATH is seen by seccomp user notification, and the system refuses that: ${error.message}. ` +
          (error instanceof SyscallError || error instanceof InvalidStateError
            ? "It takes Linux 5.5 or newer, and no other supervisor of the process"
            : "");
        return this.#options.mode === "deny"
          ? Effect.fail(new RunError({ problem: why }))
          : Effect.succeed(why);
      }),
    );
  }

  #decide(call: ExecCall, { stubs, named }: Tree): Decision {
    const { pid, parent } = call;
    const wasStub = stubs.delete(pid);
    if (!call.isRetry) named.delete(pid);
    const place = placeSeen(call);
    if (this.#isStub(call.path) || this.#options.places.has(place)) {
      stubs.add(pid);
      return allow;
    }
    if (wasStub || (parent !== undefined && stubs.has(parent.pid))) return allow;
    if (this.#isAllowed(call, place) || isOwn(pid) || !exists(call)) return allow;
    const { mode } = this.#options;
    // A program that is looked for along PATH is one call.
    const isNamed = call.isRetry && named.has(pid);
    named.add(pid);
    if (!isNamed && this.#named++ < MOST)
      this.#options.onCall(
        call,
        `${call.path} goes around the mocks in PATH, and ${mode === "deny" ? "was denied" : "has run"}: ` +
          `mock that path, or allow it as ${JSON.stringify(call.path)}`,
      );
    return mode === "deny" ? deny() : allow;
  }

  #isStub(path: string): boolean {
    return this.#isLink(path) && linkOf(path) === "../stub";
  }

  #isLink(path: string): boolean {
    return dirname(path) === `${this.#options.directory}/bin`;
  }

  #isAllowed({ path }: ExecCall, place: string): boolean {
    return (
      // A program that executes itself.
      /^\/proc\/\w+(-self)?\/exe$/.test(path) ||
      this.#isLink(path) ||
      this.#allowed.has(place) ||
      this.#directories.some((directory) => place.startsWith(directory))
    );
  }
}

/** A directory without links in its path, with a slash at its end. */
const resolvedDirectory = (directory: string): string => {
  try {
    return join(realpathSync(directory), "/");
  } catch {
    // The program under test may make it.
    return directory;
  }
};

/** Whether there is a file that can be executed. A call along PATH tries many paths where there is none. */
const exists = (call: ExecCall): boolean => {
  try {
    const path = seenPath(call);
    accessSync(path.startsWith("/proc/") ? path : `/proc/${call.pid}/root${path}`, constants.X_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
};

/** Whether a process is still the child that is to become the program under test: then the call is ours. */
const isOwn = (pid: number): boolean => {
  const own = linkOf("/proc/self/exe");
  return own !== undefined && linkOf(`/proc/${pid}/exe`) === own;
};
