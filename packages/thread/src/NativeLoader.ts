import type { Task } from "@rsyscall/handle";
import type { Address } from "@rsyscall/near";
import { oneLine } from "@rsyscall/near";

/** Native code in the address space of a task. */
export class NativeFunction {
  /** The task in whose memory it lies. */
  readonly task: Task;
  /** Where it begins. */
  readonly address: Address;

  constructor(task: Task, address: Address) {
    this.task = task;
    this.address = address;
  }
}

oneLine(NativeFunction, ({ task, address }) => `0x${address.toString(16)} in process ${task.pid}`);

/** The native functions in a task's memory with which its children can be started. */
export class NativeLoader {
  /** `long rsyscall_server(int infd, int outfd)`: serves system calls until the other side hangs up. */
  readonly server: NativeFunction;

  private constructor(server: NativeFunction) {
    this.server = server;
  }

  /** Makes a loader of the addresses that the task's program gave. */
  static makeFromSymbols(task: Task, symbols: { readonly server: Address }): NativeLoader {
    return new NativeLoader(new NativeFunction(task, symbols.server));
  }
}

oneLine(NativeLoader, ({ server }) => String(server));
