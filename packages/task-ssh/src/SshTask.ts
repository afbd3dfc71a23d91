import type { HandleFailure } from "@rsyscall/handle";
import { CommandTask, type CommandTaskOptions } from "@rsyscall/task-command";
import { Command, type ExecutableNotFoundError, type Thread } from "@rsyscall/thread";
import { type LaunchError, LaunchedTask } from "@rsyscall/transport";
import { Duration, Effect, type Scope } from "effect";
import { type SshError, sshError } from "./errors.ts";

export interface SshTaskOptions extends CommandTaskOptions {
  /** Options of ssh(1), as on its command line: `["-p", "2222", "-o", "ProxyJump=bastion"]`. Default: none. */
  readonly options?: ReadonlyArray<string>;
  /** The ssh client. Default: the `ssh` that is found in the PATH of the Thread. */
  readonly ssh?: Command;
  /**
   * Whether ssh may ask for passwords and for host keys, on the terminal or through SSH_ASKPASS. Default false.
   * A user who is asked needs time: see `timeout`. The ssh processes for hosts on the way ask as they are configured.
   */
  readonly asks?: boolean;
  /**
   * The host is asked for a sign of life so often, and given up when it has missed three: then the Thread
   * ends. Whole seconds, rounded up; 0 leaves it to ssh's configuration, and a master that is there keeps to
   * its own. Default 15 seconds.
   */
  readonly keepAlive?: Duration.Input;
}

/**
 * A process on another host, over the user's own OpenSSH: its configuration, keys, agent and jump hosts.
 * There is one ssh process, and whatever else is opened goes through it: for more Threads on the host,
 * `fork` this one. Nothing has to be installed there, and nothing stays.
 *
 * @example
 * ```ts
 * import { SshTask } from "@rsyscall/task-ssh";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const { thread } = yield* SshTask.make(yield* LocalThread, "root@host", {
 *     options: ["-p", "2222"],
 *   });
 *   return yield* thread.slurp("/etc/os-release");
 * });
 * ```
 */
export class SshTask extends LaunchedTask {
  /**
   * Runs ssh in a child of a Thread, and takes over the process that it leads to. The scope ends both.
   *
   * @param destination as ssh takes it: `host`, `user@host`, `ssh://user@host:port`
   */
  static make(
    parent: Thread,
    destination: string,
    options: SshTaskOptions = {},
  ): Effect.Effect<
    SshTask,
    HandleFailure | LaunchError | SshError | ExecutableNotFoundError,
    Scope.Scope
  > {
    return Effect.gen(function* () {
      const ssh = options.ssh ?? (yield* parent.which("ssh"));
      const client = ssh.args(...sshOptions(options), "--", destination);
      const task = yield* CommandTask.make(
        parent,
        // ssh joins its words, and gives them to the login shell of the user there.
        (...words) => client.args(Command.make(...words).toShell()),
        options,
      ).pipe(
        Effect.mapError((error) =>
          error._tag === "LaunchError" ? sshError(destination, error) : error,
        ),
      );
      return new SshTask(task, task);
    });
  }
}

/** Of two values for an option, ssh takes the first: so the user's own come before ours. */
const sshOptions = ({
  options = [],
  asks = false,
  keepAlive = "15 seconds",
}: SshTaskOptions): ReadonlyArray<string> => {
  const interval = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(keepAlive)));
  return [
    ...options,
    // Bytes go through, and not a terminal's idea of them.
    "-T",
    // This process is ours alone; a master that is there already may be used.
    ...["-o", "ControlMaster=no"],
    // Nothing else in the user's configuration shall begin with us, and fail if it has begun before.
    ...["-o", "ClearAllForwardings=yes"],
    ...["-o", "RemoteCommand=none"],
    ...(asks ? [] : ["-o", "BatchMode=yes"]),
    ...(interval === 0
      ? []
      : ["-o", `ServerAliveInterval=${interval}`, "-o", "ServerAliveCountMax=3"]),
  ];
};
