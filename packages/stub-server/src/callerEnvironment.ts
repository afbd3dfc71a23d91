import type { Description } from "@rsyscall/transport";

/** Environment variables that are for the stub: handlers and programs do not see them. */
const ARGV0 = "RSYSCALL_UNIX_STUB_ARGV0";
const SOCKET_PATH = "RSYSCALL_UNIX_STUB_SOCK_PATH";
const OURS = [ARGV0, SOCKET_PATH, "RSYSCALL_UNIX_STUB_SOCK", "RSYSCALL_UNIX_STUB_TIMEOUT"].map(
  (name) => `${name}=`,
);

const isOurs = (text: Uint8Array): boolean => OURS.some((prefix) => startsWith(text, prefix));

const startsWith = (text: Uint8Array, prefix: string): boolean =>
  text.length >= prefix.length && [...prefix].every((c, i) => text[i] === c.charCodeAt(0));

/** The caller's environment, without what led the stub to us. */
export const callerEnvironment = (description: Description): ReadonlyArray<Uint8Array> =>
  description.environment().filter((text) => !isOurs(text));

/** A wrapper script passes argv[0] on in a variable, beside the socket's. */
export const argv0FromScript = ({ variable }: Description): Uint8Array | undefined =>
  variable(SOCKET_PATH) === undefined ? undefined : variable(ARGV0);
