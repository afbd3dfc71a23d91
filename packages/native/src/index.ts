export {
  NativeLoadError,
  readMemory,
  stubPath,
  symbols,
  syscall,
  unviewMemory,
  viewMemory,
  type Watch,
  type Word,
  type Words,
  watch,
  writeMemory,
} from "./addon.ts";
