import { type Abi, abiOf } from "@rsyscall/abi";
import * as native from "@rsyscall/native";
import { Effect } from "effect";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

const machines: Record<string, number> = { x64: 62, arm64: 183 };

/** The ABI of this process; none where this library does not run. */
export const localAbi = (): Abi | undefined => abiOf(machines[process.arch] ?? 0);

/**
 * System calls in this process, on Node's main thread. They complete synchronously, and one that
 * blocks stops the event loop. Memory is reached directly: a wrong address ends the process.
 */
export class LocalSyscallInterface implements SyscallInterface {
  readonly abi: Abi;
  readonly barrier = Effect.void;
  readonly close = Effect.void;
  readonly activityFd = undefined;

  constructor(abi: Abi) {
    this.abi = abi;
  }

  syscall(
    number: number,
    a: Word = 0,
    b: Word = 0,
    c: Word = 0,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ) {
    return Effect.sync(() => native.syscall(number, a, b, c, d, e, f));
  }

  read(address: number, length: number) {
    return Effect.sync(() => native.readMemory(address, length));
  }

  write(address: number, bytes: Uint8Array) {
    return Effect.sync(() => native.writeMemory(address, bytes));
  }
}
