import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** Cuts off a Thread by killing its process on this host. */
export const killProcess = ({ task }: Thread): Effect.Effect<void> =>
  Effect.sync(() => void process.kill(task.pid, "SIGKILL"));
