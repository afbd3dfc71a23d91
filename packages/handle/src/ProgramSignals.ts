import { SIG_DFL, SIG_IGN, type Sigset } from "@rsyscall/abi";
import { oneLine } from "@rsyscall/near";

/**
 * The signals of a process that programs get in another state, because Node or rsyscall has changed them in the
 * process for its own use. That holds for programs that the process executes, and for those that it starts.
 * Programs get all other signals as execve(2) and fork(2) leave them.
 */
export class ProgramSignals {
  /** Blocked in programs, although not in the process. */
  readonly blocked: Sigset;
  // Made at the first use: most processes have none.
  #ignored: Set<number> | undefined;
  #defaulted: Set<number> | undefined;

  constructor(signals: {
    readonly blocked?: Iterable<number>;
    readonly ignored?: Iterable<number>;
    readonly defaulted?: Iterable<number>;
  }) {
    this.blocked = setOf(signals.blocked) ?? NONE;
    this.#ignored = setOf(signals.ignored);
    this.#defaulted = setOf(signals.defaulted);
  }

  /** Ignored in programs, although not in the process. */
  get ignored(): Set<number> {
    this.#ignored ??= new Set();
    return this.#ignored;
  }

  /** Not ignored in programs, although the process ignores them. */
  get defaulted(): Set<number> {
    this.#defaulted ??= new Set();
    return this.#defaulted;
  }

  /** The same for a child, which starts with the default action for the signals of `defaulted`. */
  forChild(): ProgramSignals {
    return new ProgramSignals({ blocked: this.blocked, ignored: this.ignored });
  }

  /** Called when a caller has set the action of a signal, which programs get from then on. */
  forget(signal: number): void {
    this.#ignored?.delete(signal);
    this.#defaulted?.delete(signal);
  }

  /** The signal mask of a program. */
  maskOf(sigmask: Sigset): Sigset {
    return this.blocked.size === 0 ? sigmask : new Set([...sigmask, ...this.blocked]);
  }

  /** The signals for which the process and programs have different actions, with the action for programs. */
  get actions(): ReadonlyArray<readonly [signal: number, handler: number]> {
    return [
      ...this.childActions,
      ...[...this.defaulted].map((signal) => [signal, SIG_DFL] as const),
    ];
  }

  /** The same of a child: see `forChild`. */
  get childActions(): ReadonlyArray<readonly [signal: number, handler: number]> {
    return [...this.ignored].map((signal) => [signal, SIG_IGN] as const);
  }
}

const NONE: Sigset = new Set();

const setOf = (signals: Iterable<number> = NONE): Set<number> | undefined => {
  const set = new Set(signals);
  return set.size === 0 ? undefined : set;
};

oneLine(ProgramSignals, ({ blocked, ignored, defaulted }) =>
  [
    ...[...blocked].map((signal) => `${signal} blocked`),
    ...[...ignored].map((signal) => `${signal} ignored`),
    ...[...defaulted].map((signal) => `${signal} default`),
  ].join(", "),
);
