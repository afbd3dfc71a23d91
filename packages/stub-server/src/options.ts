import type { Ucred } from "@rsyscall/abi";
import { InvalidArgumentError, type PathLike } from "@rsyscall/near";
import { type Duration, Effect } from "effect";
import type { LinkMode } from "./executable.ts";
import type { LimitOptions } from "./limits.ts";

export interface ListenOptions extends LimitOptions {
  /** How long a client may take for its hello. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input;
  /**
   * Which processes may connect, by the credentials that the kernel reports. Default: those with the server's own
   * effective user id. With this option every user may write to the socket, so that all of them can be asked for.
   */
  readonly allow?: (peer: Ucred) => boolean;
  /**
   * How long a process may leave any one system call without an answer; then the server hangs up. A process that
   * is stopped (SIGSTOP, ^Z) gives no answer, and neither does one that is inside a call that blocks. `readToEof` and
   * AsyncFileDescriptor make no such call: they may wait for input for ever. Default: no limit. But when callers
   * wait for a place (`callLimit`), the server hangs up on a process that does not answer a call that never blocks.
   */
  readonly stallLimit?: Duration.Input;
  /**
   * How long a stub waits for this server before it exits with 69, in whole seconds; 0 is for ever. After half of
   * the time, or 5 seconds, it says on its stderr what it waits for. A handler may take any time. The caller's environment variable
   * RSYSCALL_UNIX_STUB_TIMEOUT overrides this. Default: 60.
   */
  readonly stubTimeout?: number;
  /**
   * Whether system calls and memory of a stub on this host go through memory that we share with it,
   * where that is possible; otherwise they go through sockets. Default true.
   */
  readonly sharedMemory?: boolean;
}

export interface StubServerOptions extends ListenOptions {
  /** How the executable gets to its place. Default `symlink`. */
  readonly link?: LinkMode;
  /**
   * The stub executable: a path, which may be one in a Nix store that `NixStore.realise` gave. Default:
   * the one that comes with this package.
   */
  readonly stub?: PathLike;
}

const LISTEN_OPTIONS: ReadonlyArray<keyof ListenOptions> = [
  "descriptionLimit",
  "descriptionBudget",
  "pendingLimit",
  "callLimit",
  "handshakeTimeout",
  "allow",
  "stallLimit",
  "stubTimeout",
  "sharedMemory",
];

const MAKE_OPTIONS: ReadonlyArray<keyof StubServerOptions> = [...LISTEN_OPTIONS, "link", "stub"];

/** Refuses options that there are not: a misspelt one would silently do nothing. */
export const checkOptions = (
  method: "listenOn" | "make",
  options: object,
): Effect.Effect<void, InvalidArgumentError> => {
  const names: ReadonlyArray<string> = method === "make" ? MAKE_OPTIONS : LISTEN_OPTIONS;
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  return unknown === undefined
    ? Effect.void
    : Effect.fail(
        new InvalidArgumentError({
          syscall: `StubServer.${method}`,
          argument: "the name of an option",
          value: unknown,
          expected: `one of ${names.join(", ")}`,
        }),
      );
};
