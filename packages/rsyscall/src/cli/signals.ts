import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/**
 * The signals that we get, from now on: they do not end us, so that we clean up. A command gets them in our place. What
 * the terminal sends (Ctrl-C) it sends to all processes in the foreground: the command has it already.
 */
export class Signals implements Disposable {
  readonly #remove: ReadonlyArray<() => void>;
  readonly #abort = new AbortController();
  #child: ChildProcess | undefined;
  #first: NodeJS.Signals | undefined;

  constructor() {
    this.#remove = FORWARDED.map((signal) => {
      const handler = () => this.#hear(signal);
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
  }

  #hear(signal: NodeJS.Signals): void {
    this.#first ??= signal;
    if (this.#child === undefined) this.#abort.abort();
    if ((signal === "SIGINT" || signal === "SIGQUIT") && isInForeground()) return;
    this.#child?.kill(signal);
  }

  /**
   * Runs a command to its end, and gives its exit status as a shell has it. It does not begin if there was a signal
   * before.
   */
  async run(start: () => ChildProcess): Promise<number> {
    // The handlers are called when this function waits: by then there is a command that gets the signal.
    if (this.#first !== undefined) return statusOf(null, this.#first);
    const child = start();
    this.#child = child;
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status, signal) => resolve(statusOf(status, signal)));
    });
  }

  /** As `run`, for a command that can only be killed: the signal that we get kills it. */
  async runKilled(
    start: (signal: AbortSignal) => Promise<{
      readonly status: number | undefined;
      readonly signal: string | undefined;
    }>,
  ): Promise<number> {
    if (this.#first !== undefined) return statusOf(null, this.#first);
    try {
      const { status, signal } = await start(this.#abort.signal);
      return statusOf(status ?? null, (signal ?? null) as NodeJS.Signals | null);
    } catch (error) {
      if (this.#first === undefined) throw error;
      return statusOf(null, this.#first);
    }
  }

  [Symbol.dispose](): void {
    for (const remove of this.#remove) remove();
  }
}

/** Whether our process group is that which the terminal sends signals to: proc_pid_stat(5), pgrp and tpgid. */
const isInForeground = (): boolean => {
  const stat = readFileSync("/proc/self/stat", "utf8");
  // The name of the program is in parentheses, and may have anything in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
};

const statusOf = (status: number | null, signal: NodeJS.Signals | null): number =>
  signal === null ? (status ?? 1) : 128 + constants.signals[signal];
