import type { Task } from "@rsyscall/handle";
import type { Address } from "@rsyscall/near";

/** Native code in the address space of a task. */
export class NativeFunction {
  readonly task: Task;
  readonly address: Address;

  constructor(task: Task, address: Address) {
    this.task = task;
    this.address = address;
  }
}

/** The native functions that a task brings along: what its children can be started with. */
export class NativeLoader {
  /** `long rsyscall_server(int infd, int outfd)`: serves system calls until the other side hangs up. */
  readonly server: NativeFunction;

  private constructor(server: NativeFunction) {
    this.server = server;
  }

  /** From the addresses that the task's program gave. */
  static makeFromSymbols(task: Task, symbols: { readonly server: Address }): NativeLoader {
    return new NativeLoader(new NativeFunction(task, symbols.server));
  }
}
