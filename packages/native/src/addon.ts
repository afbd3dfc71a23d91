import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** An argument or result of a system call: a number where it is exact, else a bigint. */
export type Word = number | bigint;

/** The arguments of a system call: it takes six words, and ignores those that it has no use for. */
export type Words = [a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word];

/** Calls back whenever a descriptor is readable, in the loop that Node itself waits in. */
export interface Watch {
  /** Keeps the event loop running, and so the process. A new watch does not. */
  ref(): void;
  /** Lets the process end although this watch is there. */
  unref(): void;
  /** Stops watching. Must come before the descriptor is closed. */
  close(): void;
}

interface Addon {
  readonly syscall: (number: Word, ...words: Words) => Word;
  readonly read: (address: number, bytes: Uint8Array) => void;
  readonly write: (address: number, bytes: Uint8Array) => void;
  readonly view: (address: number, length: number) => ArrayBuffer;
  readonly unview: (buffer: ArrayBuffer) => void;
  readonly Watch: new (fd: number, onReadable: () => void) => Watch;
  readonly symbols: { readonly server: number };
}

/** The addon could not be loaded: the message names what was tried and what to do. */
export class NativeLoadError extends Error {
  override readonly name = "NativeLoadError";
}

/** The path of a file that the build put into this package. */
const built = (file: string): string => fileURLToPath(new URL(`../build/${file}`, import.meta.url));

const load = (): Addon => {
  const path = built("rsyscall.node");
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const here = `${process.platform}-${process.arch}`;
    const remedy =
      here === "linux-x64"
        ? "run 'npm run build' in the repository, or reinstall @rsyscall/native"
        : `@rsyscall/native supports linux-x64, and this is ${here}`;
    throw new NativeLoadError(`Cannot load ${path}: ${remedy}`, { cause });
  }
};

const addon = load();

/**
 * Makes a system call in this process, on this thread, and returns what the kernel returned:
 * a negative errno when it failed. Blocks the event loop as long as the call blocks.
 */
export const syscall = addon.syscall;

/** Copies `length` bytes of this process's memory. A wrong address ends the process. */
export const readMemory = (address: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  addon.read(address, bytes);
  return bytes;
};

/** Copies bytes into this process's memory. A wrong address ends the process. */
export const writeMemory = addon.write;

/** Memory of this process as an ArrayBuffer, without a copy: `unviewMemory` before it is unmapped. */
export const viewMemory = addon.view;

/** Detaches an ArrayBuffer from the memory: it is empty, and harmless. */
export const unviewMemory = addon.unview;

/**
 * Watches a descriptor for readability. One watch per descriptor at a time.
 *
 * @throws Error when the kernel cannot wait for this kind of file (a regular file, for one).
 */
export const watch = (fd: number, onReadable: () => void): Watch => new addon.Watch(fd, onReadable);

/** Addresses of native functions in this process. */
export const symbols = addon.symbols;

/** The path of the stub executable that comes with this package. */
export const stubPath: string = built("rsyscall-unix-stub");

/** The path of the executable `rsyscall-task`, which transports run where they get to. */
export const taskPath: string = built("rsyscall-task");
