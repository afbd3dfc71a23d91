import type { Description } from "@rsyscall/transport";

/** Environment variables that are for the stub: handlers and programs do not see them. */
const ARGV0 = "RSYSCALL_UNIX_STUB_ARGV0";
const SOCKET_PATH = "RSYSCALL_UNIX_STUB_SOCK_PATH";
const OURS = [ARGV0, SOCKET_PATH, "RSYSCALL_UNIX_STUB_SOCK", "RSYSCALL_UNIX_STUB_TIMEOUT"];

const prefixes = OURS.map((name) => new TextEncoder().encode(`${name}=`));

const isOurs = (text: Uint8Array): boolean =>
  prefixes.some((prefix) => {
    // Most differ in the first byte.
    for (let i = 0; i < prefix.length; i++) if (text[i] !== prefix[i]) return false;
    return true;
  });

/** The caller's environment, without what led the stub to us. */
export const callerEnvironment = (description: Description): ReadonlyArray<Uint8Array> =>
  description.environment().filter((text) => !isOurs(text));

const isOurName = (text: string): boolean => OURS.some((name) => text.startsWith(`${name}=`));

/** The same as text, each with a NUL behind it. */
export const callerEnvironmentText = (description: Description): string => {
  const text = description.environmentText();
  return text.includes("RSYSCALL_UNIX_STUB_")
    ? text.replaceAll(/[^\0]*\0/g, (variable) => (isOurName(variable) ? "" : variable))
    : text;
};

/** The same as names and values. As getenv(3): the first of several wins. */
export const callerVariables = (description: Description): Readonly<Record<string, string>> => {
  const values = new Map<string, string>();
  for (const text of callerEnvironmentText(description).split("\0")) {
    // The name may begin with "=", as some systems have it.
    const at = text.indexOf("=", 1);
    if (at < 0) continue;
    const name = text.slice(0, at);
    if (!values.has(name)) values.set(name, text.slice(at + 1));
  }
  // Not by assignment: a variable may have the name __proto__.
  return Object.fromEntries(values);
};

/** A wrapper script passes argv[0] on in a variable, beside the socket's. */
export const argv0FromScript = (description: Description): Uint8Array | undefined =>
  description.variable(SOCKET_PATH) === undefined ? undefined : description.variable(ARGV0);
