export { Environment } from "./Environment.ts";
export {
  checkKernel,
  KernelTooOldError,
  requiredKernel,
  UnsupportedMachineError,
} from "./kernel.ts";
export { LocalThread, type LocalThreadFailure } from "./LocalThread.ts";
export { NativeFunction, NativeLoader } from "./NativeLoader.ts";
export { Thread } from "./Thread.ts";
