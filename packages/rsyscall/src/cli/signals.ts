import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Sends a command the signals that we get, so that we live on and clean up when it has ended. What the terminal sends
 * (Ctrl-C) it sends to all processes in the foreground: the command has it already.
 */
export const forwardSignals = (child: ChildProcess): Disposable => {
  const handlers = FORWARDED.map((signal) => {
    const handler = () => {
      if ((signal === "SIGINT" || signal === "SIGQUIT") && isInForeground()) return;
      child.kill(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return {
    [Symbol.dispose]: () => {
      for (const remove of handlers) remove();
    },
  };
};

/** Whether our process group is that which the terminal sends signals to: proc_pid_stat(5), pgrp and tpgid. */
const isInForeground = (): boolean => {
  const stat = readFileSync("/proc/self/stat", "utf8");
  // The name of the program is in parentheses, and may have anything in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
};

/** The exit status of a command as a shell has it. */
export const statusOf = (status: number | null, signal: NodeJS.Signals | null): number =>
  signal === null ? (status ?? 1) : 128 + constants.signals[signal];
