import { oneLine } from "@rsyscall/near";
import type { ChildProcess, Thread } from "@rsyscall/thread";
import type { Effect } from "effect";
import type { Bootstrapped } from "./bootstrapThread.ts";
import type { Launched } from "./launch.ts";

/** A process that a command leads to. */
export abstract class LaunchedTask {
  /** The process itself. Its stdin is /dev/null. */
  readonly thread: Thread;
  /** The command, a child of the Thread that launched it. */
  readonly process: ChildProcess;
  readonly #bootstrapped: Pick<Bootstrapped, "ended">;
  readonly #launched: Pick<Launched, "stderr">;

  protected constructor(
    bootstrapped: Pick<Bootstrapped, "thread" | "ended">,
    launched: Pick<Launched, "process" | "stderr">,
  ) {
    this.thread = bootstrapped.thread;
    this.process = launched.process;
    this.#bootstrapped = bootstrapped;
    this.#launched = launched;
  }

  /** Completes when the process has ended, or is out of reach. */
  ended(): Effect.Effect<void> {
    return this.#bootstrapped.ended();
  }

  /**
   * What the command, and the process and what it runs, have written to the command's stderr so far: the last
   * 64 KiB of it.
   */
  get stderr(): string {
    return this.#launched.stderr;
  }
}

oneLine(LaunchedTask, ({ thread, process }) => `${thread} through ${process}`);
