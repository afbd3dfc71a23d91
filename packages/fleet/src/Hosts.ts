import type { HandleFailure } from "@rsyscall/handle";
import { CommandTask } from "@rsyscall/task-command";
import { PersistentTask, type PersistentTaskError } from "@rsyscall/task-persistent";
import { type SshError, SshTask } from "@rsyscall/task-ssh";
import { type ExecutableNotFoundError, LocalThread, type Thread } from "@rsyscall/thread";
import type { LaunchError } from "@rsyscall/transport";
import { Context, type Duration, Effect, Layer, type Scope } from "effect";

/** How a host is reached from a runner. */
export type HostAddress =
  /** By ssh(1) of the user of the runner, with its configuration, keys and agent: a destination as of its command line. */
  | { readonly ssh: string; readonly options?: ReadonlyArray<string> }
  /** By a command that runs the words behind it on the host: `["kubectl", "exec", "-i", "pod/web-1", "--"]`. */
  | { readonly command: readonly [program: string, ...args: ReadonlyArray<string>] }
  /** By the socket of a PersistentTask on the machine of the runner. Programs run in a child of it. */
  | { readonly persistent: string };

/** Why a host could not be opened. */
export type OpenFailure =
  | HandleFailure
  | LaunchError
  | SshError
  | PersistentTaskError
  | ExecutableNotFoundError;

/** A process on a host that is under control. */
export interface OpenHost {
  /** The process. */
  readonly thread: Thread;
}

/**
 * The inventory of a runner: how the hosts are reached, by name. Every runner has the same one. A name is what a host is
 * addressed by, in programs, results and messages.
 *
 * @example
 * ```ts
 * import { Hosts } from "@rsyscall/fleet";
 *
 * const hosts = Hosts.layer({
 *   web1: { ssh: "deploy@10.0.0.1", options: ["-p", "2222"] },
 *   web2: { command: ["kubectl", "exec", "-i", "pod/web-2", "--"] },
 * });
 * ```
 */
export class Hosts extends Context.Service<
  Hosts,
  {
    /** Opens a host for as long as the scope; undefined if there is none of this name. */
    readonly open: (name: string) => Effect.Effect<OpenHost, OpenFailure, Scope.Scope> | undefined;
  }
>()("@rsyscall/fleet/Hosts") {
  /**
   * The hosts of a record, or of a function that gives the address of a host by its name.
   *
   * @param timeout how long a host may take until it answers; default 30 seconds
   */
  static layer(
    hosts: Readonly<Record<string, HostAddress>> | ((name: string) => HostAddress | undefined),
    { timeout = "30 seconds" }: { readonly timeout?: Duration.Input } = {},
  ): Layer.Layer<Hosts> {
    const addressOf =
      typeof hosts === "function"
        ? hosts
        : (name: string) => (Object.hasOwn(hosts, name) ? hosts[name] : undefined);
    return Layer.effect(
      Hosts,
      Effect.map(LocalThread, (local) => ({
        open: (name: string) => {
          const address = addressOf(name);
          return address && openHost(local, address, timeout);
        },
      })),
    ).pipe(Layer.provide(Layer.orDie(LocalThread.layer)));
  }

  /** Every name is a destination of ssh(1): `host`, `user@host`, `ssh://user@host:port`. */
  static bySsh(options: ReadonlyArray<string> = []): Layer.Layer<Hosts> {
    return Hosts.layer((name) => ({ ssh: name, options }));
  }
}

const openHost = (
  local: Thread,
  address: HostAddress,
  timeout: Duration.Input,
): Effect.Effect<OpenHost, OpenFailure, Scope.Scope> => {
  if ("ssh" in address) {
    const { ssh, options = [] } = address;
    return SshTask.make(local, ssh, { options, timeout, session: true });
  }
  if ("persistent" in address)
    // A child, because that ends at a cut: the task itself would keep what programs have open, and locks for ever.
    return Effect.flatMap(
      PersistentTask.connect(local, address.persistent, { timeout }),
      ({ thread }) => Effect.map(thread.fork(), (child) => ({ thread: child })),
    );
  const [program, ...args] = address.command;
  return Effect.flatMap(local.which(program), (command) =>
    CommandTask.make(local, (...words) => command.args(...args, ...words), {
      timeout,
      session: true,
    }),
  );
};
