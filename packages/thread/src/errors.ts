import type { ChildState } from "@rsyscall/handle";
import { TaggedError } from "@rsyscall/near";
import type { Command } from "./Command.ts";

/** A child did not exit with status 0. */
export class ChildProcessError extends TaggedError("ChildProcessError")<{
  /** How it ended. */
  readonly state: ChildState;
  /** What it executed, if that is known. */
  readonly command: Command | undefined;
}> {
  override get message(): string {
    const { state, command } = this;
    const subject = command === undefined ? "A child" : String(command);
    return `${subject} (pid ${state.pid}) ${state}`;
  }
}
