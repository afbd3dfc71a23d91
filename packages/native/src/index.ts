export {
  NativeLoadError,
  readMemory,
  stubPath,
  symbols,
  syscall,
  viewMemory,
  type Watch,
  type Word,
  watch,
  writeMemory,
} from "./addon.ts";
