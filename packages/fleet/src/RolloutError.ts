import { printable, TaggedError } from "@rsyscall/near";

/** There is no such rollout, or no such batch of it. */
export class RolloutError extends TaggedError("RolloutError")<{
  /** The name of the kind of rollouts. */
  readonly rollout: string;
  readonly id: string;
  /** What is wrong, and what is right. */
  readonly problem: string;
}> {
  override get message(): string {
    return `${printable(this.rollout)} ${printable(JSON.stringify(this.id))}: ${this.problem}`;
  }
}
