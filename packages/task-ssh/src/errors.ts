import { printable, printableLines, TaggedError } from "@rsyscall/near";
import { LaunchError } from "@rsyscall/transport";

/** The number of characters of ssh's stderr in a message: the last ones, which have the reason. */
const SAID = 4096;

/** The reason why ssh(1) could not reach a host. */
export type SshProblem =
  /** The host's key is unknown, or has changed. */
  | "HostKey"
  /** The host does not accept the user's credentials. */
  | "Authentication"
  /** Its name has no address. */
  | "UnknownHost"
  /** No server answers at its address, or not one that speaks ssh. */
  | "Unreachable";

/** ssh(1) could not reach a host. Its message is escaped, because it may contain text of an unverified host. */
export class SshError extends TaggedError("SshError")<{
  readonly destination: string;
  readonly reason: SshProblem;
  /** The stderr of ssh, unchanged. */
  readonly stderr: string;
  readonly cause: LaunchError;
}> {
  override get message(): string {
    const said = this.stderr.trim().slice(-SAID);
    // ssh(1) begins some of its lines with the destination itself.
    const prefix = `${this.destination}: `;
    const text = printableLines(said.startsWith(prefix) ? said.slice(prefix.length) : said);
    return `${printable(prefix)}${text}${REMEDIES[this.reason] ?? ""}`;
  }
}

const REMEDIES: Partial<Record<SshProblem, string>> = {
  HostKey:
    "\nCompare the key of the host with what its owner says, and put it into known_hosts: ssh-keyscan(1), or ssh by hand.",
  Authentication: "\nLoad a key that the host knows into ssh-agent(1): ssh asked for nothing here.",
};

/** The messages of ssh(1), in all of its versions. It has only one exit status for all of these problems. */
const patterns: ReadonlyArray<readonly [SshProblem, RegExp]> = [
  ["HostKey", /Host key verification failed|host key is known for|IDENTIFICATION HAS CHANGED/],
  ["Authentication", /Permission denied \(|Too many authentication failures/],
  ["UnknownHost", /Could not resolve hostname/],
  [
    "Unreachable",
    /Connection (refused|reset|closed|timed out)|No route to host|Network is unreachable|banner exchange|kex_exchange/,
  ],
];

/** The lines by which ssh(1) reports that a connection was cut: then it had reached the host. */
const CUT = /^(Read from remote host|client_loop:|packet_write_wait:).*$/gm;

/** The exit status of ssh(1) for its own failures; any other status is that of the command. */
const FAILED = /exited with status 255$/;

/**
 * Returns the error of ssh(1) that made a launch fail, if there is one.
 *
 * @param shown the command without the options that are always there
 */
export const sshError = (
  destination: string,
  shown: string,
  error: LaunchError,
): SshError | LaunchError => {
  const { problem, kind, stderr, cause } = error;
  const launchError = new LaunchError({ command: shown, problem, kind, stderr, cause });
  // Of a connection that is reset, ssh says the same before it has reached the host and after that.
  if (!FAILED.test(problem) || kind === "Cut") return launchError;
  const said = error.stderr.replace(CUT, "");
  const found = patterns.find(([, pattern]) => pattern.test(said));
  return found === undefined
    ? launchError
    : new SshError({ destination, reason: found[0], stderr: error.stderr, cause: error });
};
