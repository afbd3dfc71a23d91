import { type FixedCodec, Int32, struct, Uint8, Uint16, Uint32, Uint64 } from "../Codec.ts";
import { FileCloneRange } from "../linux/fs.ts";
import { LoopConfig, LoopInfo64 } from "../linux/loop.ts";
import { Termios } from "../termios.ts";

/** Whether the kernel writes (`READ`) or reads (`WRITE`) the memory of a request: asm-generic/ioctl.h. */
const IOC = { NONE: 0, WRITE: 1, READ: 2 } as const;

const request = (
  direction: number,
  type: string | number,
  number: number,
  argument: number | FixedCodec<never>,
): number => {
  const size = typeof argument === "number" ? argument : argument.size;
  const letter = typeof type === "string" ? type.charCodeAt(0) : type;
  return ((direction << 30) | (size << 16) | (letter << 8) | number) >>> 0;
};

/**
 * `_IO` of asm-generic/ioctl.h: the number of a request of ioctl(2) whose argument is no memory.
 *
 * @param type of the driver: a letter, or its number
 * @param number of the request, within the type
 */
export const _IO = (type: string | number, number: number): number =>
  request(IOC.NONE, type, number, 0);

/** `_IOR` of asm-generic/ioctl.h: as `_IO`, and the kernel writes an argument of this type, or of these bytes. */
export const _IOR = <A>(
  type: string | number,
  number: number,
  argument: number | FixedCodec<A>,
): number => request(IOC.READ, type, number, argument as number | FixedCodec<never>);

/** `_IOW` of asm-generic/ioctl.h: as `_IO`, and the kernel reads an argument of this type, or of these bytes. */
export const _IOW = <A>(
  type: string | number,
  number: number,
  argument: number | FixedCodec<A>,
): number => request(IOC.WRITE, type, number, argument as number | FixedCodec<never>);

/** `_IOWR` of asm-generic/ioctl.h: as `_IO`, and the kernel reads the argument and overwrites it. */
export const _IOWR = <A>(
  type: string | number,
  number: number,
  argument: number | FixedCodec<A>,
): number => request(IOC.READ | IOC.WRITE, type, number, argument as number | FixedCodec<never>);

/**
 * A request of ioctl(2) with the types of its argument and its result: see `FileDescriptor.ioctl`.
 *
 * @typeParam In what the kernel is given; void if that is nothing
 * @typeParam Out what the kernel gives: the value that it writes, or else the result of the call
 */
export interface IoctlRequest<In, Out> {
  /** The C name, for messages. */
  readonly name: string;
  /** The number. */
  readonly number: number;
  /** What the argument is for the kernel: memory with a value, the value itself (`word`), or nothing. */
  readonly takes: FixedCodec<In> | "word" | undefined;
  /** What the kernel writes to the memory; undefined if it writes nothing. */
  readonly gives: FixedCodec<Out> | undefined;
}

/**
 * Makes requests of ioctl(2) by their C name, number and types: those of `IOCTL`, and those of other drivers.
 *
 * @example
 * ```ts
 * import { _IOR, ioctlRequest, Uint32 } from "@rsyscall/abi";
 *
 * const RNDGETENTCNT = ioctlRequest.read("RNDGETENTCNT", _IOR("R", 0, Uint32), Uint32);
 * console.log(RNDGETENTCNT.number.toString(16)); // 80045200
 * ```
 */
export const ioctlRequest = {
  /** The argument is nothing, and the result of the call is the answer. */
  none: (name: string, number: number): IoctlRequest<void, number> => ({
    name,
    number,
    takes: undefined,
    gives: undefined,
  }),
  /** The argument is the value itself, and no address. */
  word: (name: string, number: number): IoctlRequest<number | bigint, number> => ({
    name,
    number,
    takes: "word",
    gives: undefined,
  }),
  /** The kernel writes a value. */
  read: <A>(name: string, number: number, gives: FixedCodec<A>): IoctlRequest<void, A> => ({
    name,
    number,
    takes: undefined,
    gives,
  }),
  /** The kernel reads a value. */
  write: <A>(name: string, number: number, takes: FixedCodec<A>): IoctlRequest<A, number> => ({
    name,
    number,
    takes,
    gives: undefined,
  }),
  /** The kernel reads a value, and overwrites it. */
  readWrite: <A, B = A>(
    name: string,
    number: number,
    takes: FixedCodec<A>,
    gives: FixedCodec<B> = takes as never,
  ): IoctlRequest<A, B> => ({ name, number, takes, gives }),
} as const;

/** Requests of ioctl_tty(2) and ioctl(2) that are the same on all supported machines, by their C names. */
export const TIOC = {
  /** The terminal becomes that of the session. TIOCSCTTY(2const). */
  SCTTY: 0x540e,
  /** The foreground process group: tcgetpgrp(3). */
  GPGRP: 0x540f,
  /** tcsetpgrp(3) */
  SPGRP: 0x5410,
  /** The size of the window. TIOCGWINSZ(2const). */
  GWINSZ: 0x5413,
  SWINSZ: 0x5414,
  /** How many bytes can be read at once, of pipes and sockets too: FIONREAD(2const). */
  INQ: 0x541b,
  /** The session gives up its terminal. */
  NOTTY: 0x5422,
  /** The session whose terminal it is: tcgetsid(3). */
  GSID: 0x5429,
  /** The number of a pseudo-terminal, through its master: ptsname(3). */
  GPTN: 0x80045430,
  /** Whether its other end is locked: unlockpt(3). */
  SPTLCK: 0x40045431,
  /** Opens the other end, whatever is mounted where. TIOCGPTPEER(2const), since Linux 4.13. */
  GPTPEER: 0x5441,
} as const;

/** `struct winsize` of TIOCGWINSZ(2const). */
export interface Winsize {
  /** In characters. */
  readonly rows: number;
  /** Columns of characters. */
  readonly columns: number;
  /** In pixels; 0 if unknown. */
  readonly width: number;
  /** The height in pixels; usually 0. */
  readonly height: number;
}

/** See {@link Winsize}; 8 bytes. */
export const Winsize: FixedCodec<Winsize> = struct("struct winsize", {
  rows: Uint16,
  columns: Uint16,
  width: Uint16,
  height: Uint16,
});

const { none, word, read, write } = ioctlRequest;

/** Requests of ioctl(2) by their C names, the same on all supported machines: see `FileDescriptor.ioctl`. */
export const IOCTL = {
  /** How many bytes can be read at once, of pipes, sockets, terminals and regular files. FIONREAD(2const). */
  FIONREAD: read("FIONREAD", TIOC.INQ, Int32),
  /** How many bytes of output have not been written yet, of terminals and sockets. TIOCOUTQ(2const). */
  TIOCOUTQ: read("TIOCOUTQ", 0x5411, Int32),
  /** Sets or clears O_NONBLOCK, of the open file. */
  FIONBIO: write("FIONBIO", 0x5421, Int32),

  /** The settings of a terminal: `Terminal.tcgetattr`. TCGETS(2const). */
  TCGETS: read("TCGETS", 0x5401, Termios),
  /** Sets them at once: `Terminal.tcsetattr`. */
  TCSETS: write("TCSETS", 0x5402, Termios),
  /** Sets them once all output has been written. */
  TCSETSW: write("TCSETSW", 0x5403, Termios),
  /** As TCSETSW, and discards input that has not been read. */
  TCSETSF: write("TCSETSF", 0x5404, Termios),
  /** Sends a break: tcsendbreak(3). An argument that is not 0 makes it tcdrain(3). */
  TCSBRK: word("TCSBRK", 0x5409),
  /** Stops or starts the output or the input: tcflow(3). */
  TCXONC: word("TCXONC", 0x540a),
  /** Discards input or output, of `TCFLUSH`: `Terminal.tcflush`. */
  TCFLSH: word("TCFLSH", 0x540b),
  /** Takes a byte as if it had been typed. It takes CAP_SYS_ADMIN, unless the terminal is that of the session. */
  TIOCSTI: write("TIOCSTI", 0x5412, Uint8),
  TIOCGWINSZ: read("TIOCGWINSZ", TIOC.GWINSZ, Winsize),
  TIOCSWINSZ: write("TIOCSWINSZ", TIOC.SWINSZ, Winsize),
  /** The terminal becomes that of the session; 1 takes it from another session, with CAP_SYS_ADMIN. */
  TIOCSCTTY: word("TIOCSCTTY", TIOC.SCTTY),
  TIOCNOTTY: none("TIOCNOTTY", TIOC.NOTTY),
  TIOCGPGRP: read("TIOCGPGRP", TIOC.GPGRP, Int32),
  TIOCSPGRP: write("TIOCSPGRP", TIOC.SPGRP, Int32),
  TIOCGSID: read("TIOCGSID", TIOC.GSID, Int32),
  /** No other process may open the terminal, except with CAP_SYS_ADMIN. */
  TIOCEXCL: none("TIOCEXCL", 0x540c),
  TIOCNXCL: none("TIOCNXCL", 0x540d),
  TIOCGPTN: read("TIOCGPTN", TIOC.GPTN, Uint32),
  TIOCSPTLCK: write("TIOCSPTLCK", TIOC.SPTLCK, Int32),

  /** Bytes of a block device. */
  BLKGETSIZE64: read("BLKGETSIZE64", _IOR(0x12, 114, 8), Uint64),
  /** Bytes of a sector, as programs see it. */
  BLKSSZGET: read("BLKSSZGET", _IO(0x12, 104), Int32),
  /** Bytes of a sector, as the device has it. */
  BLKPBSZGET: read("BLKPBSZGET", _IO(0x12, 123), Uint32),
  /** Bytes of a block for transfers: as `Stat.blksize`. */
  BLKBSZGET: read("BLKBSZGET", _IOR(0x12, 112, 8), Int32),
  /** The fewest bytes of a transfer that is not slow. */
  BLKIOMIN: read("BLKIOMIN", _IO(0x12, 120), Uint32),
  /** The bytes of a transfer that is fast; 0 if unknown. */
  BLKIOOPT: read("BLKIOOPT", _IO(0x12, 121), Uint32),
  /** Whether the device is read-only: 1 or 0. */
  BLKROGET: read("BLKROGET", _IO(0x12, 94), Int32),
  /** Writes all that is cached, and forgets it. It takes CAP_SYS_ADMIN. */
  BLKFLSBUF: none("BLKFLSBUF", _IO(0x12, 97)),

  /** Flags of a file, of `FS_FL`. FS_IOC_GETFLAGS(2const). */
  FS_IOC_GETFLAGS: read("FS_IOC_GETFLAGS", _IOR("f", 1, 8), Uint32),
  /** Sets them. `FS_FL.IMMUTABLE` and `APPEND` take CAP_LINUX_IMMUTABLE. */
  FS_IOC_SETFLAGS: write("FS_IOC_SETFLAGS", _IOW("f", 2, 8), Uint32),
  /** The file becomes a clone of another, by its descriptor: `FileDescriptor.ficlone`. */
  FICLONE: word("FICLONE", _IOW(0x94, 9, 4)),
  /** A range of it becomes one: `FileDescriptor.ficlonerange`. */
  FICLONERANGE: write("FICLONERANGE", _IOW(0x94, 13, FileCloneRange), FileCloneRange),
  /** Freezes a file system. It takes CAP_SYS_ADMIN. FIFREEZE(2const). */
  FIFREEZE: word("FIFREEZE", _IOWR("X", 119, 4)),
  FITHAW: word("FITHAW", _IOWR("X", 120, 4)),

  /** The user namespace that owns a namespace: `NamespaceFd.userns`. ioctl_nsfs(2). */
  NS_GET_USERNS: none("NS_GET_USERNS", _IO(0xb7, 1)),
  /** The parent of a user or pid namespace: `NamespaceFd.parent`. */
  NS_GET_PARENT: none("NS_GET_PARENT", _IO(0xb7, 2)),
  /** The flag of `CLONE` that makes such namespaces: `NamespaceFd.nstype`. */
  NS_GET_NSTYPE: none("NS_GET_NSTYPE", _IO(0xb7, 3)),
  /** The owner of a user namespace: `NamespaceFd.ownerUid`. */
  NS_GET_OWNER_UID: read("NS_GET_OWNER_UID", _IO(0xb7, 4), Uint32),

  /** The number of a loop device that is free, of /dev/loop-control. loop(4). */
  LOOP_CTL_GET_FREE: none("LOOP_CTL_GET_FREE", 0x4c82),
  /** Adds a loop device: a number, or -1 for a free one. It takes CAP_SYS_ADMIN. */
  LOOP_CTL_ADD: word("LOOP_CTL_ADD", 0x4c80),
  LOOP_CTL_REMOVE: word("LOOP_CTL_REMOVE", 0x4c81),
  /** Makes a device of a file, in one step. Since Linux 5.8. */
  LOOP_CONFIGURE: write("LOOP_CONFIGURE", 0x4c0a, LoopConfig),
  /** Makes a device of a file, by its descriptor. */
  LOOP_SET_FD: word("LOOP_SET_FD", 0x4c00),
  /** The device lets go of its file, once no process uses it. */
  LOOP_CLR_FD: none("LOOP_CLR_FD", 0x4c01),
  LOOP_SET_STATUS64: write("LOOP_SET_STATUS64", 0x4c04, LoopInfo64),
  LOOP_GET_STATUS64: read("LOOP_GET_STATUS64", 0x4c05, LoopInfo64),
  /** The file has another size: the device gets it. */
  LOOP_SET_CAPACITY: none("LOOP_SET_CAPACITY", 0x4c07),
  LOOP_SET_DIRECT_IO: word("LOOP_SET_DIRECT_IO", 0x4c08),
  LOOP_SET_BLOCK_SIZE: word("LOOP_SET_BLOCK_SIZE", 0x4c09),
} as const;
