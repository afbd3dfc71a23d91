import { type Abi, AF, F, Int32, O } from "@rsyscall/abi";
import { enumFormat, type Format, flagsFormat } from "../Format.ts";
import type { AnyKind, SixWords } from "../SyscallDefinition.ts";
import { formatted } from "./shownWord.ts";

/*
 * The calls that strace(1) shows in another form than their definition gives.
 */

/** Commands of fcntl(2) that take no argument. */
const withoutArgument: ReadonlySet<unknown> = new Set<number>([
  F.GETFD,
  F.GETFL,
  F.GETOWN,
  F.GETSIG,
  F.GETLEASE,
  F.GETPIPE_SZ,
  F.GET_SEALS,
]);

/** Returns the number of arguments that are shown: the others have no meaning. */
export const shownCount = (name: string, words: SixWords, count: number): number => {
  if (name === "fcntl" && withoutArgument.has(words[1])) return 2;
  // O_TMPFILE contains the bit of O_DIRECTORY, which alone does not create a file.
  if (name === "openat" && (Number(words[2]) & (O.CREAT | (O.TMPFILE & ~O.DIRECTORY))) === 0)
    return 3;
  if (name === "prctl") return Math.max(1, words.findLastIndex((word) => word !== 0) + 1);
  return count;
};

/** Flags of open(2) without the access mode: O_RDONLY is 0. */
const { RDONLY: _, ...changes } = O;
const withoutAccess: Format = flagsFormat("O_", changes);

const statusFlags: Format = flagsFormat("O_", O, O.ACCMODE);

/** Protocols of socket(2) for the Internet. */
const protocols: Format = enumFormat("IPPROTO_", {
  IP: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ICMPV6: 58,
  RAW: 255,
});

/** Returns the format of an argument, which may differ from that of its kind. */
export const formatOf = (name: string, index: number, words: SixWords, kind: AnyKind): Format => {
  if ((name === "pipe2" && index === 1) || (name === "dup3" && index === 2)) return withoutAccess;
  if (name === "fcntl" && index === 2 && words[1] === F.SETFL) return statusFlags;
  const isInternet = words[0] === AF.INET || words[0] === AF.INET6;
  if (name === "socket" && index === 2 && isInternet) return protocols;
  return kind.format;
};

/** Formats a result that is a set of flags. */
export const shownFlags = (
  name: string,
  [, command]: SixWords,
  result: number,
  abi: Abi,
): string | undefined => {
  if (name !== "fcntl") return undefined;
  if (command === F.GETFD && result === 1) return "0x1 (flags FD_CLOEXEC)";
  return command === F.GETFL
    ? `${formatted({ as: "hex" }, result)} (flags ${formatted(statusFlags, abi.openFlagsFromTarget(result))})`
    : undefined;
};

/** Returns the type as which bytes are shown, if not as bytes: most socket options are an int. */
export const shownAs = (name: string, bytes: Uint8Array): string | undefined =>
  (name === "setsockopt" || name === "getsockopt") && bytes.length === 4
    ? `[${Int32.decode(bytes)}]`
    : undefined;

/** Removes the NUL at the end, if the call counts it: getcwd(2). */
export const withoutEnd = (name: string, bytes: Uint8Array): Uint8Array =>
  name === "getcwd" && bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes;
