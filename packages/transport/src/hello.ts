import { type Abi, abiOf, abis, fsDecode, Int32, listOf, Sigset } from "@rsyscall/abi";
import { type NamespaceKind, namespaceKinds } from "@rsyscall/far";
import { Address, Fd, Path, Pid } from "@rsyscall/near";
import { FDS_UNKNOWN, Hello, HelloPrefix, MAGIC, NS, VERSION } from "@rsyscall/wire";
import { Effect } from "effect";
import { HandshakeError } from "./errors.ts";

/*
 * Checks what a process says of itself. Nothing in a hello can be believed before that.
 */

/** Bytes of the structure at least. More may be appended to it, as `ignored` and what follows it were: what is not there is 0. */
export const HELLO_SIZE = Hello.offsets.ignored;

/** Bytes of the structure at most: more than any version will need. */
const HELLO_SIZE_AT_MOST = 4096;

/** A process with more open descriptors says that they are unknown. */
const FDS_AT_MOST = 1024;

/** PATH_MAX of limits.h, for the path that was executed with "/dev/fd/N/" before it. */
const PATH_SIZE_AT_MOST = 4096 + 64;

const POINTER_SIZE = 8;

const numbers = listOf(Int32);

/**
 * A stub's description of its process, checked. Strings are kept as the bytes that came: a string of one byte
 * would be an object of a hundred, and there may be a million of them.
 */
export interface Description {
  /** Made of the bytes at each access. */
  readonly argv: ReadonlyArray<Uint8Array>;
  /** `argv` as text, by `fsDecode`; made whenever it is called, and much cheaper. */
  argvText(): ReadonlyArray<string>;
  /** Made of the bytes whenever it is called: most handlers never do. */
  environment(): ReadonlyArray<Uint8Array>;
  /** The same as text, by `fsDecode`, each with a NUL behind it; made whenever it is called, and much cheaper. */
  environmentText(): string;
  /** The value of the first variable of a name, found without making objects of the others. */
  variable(name: string): Uint8Array | undefined;
  /** The working directory; undefined if it was removed. */
  readonly cwd: Path | undefined;
  /** The path by which the program was executed. */
  readonly execfn: Path | undefined;
  /** Descriptors that the caller left open; undefined if the process could not tell. */
  readonly fds: ReadonlyArray<Fd> | undefined;
  /** The process's number in its own pid namespace. */
  readonly pid: Pid;
  /** The number of its parent there; 0 if the parent is in another namespace. */
  readonly ppid: Pid;
  /** The real user. */
  readonly uid: number;
  /** The real group. */
  readonly gid: number;
  /** Bytes of a page of the process's memory. */
  readonly pageSize: number;
  /** The signals that the caller had blocked. */
  readonly sigmask: Sigset;
  /** Signals that the caller had ignored and that the stub handles itself. */
  readonly ignored: Sigset;
  /** The inode numbers of the namespaces that the process is in. */
  readonly namespaces: Partial<Record<NamespaceKind, bigint>>;
  /** The number that the process has reserved for the socket of system calls. */
  readonly syscallFd: Fd;
  /** The number that the process has reserved for the socket of memory. */
  readonly dataFd: Fd;
  /** The number that the process has reserved for the socket over which descriptors are passed. */
  readonly connectionFd: Fd;
  /** The number that the process has reserved for the socket whose end ends the process. */
  readonly lifelineFd: Fd;
  /** Where a process that stays awaits its next controller; undefined if it does not stay. */
  readonly listeningFd: Fd | undefined;
  /** The address of the server loop, for children that share the memory. */
  readonly serverSymbol: Address;
  /** Which welcomes besides ACCEPTED the process takes: bit N is the status N. */
  readonly answers: bigint;
  /** The flags of a welcome that the process knows. */
  readonly welcomeFlags: bigint;
  /** Where the process has mapped its arena, whose memfd comes with the hello; of size 0 if there is none. */
  readonly arena: { readonly address: Address; readonly size: number };
}

/** The fixed part, with what it announces checked against the limit. */
export interface Header {
  readonly fields: Hello;
  /** Bytes that follow. */
  readonly rest: number;
}

/** Decodes what every version has: the machine, and the size of the fixed part. Throws HandshakeError. */
export const decodePrefix = (bytes: Uint8Array): { readonly abi: Abi; readonly size: number } => {
  const prefix = bytes.subarray(0, HelloPrefix.size);
  if ([...MAGIC].some((char, i) => prefix[i] !== char.charCodeAt(0)))
    throw new HandshakeError({ problem: "this is no rsyscall stub" });
  const { version, machine, size } = HelloPrefix.decode(prefix);
  if (version !== VERSION)
    throw new HandshakeError({
      kind: "WrongVersion",
      problem: `the stub speaks version ${version} of the protocol, and the server ${VERSION}: use the stub that comes with the server`,
    });
  const abi = abiOf(machine);
  if (abi === undefined)
    throw new HandshakeError({
      problem: `the stub runs on a machine that this server does not know (ELF machine ${machine}; it knows ${abis.map((known) => known.machine).join(", ")})`,
    });
  if (size < HELLO_SIZE || size > HELLO_SIZE_AT_MOST)
    throw new HandshakeError({ problem: `a hello of ${size} bytes` });
  return { abi, size };
};

/** Decodes the fixed part. Throws HandshakeError: see `checked`. */
export const decodeHeader = (bytes: Uint8Array, limit: number): Header => {
  const fields = Hello.decode(atLeast(bytes, Hello.size));
  const { fdCount, cwdSize, execfnSize } = fields;
  const fdsSize = fdCount === FDS_UNKNOWN ? 0 : 4 * fdCount;
  // Every part is small enough for exact arithmetic before they are added up.
  const parts = [Number(fields.argvSize), Number(fields.envpSize), cwdSize, execfnSize];
  const rest = parts.reduce((sum, part) => sum + part, fdsSize);
  // Each string counts as much more as execve(2) lets it: empty ones are a byte there, and an object here.
  const total = rest + POINTER_SIZE * (fields.argc + fields.envc);
  if (total > limit)
    throw new HandshakeError({
      problem: `arguments and environment of ${total} bytes are more than the ${limit} that this server takes`,
    });
  if (fdsSize > 4 * FDS_AT_MOST)
    throw new HandshakeError({ problem: `a list of ${fdCount} descriptors` });
  if (Math.max(cwdSize, execfnSize) > PATH_SIZE_AT_MOST)
    throw new HandshakeError({ problem: `a path of ${Math.max(cwdSize, execfnSize)} bytes` });
  return { fields, rest };
};

/** Bytes with zeros behind them, where there are fewer than that. */
const atLeast = (bytes: Uint8Array, size: number): Uint8Array => {
  if (bytes.length >= size) return bytes;
  const whole = new Uint8Array(size);
  whole.set(bytes);
  return whole;
};

/** NUL-terminated strings, one behind the other. */
function* decodeStrings(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    if (end < 0) return;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** The same as text. A NUL is never a part of another character. */
const textOf = (bytes: Uint8Array): ReadonlyArray<string> =>
  bytes.length === 0 ? [] : fsDecode(bytes.subarray(0, -1)).split("\0");

/** Bytes that are counted in one turn of the event loop: about a millisecond. */
const TURN = 1024 * 1024;

/** Counts strings. A loop takes 1 ns a byte; `indexOf` takes 50 ns a string. */
const countStrings = (bytes: Uint8Array, from: number, end: number): number => {
  let count = 0;
  for (let at = from; at < end; at++) if (bytes[at] === 0) count++;
  return count;
};

/** The same for bytes of any number. Other fibers get their turn in between. */
const countInTurns = (bytes: Uint8Array, from = 0, sum = 0): Effect.Effect<number> =>
  Effect.suspend(() => {
    const end = Math.min(from + TURN, bytes.length);
    const count = sum + countStrings(bytes, from, end);
    return end === bytes.length
      ? Effect.succeed(count)
      : Effect.andThen(Effect.yieldNow, countInTurns(bytes, end, count));
  });

/** Checks bytes of strings: exactly as many as were announced, and each with an end. Throws HandshakeError. */
const checkStrings = (what: string, bytes: Uint8Array, count: number, sent: number): void => {
  if (bytes.length > 0 && bytes.at(-1) !== 0)
    throw new HandshakeError({ problem: `${what} without an end` });
  if (sent !== count)
    throw new HandshakeError({
      problem: `${count} strings of ${what} announced, and ${sent > count ? "more" : sent} sent`,
    });
};

/** Splits what follows the fixed part. */
const partsOf = ({ fields }: Header, rest: Uint8Array) => {
  let at = 0;
  const take = (size: number | bigint) => {
    const start = at;
    at += Number(size);
    return rest.subarray(start, at);
  };
  return {
    argv: take(fields.argvSize),
    environment: take(fields.envpSize),
    cwd: take(fields.cwdSize),
    execfn: take(fields.execfnSize),
    fds: take(fields.fdCount === FDS_UNKNOWN ? 0 : 4 * fields.fdCount),
  };
};

/** Checks the strings of what follows the fixed part, and decodes all of it, in one go. Throws HandshakeError. */
export const decodeDescription = (header: Header, rest: Uint8Array): Description => {
  const { argv, environment } = partsOf(header, rest);
  const count = (bytes: Uint8Array) => countStrings(bytes, 0, bytes.length);
  return decodeCounted(header, rest, count(argv), count(environment));
};

/** As `decodeDescription`, for strings of any number. HandshakeError if that throws. */
export const decodeInTurns = (
  header: Header,
  rest: Uint8Array,
): Effect.Effect<Description, HandshakeError> => {
  const { argv, environment } = partsOf(header, rest);
  return Effect.flatMap(countInTurns(argv), (argc) =>
    Effect.flatMap(countInTurns(environment), (envc) =>
      checked(() => decodeCounted(header, rest, argc, envc)),
    ),
  );
};

/** The value of the first variable of a name. */
const findVariable = (strings: Uint8Array, name: string): Uint8Array | undefined => {
  const all = Buffer.from(strings.buffer, strings.byteOffset, strings.length);
  const start = `${name}=`;
  const behind = all.indexOf(`\0${start}`, 0, "latin1");
  const at =
    all.toString("latin1", 0, start.length) === start ? 0 : behind < 0 ? behind : behind + 1;
  return at < 0 ? undefined : all.subarray(at + start.length, all.indexOf(0, at));
};

/** Decodes what a client sent. If that throws, the client sent something malformed. */
export const checked = <A>(decode: () => A): Effect.Effect<A, HandshakeError> =>
  Effect.try({ try: decode, catch: malformed });

/** The error of what a client sent, for what its decoder has thrown. */
export const malformed = (cause: unknown): HandshakeError =>
  cause instanceof HandshakeError
    ? cause
    : new HandshakeError({ problem: `a malformed hello: ${cause}`, cause });

const fdNumber = (number: number): Fd => {
  if (number < 0) throw new HandshakeError({ problem: `descriptor ${number} in the hello` });
  return Fd(number);
};

const NO_SIGNALS: Sigset = new Set();

const signals = (bits: bigint): Sigset => {
  if (bits === 0n) return NO_SIGNALS;
  const bytes = new Uint8Array(Sigset.size);
  new DataView(bytes.buffer).setBigUint64(0, bits, true);
  return Sigset.decode(bytes);
};

/** Decodes what follows the fixed part, in which so many strings were counted. Throws HandshakeError. */
const decodeCounted = (
  header: Header,
  rest: Uint8Array,
  argc: number,
  envc: number,
): Description => {
  const { fields } = header;
  const { argv, environment, ...parts } = partsOf(header, rest);
  checkStrings("argv", argv, fields.argc, argc);
  checkStrings("environment", environment, fields.envc, envc);
  const path = (bytes: Uint8Array) => (bytes.length === 0 ? undefined : Path.make(fsDecode(bytes)));
  const cwd = path(parts.cwd);
  const execfn = path(parts.execfn);
  const fds = fields.fdCount === FDS_UNKNOWN ? undefined : numbers.decode(parts.fds).map(fdNumber);
  if (fields.pid <= 0) throw new HandshakeError({ problem: `pid ${fields.pid} in the hello` });
  const { pageSize } = fields;
  if (pageSize < 4096 || pageSize > 1 << 20 || (pageSize & (pageSize - 1)) !== 0)
    throw new HandshakeError({ problem: `page size ${pageSize} in the hello` });
  return new Decoded(header.fields, argv, environment, { cwd, execfn, fds });
};

const NO_NAMESPACES: Description["namespaces"] = {};

const namespacesOf = (ids: ReadonlyArray<bigint>): Description["namespaces"] =>
  ids.every((id) => id === 0n)
    ? NO_NAMESPACES
    : Object.fromEntries(
        namespaceKinds
          .map(
            (kind) =>
              [kind, ids[NS[kind.toUpperCase() as Uppercase<NamespaceKind>]] ?? 0n] as const,
          )
          .filter(([, id]) => id !== 0n),
      );

/** A description that makes what most servers never ask for when it is asked for. */
class Decoded implements Description {
  readonly #argv: Uint8Array;
  readonly #environment: Uint8Array;
  readonly cwd: Path | undefined;
  readonly execfn: Path | undefined;
  readonly fds: ReadonlyArray<Fd> | undefined;
  readonly pid: Pid;
  readonly ppid: Pid;
  readonly uid: number;
  readonly gid: number;
  readonly pageSize: number;
  readonly sigmask: Sigset;
  readonly ignored: Sigset;
  readonly namespaces: Description["namespaces"];
  readonly answers: bigint;
  readonly welcomeFlags: bigint;
  readonly syscallFd: Fd;
  readonly dataFd: Fd;
  readonly connectionFd: Fd;
  readonly lifelineFd: Fd;
  readonly listeningFd: Fd | undefined;
  readonly serverSymbol: Address;
  readonly arena: Description["arena"];

  constructor(
    fields: Hello,
    argv: Uint8Array,
    environment: Uint8Array,
    { cwd, execfn, fds }: Pick<Description, "cwd" | "execfn" | "fds">,
  ) {
    this.#argv = argv;
    this.#environment = environment;
    this.cwd = cwd;
    this.execfn = execfn;
    this.fds = fds;
    this.pid = Pid(fields.pid);
    this.ppid = Pid(fields.ppid);
    this.uid = fields.uid;
    this.gid = fields.gid;
    this.pageSize = fields.pageSize;
    this.sigmask = signals(fields.sigmask);
    this.ignored = signals(fields.ignored);
    this.namespaces = namespacesOf(fields.namespaces);
    this.answers = fields.answers;
    this.welcomeFlags = fields.welcomeFlags;
    this.syscallFd = fdNumber(fields.syscallFd);
    this.dataFd = fdNumber(fields.dataFd);
    this.connectionFd = fdNumber(fields.connectionFd);
    this.lifelineFd = fdNumber(fields.lifelineFd);
    this.listeningFd = fields.listeningFd === 0 ? undefined : fdNumber(fields.listeningFd);
    this.serverSymbol = Address(Number(fields.serverSymbol));
    const address = Address(Number(fields.arenaAddress));
    this.arena = { address, size: Number(fields.arenaSize) };
  }

  get argv(): ReadonlyArray<Uint8Array> {
    return [...decodeStrings(this.#argv)];
  }

  argvText(): ReadonlyArray<string> {
    return textOf(this.#argv);
  }

  environment(): ReadonlyArray<Uint8Array> {
    return [...decodeStrings(this.#environment)];
  }

  environmentText(): string {
    return fsDecode(this.#environment);
  }

  variable(name: string): Uint8Array | undefined {
    return findVariable(this.#environment, name);
  }
}
