import { printable, printableLines, TaggedError } from "@rsyscall/near";
import type { LaunchError } from "@rsyscall/transport";

/** Characters of ssh's stderr that a message has: the last ones, where the reason is. */
const SAID = 4096;

/** What kept ssh(1) from getting to a host. */
export type SshProblem =
  /** The host's key is not known, or is another one than is known. */
  | "HostKey"
  /** The host does not accept our credentials. */
  | "Authentication"
  /** Its name has no address. */
  | "UnknownHost"
  /** Nothing answers at its address, or nothing that speaks ssh. */
  | "Unreachable";

/** ssh(1) has not got to a host. The message is its own, escaped: what a host says before it is known is in it. */
export class SshError extends TaggedError("SshError")<{
  readonly destination: string;
  readonly reason: SshProblem;
  /** What ssh has written to stderr, as it came. */
  readonly stderr: string;
  readonly cause: LaunchError;
}> {
  override get message(): string {
    return `${printable(this.destination)}: ${printableLines(this.stderr.trim().slice(-SAID))}`;
  }
}

/** As ssh(1) says it, in any of its versions: it has one exit status for all of them. */
const patterns: ReadonlyArray<readonly [SshProblem, RegExp]> = [
  ["HostKey", /Host key verification failed|host key is known for|IDENTIFICATION HAS CHANGED/],
  ["Authentication", /Permission denied \(|Too many authentication failures/],
  ["UnknownHost", /Could not resolve hostname/],
  [
    "Unreachable",
    /Connection (refused|reset|closed|timed out)|No route to host|Network is unreachable|banner exchange|kex_exchange/,
  ],
];

/** The exit status of ssh(1) for its own failures; any other is that of the command. */
const FAILED = /exited with status 255$/;

/** The error of ssh(1) behind a launch that has failed, if there is one. */
export const sshError = (destination: string, error: LaunchError): SshError | LaunchError => {
  if (!FAILED.test(error.problem)) return error;
  const found = patterns.find(([, pattern]) => pattern.test(error.stderr));
  return found === undefined
    ? error
    : new SshError({ destination, reason: found[0], stderr: error.stderr, cause: error });
};
