export {
  type HandleFailure,
  SizeError,
  UseAfterFreeError,
  WrongKindError,
} from "./errors.ts";
export { FdTable } from "./FdTable.ts";
export { type FdClass, FileDescriptor } from "./FileDescriptor.ts";
export { open } from "./fcntl.ts";
export { Memfd } from "./linux/memfd.ts";
export { Pointer, ReadablePointer, WrittenPointer } from "./Pointer.ts";
export { pollNow } from "./poll.ts";
export { resetSignal, sigprocmask } from "./signal.ts";
export { Epoll } from "./sys/epoll.ts";
export { type Received, Socket } from "./sys/socket.ts";
export { chmod, mkdir, stat } from "./sys/stat.ts";
export { bindUnix, connectUnix } from "./sys/un.ts";
export { encode, type MallocFailure, type PtrFailure, Task } from "./Task.ts";
export {
  access,
  getcwd,
  PipeReader,
  PipeWriter,
  pipe,
  readlink,
  rename,
  rmdir,
  symlink,
  unlink,
} from "./unistd.ts";
