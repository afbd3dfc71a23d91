import { join } from "node:path";
import { NativeLoadError, unsupportedRuntime } from "./errors.ts";
import { findDirectory, loadFrom } from "./files.ts";

/** An argument or result of a system call: a number where it is exact, else a bigint. */
export type Word = number | bigint;

/** The arguments of a system call: six words. A call ignores those that it does not take. */
export type Words = [a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word];

/** Calls back whenever a descriptor is readable, in the loop in which Node itself waits. */
export interface Watch {
  /** Keeps the event loop running, and so the process. A new watch does not. */
  ref(): void;
  /** Lets the process end although this watch exists. */
  unref(): void;
  /** Stops watching. It must be called before the descriptor is closed. */
  close(): void;
}

/** What happens to a descriptor when the thread of JavaScript that has opened it ends; bits. */
export const AtEnd = {
  /** It stays open in the process. */
  NOTHING: 0,
  /** close(2) */
  CLOSE: 1,
  /**
   * It is the pidfd of a child, which gets SIGKILL and is waited for. The clone that makes a child sets this,
   * unless the child is to outlive its parent.
   */
  KILL: 2,
} as const;

/** Whether a call on a descriptor would block. */
export const Readiness = {
  /** It would: there is nothing to read, or no room to write. */
  WAITS: 0,
  /** A call of any size returns at once, with a result or an error. */
  READY: 1,
  /** A write of PIPE_BUF bytes returns at once, but a longer one may block. */
  PART: 2,
} as const;

interface Addon {
  readonly syscall: (number: Word, ...words: Words) => Word;
  readonly read: (address: number, bytes: Uint8Array) => void;
  readonly write: (address: number, bytes: Uint8Array) => void;
  readonly view: (address: number, length: number) => ArrayBuffer;
  readonly unview: (buffer: ArrayBuffer) => void;
  readonly watch: (fd: number, onReadable: () => void) => Watch;
  readonly readiness: (fd: number, events: number) => number;
  readonly atEnd: Uint8Array;
  readonly server: number;
}

const find = (): string => {
  const unsupported = unsupportedRuntime(process.versions);
  if (unsupported === undefined) return findDirectory();
  throw new NativeLoadError(`Cannot load the addon of @rsyscall/native: ${unsupported}`);
};

const directory = find();
const addon = loadFrom(directory) as Addon;

/**
 * Makes a system call in this process, on this thread, and returns what the kernel returned:
 * a negative errno when it failed. Blocks the event loop as long as the call blocks.
 *
 * @example
 * ```ts
 * import { syscall } from "@rsyscall/native";
 *
 * if (process.arch === "x64") {
 *   console.log(syscall(39) === process.pid); // getpid(2): true
 *   console.log(syscall(3, 999)); // close(2): -9, which is -EBADF
 * }
 * ```
 */
export const syscall = addon.syscall;

/** Bytes from which on zeros take longer than an array without them. */
const LARGE = 4096;

/** An array of any content, all of which is to be overwritten. */
export const uninitialized = (length: number): Uint8Array =>
  length < LARGE ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);

/**
 * Copies this process's memory into bytes, as much as these hold, and returns them: `length` new ones by default. A
 * wrong address ends the process.
 */
export const readMemory = (
  address: number,
  length: number,
  bytes: Uint8Array = uninitialized(length),
): Uint8Array => {
  addon.read(address, bytes);
  return bytes;
};

/** Copies bytes into this process's memory. A wrong address ends the process. */
export const writeMemory = addon.write;

/** Memory of this process as an ArrayBuffer, without a copy. Call `unviewMemory` before the memory is unmapped. */
export const viewMemory = addon.view;

/** Detaches an ArrayBuffer from the memory. It is empty afterwards. */
export const unviewMemory = addon.unview;

/**
 * Watches a descriptor for readability. There can be one watch per descriptor at a time.
 *
 * @throws Error if the kernel cannot wait for this kind of file, such as a regular file.
 */
export const watch: (fd: number, onReadable: () => void) => Watch = addon.watch;

/**
 * Whether a read (POLLIN) or a write (POLLOUT) of a descriptor would block: one of `Readiness`. A descriptor that is
 * non-blocking never blocks, and a regular file does not either.
 */
export const readiness: (fd: number, events: number) => number = addon.readiness;

/**
 * What happens to each descriptor when this thread of JavaScript ends, by its number: bits of `AtEnd`. The process
 * continues after the end of a worker, with all descriptors. Those with numbers beyond this array stay open.
 */
export const atEnd: Uint8Array = addon.atEnd;

/** Addresses of native functions in this process. */
export const symbols: { readonly server: number } = { server: addon.server };

/** The path of the stub executable that comes with this package. */
export const stubPath: string = join(directory, "rsyscall-unix-stub");

/** The path of the executable `rsyscall-task`, which transports execute where a Thread is to be. */
export const taskPath: string = join(directory, "rsyscall-task");
