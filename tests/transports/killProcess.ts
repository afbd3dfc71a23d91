import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** How a process of this host is cut off. */
export const killProcess = ({ task }: Thread): Effect.Effect<void> =>
  Effect.sync(() => void process.kill(task.pid, "SIGKILL"));
