import { readFileSync } from "node:fs";
import { constants } from "node:os";
import type { RunningProgram, RunResult } from "@rsyscall/mock";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/**
 * The signals that we get, from now to our end: they do not end us, so that we clean up. A command gets them in our place. What
 * the terminal sends (Ctrl-C) it sends to all processes in the foreground: the command has it already.
 */
export class Signals {
  #command: Pick<RunningProgram, "kill"> | "starts" | undefined;
  /** Signals for a command that does not run yet. */
  readonly #early: Array<NodeJS.Signals> = [];

  constructor() {
    for (const signal of FORWARDED) process.on(signal, () => this.#hear(signal));
  }

  #hear(signal: NodeJS.Signals): void {
    // Before or after the command: what exit handlers remove is all that there is.
    if (this.#command === undefined) process.exit(statusOf(undefined, signal));
    if ((signal === "SIGINT" || signal === "SIGQUIT") && isInForeground()) return;
    if (this.#command === "starts") this.#early.push(signal);
    else this.#command.kill(signal);
  }

  /**
   * Runs a command to its end, and gives its exit status as a shell has it.
   *
   * @param start what it gets is to get the program as soon as that runs
   */
  async run(
    start: (
      onStart: (program: Pick<RunningProgram, "kill">) => void,
    ) => Promise<Pick<RunResult, "status" | "signal">>,
  ): Promise<number> {
    const onStart = (program: Pick<RunningProgram, "kill">) => {
      this.#command = program;
      for (const signal of this.#early.splice(0)) program.kill(signal);
    };
    this.#command = "starts";
    try {
      const { status, signal } = await start(onStart);
      return statusOf(status, signal as NodeJS.Signals | undefined);
    } finally {
      this.#command = undefined;
    }
  }
}

/** Whether our process group is that which the terminal sends signals to: proc_pid_stat(5), pgrp and tpgid. */
const isInForeground = (): boolean => {
  const stat = readFileSync("/proc/self/stat", "utf8");
  // The name of the program is in parentheses, and may have anything in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
};

const statusOf = (status: number | undefined, signal: NodeJS.Signals | undefined): number =>
  signal === undefined ? (status ?? 1) : 128 + constants.signals[signal];
