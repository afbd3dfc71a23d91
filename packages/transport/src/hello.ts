import {
  type FixedCodec,
  fsDecode,
  Int32,
  listOf,
  Sigset,
  struct,
  Uint32,
  Uint64,
} from "@rsyscall/abi";
import { type NamespaceKind, namespaceKinds } from "@rsyscall/far";
import { Address, Fd, Path, Pid } from "@rsyscall/near";
import { HandshakeError } from "./errors.ts";

/*
 * What a stub says of itself: struct rsyscall_hello in stub-c/include/rsyscall/protocol.h, and what
 * follows it. Nothing in it can be believed before it is checked.
 */

export const MAGIC = new TextEncoder().encode("rsyscall");
export const VERSION = 1;

/** The part that no version will change. */
export const HelloPrefix = struct("struct rsyscall_hello (prefix)", {
  magic: Uint64,
  version: Uint32,
  machine: Uint32,
  size: Uint32,
});

/** Bytes of the prefix; the rest of the structure follows without padding. */
export const HELLO_PREFIX_SIZE = 20;

/** Bytes of the structure at least. More may be appended to it, as `ignored` was: what is not there is 0. */
export const HELLO_SIZE = 192;

/** More than this no version will need. */
export const HELLO_SIZE_AT_MOST = 4096;

const FDS_UNKNOWN = 0xffffffff;

const POINTER_SIZE = 8;

const Hello = struct("struct rsyscall_hello", {
  magic: Uint64,
  version: Uint32,
  machine: Uint32,
  size: Uint32,
  argc: Uint32,
  envc: Uint32,
  fdCount: Uint32,
  argvSize: Uint64,
  envpSize: Uint64,
  cwdSize: Uint32,
  execfnSize: Uint32,
  sigmask: Uint64,
  pageSize: Uint32,
  pid: Int32,
  ppid: Int32,
  uid: Uint32,
  gid: Uint32,
  syscallFd: Int32,
  dataFd: Int32,
  connectionFd: Int32,
  lifelineFd: Int32,
  listeningFd: Int32,
  cgroup: Uint64,
  ipc: Uint64,
  mnt: Uint64,
  net: Uint64,
  pidNamespace: Uint64,
  time: Uint64,
  user: Uint64,
  uts: Uint64,
  serverSymbol: Uint64,
  arenaAddress: Uint64,
  arenaSize: Uint64,
  ignored: Uint64,
});

type HelloFields = typeof Hello extends FixedCodec<infer A> ? A : never;

/** A stub's description of its process, checked. */
export interface Description {
  readonly argv: ReadonlyArray<Uint8Array>;
  /** Made of the bytes whenever it is asked for: most handlers never do. */
  readonly environment: () => ReadonlyArray<Uint8Array>;
  readonly cwd: Path | undefined;
  /** The path by which the program was executed. */
  readonly execfn: Path | undefined;
  /** Descriptors that the caller left open; undefined when nobody knows. */
  readonly fds: ReadonlyArray<Fd> | undefined;
  readonly pid: Pid;
  readonly ppid: Pid;
  readonly uid: number;
  readonly gid: number;
  readonly pageSize: number;
  readonly sigmask: Sigset;
  /** Signals that the caller had ignored, of those with which the stub does something else. */
  readonly ignored: Sigset;
  readonly namespaces: Partial<Record<NamespaceKind, bigint>>;
  readonly syscallFd: Fd;
  readonly dataFd: Fd;
  readonly connectionFd: Fd;
  readonly lifelineFd: Fd;
  /** Where a process that stays awaits its next controller; undefined if it does not stay. */
  readonly listeningFd: Fd | undefined;
  readonly serverSymbol: Address;
  /** Where the memory lies whose memfd comes with the hello; of size 0 if there is none. */
  readonly arena: { readonly address: Address; readonly size: number };
}

/** The fixed part, with what it announces checked against the limit. */
export interface Header {
  readonly fields: HelloFields;
  /** Bytes that follow. */
  readonly rest: number;
}

/** Decodes the fixed part. Throws HandshakeError: see `checked`. */
export const decodeHeader = (bytes: Uint8Array, limit: number): Header => {
  const whole = new Uint8Array(Math.max(bytes.length, Hello.size));
  whole.set(bytes);
  const fields = Hello.decode(whole);
  const fdsSize = fields.fdCount === FDS_UNKNOWN ? 0 : 4 * fields.fdCount;
  // Every part is small enough for exact arithmetic before they are added up.
  const parts = [
    Number(fields.argvSize),
    Number(fields.envpSize),
    fields.cwdSize,
    fields.execfnSize,
  ];
  const rest = parts.reduce((sum, part) => sum + part, fdsSize);
  // Each string counts as much more as execve(2) lets it: empty ones are a byte there, and an object here.
  const total = rest + POINTER_SIZE * (fields.argc + fields.envc);
  if (total > limit)
    throw new HandshakeError({
      problem: `arguments and environment of ${total} bytes are more than the ${limit} that this server takes`,
    });
  return { fields, rest };
};

/** NUL-terminated strings, one behind the other. */
function* decodeStrings(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** Bytes of strings: exactly as many as were announced, and each with an end. */
const checkStrings = (what: string, bytes: Uint8Array, count: number): Uint8Array => {
  if (bytes.length > 0 && bytes.at(-1) !== 0)
    throw new HandshakeError({ problem: `${what} without an end` });
  let sent = 0;
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) sent++;
  if (sent !== count)
    throw new HandshakeError({
      problem: `${count} strings of ${what} announced, and ${sent > count ? "more" : sent} sent`,
    });
  return bytes;
};

const fdNumber = (number: number): Fd => {
  if (number < 0) throw new HandshakeError({ problem: `descriptor ${number} in the hello` });
  return Fd(number);
};

const signals = (bits: bigint): Sigset => {
  const bytes = new Uint8Array(Sigset.size);
  new DataView(bytes.buffer).setBigUint64(0, bits, true);
  return Sigset.decode(bytes);
};

/** Decodes all of it; `rest` is what follows the fixed part. Throws HandshakeError. */
export const decodeDescription = ({ fields }: Header, rest: Uint8Array): Description => {
  let at = 0;
  const take = (size: number | bigint) => {
    const start = at;
    at += Number(size);
    return rest.subarray(start, at);
  };
  const argv = checkStrings("argv", take(fields.argvSize), fields.argc);
  const environment = checkStrings("environment", take(fields.envpSize), fields.envc);
  const path = (bytes: Uint8Array) => (bytes.length === 0 ? undefined : Path.make(fsDecode(bytes)));
  const cwd = path(take(fields.cwdSize));
  const execfn = path(take(fields.execfnSize));
  const fds =
    fields.fdCount === FDS_UNKNOWN
      ? undefined
      : listOf(Int32)
          .decode(take(4 * fields.fdCount))
          .map(fdNumber);
  if (fields.pid <= 0) throw new HandshakeError({ problem: `pid ${fields.pid} in the hello` });
  const { pageSize } = fields;
  if (pageSize < 4096 || pageSize > 1 << 20 || (pageSize & (pageSize - 1)) !== 0)
    throw new HandshakeError({ problem: `page size ${pageSize} in the hello` });
  const ids = { ...fields, pid: fields.pidNamespace };
  return {
    argv: [...decodeStrings(argv)],
    environment: () => [...decodeStrings(environment)],
    cwd,
    execfn,
    fds,
    pid: Pid(fields.pid),
    ppid: Pid(fields.ppid),
    uid: fields.uid,
    gid: fields.gid,
    pageSize,
    sigmask: signals(fields.sigmask),
    ignored: signals(fields.ignored),
    namespaces: Object.fromEntries(
      namespaceKinds.filter((kind) => ids[kind] !== 0n).map((kind) => [kind, ids[kind]]),
    ),
    syscallFd: fdNumber(fields.syscallFd),
    dataFd: fdNumber(fields.dataFd),
    connectionFd: fdNumber(fields.connectionFd),
    lifelineFd: fdNumber(fields.lifelineFd),
    listeningFd: fields.listeningFd === 0 ? undefined : fdNumber(fields.listeningFd),
    serverSymbol: Address(Number(fields.serverSymbol)),
    arena: { address: Address(Number(fields.arenaAddress)), size: Number(fields.arenaSize) },
  };
};
