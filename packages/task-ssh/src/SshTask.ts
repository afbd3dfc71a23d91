import type { HandleFailure } from "@rsyscall/handle";
import { CommandTask, type CommandTaskOptions } from "@rsyscall/task-command";
import { Command, type ExecutableNotFoundError, type Thread } from "@rsyscall/thread";
import { type LaunchError, LaunchedTask } from "@rsyscall/transport";
import { Duration, Effect, type Scope } from "effect";
import { type SshError, sshError } from "./errors.ts";

/** Options of an SshTask. */
export interface SshTaskOptions extends CommandTaskOptions {
  /** Options of ssh(1), as on its command line: `["-p", "2222", "-o", "ProxyJump=bastion"]`. Default: none. */
  readonly options?: ReadonlyArray<string>;
  /** The ssh client. Default: `ssh` in the PATH of the Thread. */
  readonly ssh?: Command;
  /**
   * Whether ssh may ask for passwords and for host keys, on the terminal or through SSH_ASKPASS. Default false.
   * The user needs time to answer: see `timeout`. The ssh processes for jump hosts ask as they are configured.
   */
  readonly asks?: boolean;
  /**
   * The interval of ssh's keep-alive messages. When three are not answered, the Thread ends. In whole seconds,
   * rounded up; 0 leaves it to ssh's configuration. An existing ssh master uses its own interval. Default 15
   * seconds.
   */
  readonly keepAlive?: Duration.Input;
}

/**
 * A process on another host, over the user's own OpenSSH, with its configuration, keys, agent and jump hosts.
 * There is one ssh process, and all channels go through it: for more Threads on the host, `fork` this one.
 * Nothing has to be installed on the host, and nothing stays there.
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
   * Runs ssh in a child of a Thread, and takes over the process to which it leads. The scope ends both.
   *
   * @param destination the destination argument of ssh: `host`, `user@host`, `ssh://user@host:port`
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
        // ssh joins its words, and the remote user's login shell parses them.
        (...words) => client.args(Command.make(...words).toShell()),
        options,
      ).pipe(
        Effect.mapError((error) =>
          error._tag === "LaunchError"
            ? sshError(
                destination,
                String(ssh.args(...(options.options ?? []), destination)),
                error,
              )
            : error,
        ),
      );
      return new SshTask(task, task);
    });
  }
}

/** Returns the options of ssh. The caller's come first, because ssh takes the first value of an option. */
const sshOptions = ({
  options = [],
  asks = false,
  keepAlive = "15 seconds",
}: SshTaskOptions): ReadonlyArray<string> => {
  const interval = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(keepAlive)));
  return [
    ...options,
    // No terminal, which would change bytes.
    "-T",
    // This ssh does not become a master, but may use an existing one.
    ...["-o", "ControlMaster=no"],
    // No forwardings of the user's configuration, which would fail if another ssh has them already.
    ...["-o", "ClearAllForwardings=yes"],
    ...["-o", "RemoteCommand=none"],
    ...(asks ? [] : ["-o", "BatchMode=yes"]),
    ...(interval === 0
      ? []
      : ["-o", `ServerAliveInterval=${interval}`, "-o", "ServerAliveCountMax=3"]),
  ];
};
