import {
  AF,
  CLD,
  CLONE,
  decodeSockaddr,
  EPOLL,
  fsEncode,
  major,
  minor,
  POLL,
  RLIM_INFINITY,
  S_IF,
  S_IFMT,
  SA,
  SIG_DFL,
  SIG_IGN,
  signalName,
} from "@rsyscall/abi";
import { enumFormat, flagsFormat } from "../Format.ts";
import { quoted } from "./quoted.ts";
import { address, formatted, hex } from "./shownWord.ts";

/** Elements of an array that are shown, as strace(1) does by default. */
export const ELEMENTS = 32;

/** Formats the fields of a struct, with their C names. */
const struct = (fields: Readonly<Record<string, string>>): string =>
  `{${Object.entries(fields)
    .map(([name, text]) => `${name}=${text}`)
    .join(", ")}}`;

const text = (value: string): string => quoted(fsEncode(value), 64);

const octal = (value: number): string => formatted({ as: "octal" }, value);

const signal = (value: number): string => formatted({ as: "signal" }, value);

interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const timespec = ({ seconds, nanoseconds }: Time): string =>
  struct({ tv_sec: String(seconds), tv_nsec: String(nanoseconds) });

const fileTypes = enumFormat("S_IF", S_IF);

/** Formats a set of signals, without the SIG of their names; a large set as the missing signals. */
export const sigset = (signals: ReadonlySet<number>): string => {
  const isMost = signals.size > 42;
  const shown = Array.from({ length: 64 }, (_, i) => i + 1).filter(
    (number) => signals.has(number) !== isMost,
  );
  const names = shown.map((number) =>
    number > 32 ? `RT_${number - 32}` : number === 32 ? "RTMIN" : signalName(number).slice(3),
  );
  return `${isMost ? "~" : ""}[${names.join(" ")}]`;
};

const handler = (value: number): string =>
  value === SIG_DFL ? "SIG_DFL" : value === SIG_IGN ? "SIG_IGN" : hex(value);

const limit = (value: bigint): string => {
  if (value === RLIM_INFINITY) return "RLIM64_INFINITY";
  return value > 1024n && value % 1024n === 0n ? `${value / 1024n}*1024` : String(value);
};

const epollEvents = flagsFormat("EPOLL", EPOLL);
const pollEvents = flagsFormat("POLL", POLL);
const cloneFlags = flagsFormat("CLONE_", CLONE);
const actionFlags = flagsFormat("SA_", SA);
const childCodes = enumFormat("CLD_", CLD);

/** The form in strace(1) of values of a type, by its C name. The values come from codecs of `@rsyscall/abi`. */
// biome-ignore lint/suspicious/noExplicitAny: the name says which type it is.
const structs: Readonly<Record<string, (value: any) => string>> = {
  "struct timespec": timespec,
  "struct itimerspec": ({ interval, value }) =>
    struct({ it_interval: timespec(interval), it_value: timespec(value) }),
  "struct stat": ({ mode, rdev, size }) =>
    `{st_mode=${formatted(fileTypes, mode & S_IFMT)}|${octal(mode & ~S_IFMT)}, ${
      (mode & S_IFMT) === S_IF.CHR || (mode & S_IFMT) === S_IF.BLK
        ? `st_rdev=makedev(${hex(major(rdev))}, ${hex(minor(rdev))})`
        : `st_size=${size}`
    }, ...}`,
  sigset_t: sigset,
  "struct sigaction": (action) =>
    struct({
      sa_handler: handler(action.handler),
      sa_mask: sigset(action.mask),
      sa_flags: formatted(actionFlags, action.flags),
      ...(action.restorer !== 0 && { sa_restorer: hex(action.restorer) }),
    }),
  "struct rlimit": ({ cur, max }) => struct({ rlim_cur: limit(cur), rlim_max: limit(max) }),
  "struct epoll_event": ({ events, data }) =>
    struct({
      events: formatted(epollEvents, events),
      data: struct({ u32: String(BigInt.asUintN(32, BigInt(data))), u64: String(data) }),
    }),
  "struct pollfd": ({ fd, events }) =>
    struct({ fd: String(fd), events: formatted(pollEvents, events) }),
  "struct utsname": ({ sysname, nodename }) =>
    `{sysname=${text(sysname)}, nodename=${text(nodename)}, ...}`,
  siginfo_t: ({ signo, code, pid, uid, status }) =>
    signo === 0
      ? "{}"
      : `{si_signo=${signal(signo)}, si_code=${formatted(childCodes, code)}, si_pid=${pid}, si_uid=${uid}, si_status=${
          code === CLD.EXITED ? status : signal(status)
        }, ...}`,
  "struct clone_args": ({ flags, exitSignal, stack, stackSize }) =>
    struct({
      flags: formatted(cloneFlags, flags),
      exit_signal: signal(Number(exitSignal)),
      stack: address(stack),
      stack_size: hex(stackSize),
    }),
  "struct winsize": ({ rows, columns, width, height }) =>
    struct({
      ws_row: String(rows),
      ws_col: String(columns),
      ws_xpixel: String(width ?? 0),
      ws_ypixel: String(height ?? 0),
    }),
};

/** Formats a field, or a value of a type that has no special form in strace(1). */
const general = (value: unknown): string => {
  if (typeof value === "string") return text(value);
  if (value instanceof Uint8Array) return quoted(value);
  if (value instanceof Set) return `[${[...value].slice(0, ELEMENTS).join(" ")}]`;
  if (Array.isArray(value)) return array(value.map(general), value.length);
  if (typeof value === "object" && value !== null)
    return struct(Object.fromEntries(Object.entries(value).map(([k, v]) => [k, general(v)])));
  return String(value);
};

/** Formats a decoded value of a type. */
export const shownValue = (type: string, value: unknown): string =>
  (Object.hasOwn(structs, type) ? structs[type] : undefined)?.(value) ?? general(value);

/** @param count the number of elements; `shown` has all of them or the first ones */
export const array = (shown: ReadonlyArray<string>, count: number): string =>
  `[${shown.slice(0, ELEMENTS).join(", ")}${count > Math.min(shown.length, ELEMENTS) ? ", ..." : ""}]`;

/** Formats the result of a `struct pollfd`. */
export const shownRevents = (fd: number, revents: number): string =>
  struct({ fd: String(fd), revents: formatted(pollEvents, revents) });

const families = enumFormat("AF_", AF);

/** Formats a socket address. */
export const shownSockaddr = (bytes: Uint8Array): string => {
  const sockaddr = decodeSockaddr(bytes);
  switch (sockaddr?.family) {
    case "unix": {
      const path = fsEncode(sockaddr.path);
      if (path.length === 0) return "{sa_family=AF_UNIX}";
      const name = path[0] === 0 ? `@${quoted(path.subarray(1), 108)}` : quoted(path, 108);
      return `{sa_family=AF_UNIX, sun_path=${name}}`;
    }
    case "inet":
      return `{sa_family=AF_INET, sin_port=htons(${sockaddr.port}), sin_addr=inet_addr("${sockaddr.address}")}`;
    case "inet6": {
      const { port, flowinfo = 0, address, scopeId = 0 } = sockaddr;
      return `{sa_family=AF_INET6, sin6_port=htons(${port}), sin6_flowinfo=htonl(${flowinfo}), inet_pton(AF_INET6, "${address}", &sin6_addr), sin6_scope_id=${scopeId}}`;
    }
    case "netlink":
      return struct({
        sa_family: "AF_NETLINK",
        nl_pid: String(sockaddr.pid),
        nl_groups: sockaddr.groups.toString(16).padStart(8, "0"),
      });
    case "packet": {
      const { protocol = 0, ifindex, hatype = 0, pkttype = 0, address } = sockaddr;
      return struct({
        sa_family: "AF_PACKET",
        sll_protocol: `htons(${hex(protocol)})`,
        sll_ifindex: String(ifindex),
        sll_hatype: String(hatype),
        sll_pkttype: String(pkttype),
        sll_halen: String(address?.length ?? 0),
      });
    }
    case "vsock":
      return struct({
        sa_family: "AF_VSOCK",
        svm_cid: hex(sockaddr.cid),
        svm_port: hex(sockaddr.port),
      });
    default: {
      if (bytes.length < 2) return quoted(bytes);
      const family = (bytes[0] as number) | ((bytes[1] as number) << 8);
      return `{sa_family=${formatted(families, family)}, sa_data=${quoted(bytes.subarray(2))}}`;
    }
  }
};
