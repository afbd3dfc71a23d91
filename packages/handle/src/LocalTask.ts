import { readFileSync } from "node:fs";
import { SIG, SigHow, Utsname } from "@rsyscall/abi";
import { AddressSpace, makeNamespaces } from "@rsyscall/far";
import { Allocator } from "@rsyscall/memory";
import { AtEnd, atEnd } from "@rsyscall/native";
import { LocalSyscallInterface, localAbi, Pid, uname } from "@rsyscall/near";
import { Context, Effect, Layer, type Scope } from "effect";
import type { IoFailure } from "./errors.ts";
import { FdTable } from "./FdTable.ts";
import { checkKernel, type KernelTooOldError, UnsupportedMachineError } from "./kernel.ts";
import { learnNamespaces } from "./namespaces.ts";
import { ProgramSignals } from "./ProgramSignals.ts";
import { sigprocmask } from "./signal.ts";
import { Task } from "./Task.ts";

/** Errors of making the Task of this process. */
export type LocalTaskFailure = IoFailure | KernelTooOldError | UnsupportedMachineError;

/**
 * The Task of this process, for programs that need no more than handles. Its system calls run on Node's main thread,
 * and one that waits stops everything, because a Task alone has no epoller to wait with. `LocalThread` of
 * @rsyscall/thread has one: there, operations of descriptors wait in the event loop.
 *
 * @example
 * ```ts
 * import { O } from "@rsyscall/abi";
 * import { LocalTask, open } from "@rsyscall/handle";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const task = yield* LocalTask;
 *   const file = yield* open(task, "/proc/self/comm", O.RDONLY);
 *   console.log(yield* file.readBytes());
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalTask.layer)));
 * ```
 */
export class LocalTask extends Context.Service<LocalTask, Task>()("@rsyscall/handle/LocalTask") {
  /** Provides the Task of this process. When the layer's scope closes, it gives back the memory of the Task. */
  static readonly layer: Layer.Layer<LocalTask, LocalTaskFailure> = Layer.effect(
    LocalTask,
    Effect.suspend(() => LocalTask.make()),
  );

  /** Makes a Task of this process. Its descriptors are other handles than those of another one. */
  static make(): Effect.Effect<Task, LocalTaskFailure, Scope.Scope> {
    return makeLocalTask;
  }
}

const makeLocalTask: Effect.Effect<Task, LocalTaskFailure, Scope.Scope> = Effect.gen(function* () {
  const abi = localAbi();
  if (abi === undefined) return yield* new UnsupportedMachineError({ machine: process.arch });
  const sysif = new LocalSyscallInterface(abi);
  const pageSize = auxv(AT_PAGESZ) ?? 4096;
  const allocator = new Allocator(sysif, pageSize);
  yield* Effect.addFinalizer(() => allocator.close());
  const task = new Task({
    sysif,
    pid: Pid(process.pid),
    fdTable: new FdTable(process.pid, {
      strangers: true,
      atEnd: { marks: atEnd, close: AtEnd.CLOSE },
    }),
    addressSpace: new AddressSpace(process.pid),
    namespaces: makeNamespaces({}),
    allocator,
    pageSize,
    sigmask: new Set(),
    // Node ignores these, and its child_process resets them for programs.
    programSignals: new ProgramSignals({ defaulted: [SIG.PIPE, SIG.XFSZ] }),
  });
  const { release } = yield* task.withResult(Utsname, (buffer) => uname(task.sysif, buffer));
  yield* checkKernel(release);
  yield* learnNamespaces(task);
  task.sigmask = yield* sigprocmask(task, SigHow.BLOCK, new Set());
  return task;
});

const AT_PAGESZ = 6;

/** A value of the auxiliary vector of this process: getauxval(3). */
const auxv = (type: number): number | undefined => {
  try {
    const words = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    for (let i = 0; i + 1 < words.length; i += 2)
      if (words[i] === BigInt(type)) return Number(words[i + 1]);
  } catch {
    // There is no /proc: the caller has a default.
  }
  return undefined;
};
