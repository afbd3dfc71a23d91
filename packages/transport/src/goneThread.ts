import type { Abi } from "@rsyscall/abi";
import type { Connection } from "@rsyscall/connection";
import { Allocator } from "@rsyscall/memory";
import { type SyscallInterface, SyscallSendError } from "@rsyscall/near";
import { type Environment, Thread } from "@rsyscall/thread";
import { Effect, Scope } from "effect";
import { ownParts, taskOf } from "./bootstrapThread.ts";
import type { Greeted } from "./handshake.ts";

/** Makes no call: each fails with SyscallSendError. */
class GoneSyscalls implements SyscallInterface {
  readonly abi: Abi;
  readonly activityFd = undefined;
  readonly #error: (syscall: string) => SyscallSendError;

  constructor(abi: Abi, error: (syscall: string) => SyscallSendError) {
    this.abi = abi;
    this.#error = error;
  }

  syscall(number: number) {
    return Effect.suspend(() => Effect.fail(this.#error(this.abi.syscallName(number))));
  }

  read() {
    return Effect.suspend(() => Effect.fail(this.#error("read of memory")));
  }

  write() {
    return Effect.suspend(() => Effect.fail(this.#error("write of memory")));
  }

  barrier() {
    return Effect.suspend(() => Effect.fail(this.#error("barrier")));
  }

  close() {
    return Effect.void;
  }
}

/**
 * The Thread of a process that has said hello, and that cannot be reached any more: all its operations fail with
 * SyscallSendError, as those of a Thread whose process has ended.
 *
 * @param access of the controller
 * @param describe names the process, and says what has become of it
 */
export const goneThread = (
  { abi, description }: Pick<Greeted, "abi" | "description">,
  access: Pick<Connection, "accessTask" | "accessEpoller">,
  environ: Environment,
  describe: () => string,
  cause: unknown,
): Thread => {
  const error = (syscall: string) => new SyscallSendError({ syscall, describe, cause });
  const sysif = new GoneSyscalls(abi, error);
  const task = taskOf(description, sysif, new Allocator(sysif, description.pageSize));
  const fails = (name: string) => () => Effect.suspend(() => Effect.fail(error(name)));
  const connection: Connection = {
    accessTask: access.accessTask,
    accessEpoller: access.accessEpoller,
    canPass: false,
    openChannels: fails("openChannels"),
    openAsyncChannels: fails("openAsyncChannels"),
    extendTo: () => connection,
    passTo: fails("passTo"),
    passFrom: fails("passFrom"),
  };
  return new Thread({
    task,
    connection,
    memory: undefined,
    epoller: fails("epoller"),
    environ,
    ...ownParts(task, description),
    scope: Scope.makeUnsafe(),
    beforeChildren: () => Effect.void,
    ancestor: undefined,
  });
};
