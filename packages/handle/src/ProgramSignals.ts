import { SIG_DFL, SIG_IGN, type Sigset } from "@rsyscall/abi";
import { oneLine } from "@rsyscall/near";

/**
 * What we have changed of a process's signals for ends of our own, as programs are to find it: those that the
 * process executes, and those that it starts. All else they get as execve(2) and fork(2) have it.
 */
export class ProgramSignals {
  /** Blocked in programs, although not in the process. */
  readonly blocked: Sigset;
  /** Ignored in programs, although not in the process. */
  readonly ignored: Set<number>;
  /** Not ignored in programs, although the process ignores them. */
  readonly defaulted: Set<number>;

  constructor(signals: {
    readonly blocked?: Iterable<number>;
    readonly ignored?: Iterable<number>;
    readonly defaulted?: Iterable<number>;
  }) {
    this.blocked = new Set(signals.blocked);
    this.ignored = new Set(signals.ignored);
    this.defaulted = new Set(signals.defaulted);
  }

  /** For a child, which does not ignore what its parent ignores for ends of our own. */
  forChild(): ProgramSignals {
    return new ProgramSignals({ blocked: this.blocked, ignored: this.ignored });
  }

  /** The caller has set what the process does with a signal, and so what programs get. */
  forget(signal: number): void {
    this.ignored.delete(signal);
    this.defaulted.delete(signal);
  }

  /** The signal mask of a program. */
  maskOf(sigmask: Sigset): Sigset {
    return this.blocked.size === 0 ? sigmask : new Set([...sigmask, ...this.blocked]);
  }

  /** The signals for which the process has another action than programs, with that of programs. */
  get actions(): ReadonlyArray<readonly [signal: number, handler: number]> {
    return [
      ...[...this.ignored].map((signal) => [signal, SIG_IGN] as const),
      ...[...this.defaulted].map((signal) => [signal, SIG_DFL] as const),
    ];
  }
}

oneLine(ProgramSignals, ({ blocked, ignored, defaulted }) =>
  [
    ...[...blocked].map((signal) => `${signal} blocked`),
    ...[...ignored].map((signal) => `${signal} ignored`),
    ...[...defaulted].map((signal) => `${signal} default`),
  ].join(", "),
);
