export {
  AtEnd,
  atEnd,
  Readiness,
  readiness,
  readMemory,
  stubPath,
  symbols,
  syscall,
  taskPath,
  unviewMemory,
  viewMemory,
  type Watch,
  type Word,
  type Words,
  watch,
  writeMemory,
} from "./addon.ts";
export { NativeLoadError } from "./errors.ts";
