export {
  checkKernel,
  KernelTooOldError,
  requiredKernel,
  UnsupportedMachineError,
} from "@rsyscall/handle";
export { ChildProcess, type Watched } from "./ChildProcess.ts";
export { Command, type EnvironmentUpdates } from "./Command.ts";
export type { CloneChildOptions } from "./clone.ts";
export type { ContainOptions } from "./contain.ts";
export type { Ancestor } from "./descent.ts";
export { Environment } from "./Environment.ts";
export { makeEpoller } from "./epoller.ts";
export { ChildProcessError } from "./errors.ts";
export { LocalThread, type LocalThreadFailure } from "./LocalThread.ts";
export { mkdtemp, mkstemp, type TemporaryOptions } from "./mktemp.ts";
export { NativeFunction, NativeLoader } from "./NativeLoader.ts";
export { once } from "./once.ts";
export type { RunOptions, SpawnOptions } from "./spawn.ts";
export {
  ChildThread,
  type CloneThreadOptions,
  fieldsOf,
  type ReadAllOptions,
  Thread,
} from "./Thread.ts";
export type { ThreadFields } from "./ThreadFields.ts";
export { ExecutableNotFoundError, which, whichAll } from "./which.ts";
