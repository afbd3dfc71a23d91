import { type Abi, abiOf } from "@rsyscall/abi";
import * as native from "@rsyscall/native";
import { Effect } from "effect";
import { undecorated } from "./decorated.ts";
import { oneLine } from "./oneLine.ts";
import { perform } from "./perform.ts";
import type { DirectCalls, SyscallInterface, Word, Words } from "./SyscallInterface.ts";

const machines: Record<string, number> = { x64: 62, arm64: 183 };

/** Returns the ABI of this process; undefined on a machine that this library does not support. */
export const localAbi = (): Abi | undefined => abiOf(machines[process.arch] ?? 0);

/**
 * System calls in this process, on Node's main thread. They complete synchronously, and one that
 * blocks stops the event loop. Memory is reached directly: a wrong address ends the process.
 *
 * @example
 * ```ts
 * import { getpid, LocalSyscallInterface, localAbi } from "@rsyscall/near";
 * import { Effect } from "effect";
 *
 * const abi = localAbi();
 * if (abi !== undefined) {
 *   const sysif = new LocalSyscallInterface(abi);
 *   console.log(Effect.runSync(getpid(sysif)) === process.pid); // true
 * }
 * ```
 */
export class LocalSyscallInterface implements SyscallInterface, DirectCalls {
  readonly abi: Abi;
  readonly activityFd = undefined;
  readonly direct = this;

  constructor(abi: Abi) {
    this.abi = abi;
  }

  /** Returns the local interface below all decorators; undefined if the calls are made in another task. */
  static of(sysif: SyscallInterface): LocalSyscallInterface | undefined {
    const bare = undecorated(sysif);
    return bare instanceof LocalSyscallInterface ? bare : undefined;
  }

  syscall(number: number, ...words: Words) {
    return perform(this, this.abi, number, words);
  }

  submit(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word) {
    return native.syscall(number, a, b, c, d, e, f);
  }

  settle() {}

  read(address: number, length: number, into?: Uint8Array) {
    return Effect.sync(() => native.readMemory(address, length, into));
  }

  /** As `read`, without an Effect. */
  readNow(address: number, length: number) {
    return native.readMemory(address, length);
  }

  write(address: number, bytes: Uint8Array) {
    return Effect.sync(() => native.writeMemory(address, bytes));
  }

  /** As `write`, without an Effect. */
  writeNow(address: number, bytes: Uint8Array) {
    native.writeMemory(address, bytes);
  }

  barrier() {
    return Effect.void;
  }

  close() {
    return Effect.void;
  }
}

oneLine(LocalSyscallInterface, () => "this process");
