export { acquire } from "./acquire.ts";
export {
  batch,
  batchExits,
  batchExitsThen,
  batchThen,
  type Exits,
  type Results,
} from "./batch.ts";
export { ConnectionEnd } from "./ConnectionEnd.ts";
export { call } from "./call.ts";
export * from "./clone.ts";
export { decoded } from "./decoded.ts";
export { decorated, undecorated } from "./decorated.ts";
export {
  type DefinedCall,
  define,
  definitionOfNumber,
  definitions,
  type KindsOf,
  operationDefinitions,
} from "./define.ts";
export * from "./dirent.ts";
export {
  type ConnectionError,
  catchErrno,
  InvalidArgumentError,
  SyscallError,
  type SyscallFailure,
  SyscallHangup,
  SyscallSendError,
} from "./errors.ts";
export * from "./Format.ts";
export * from "./fcntl.ts";
export { Address, type DirectoryFd, Fd, NULL, Pid, type PidLike } from "./identifiers.ts";
export { impossible } from "./impossible.ts";
export * from "./kinds.ts";
export { LocalSyscallInterface, localAbi } from "./LocalSyscallInterface.ts";
export * from "./linux/capability.ts";
export * from "./linux/futex.ts";
export * from "./linux/memfd.ts";
export * from "./Memory.ts";
export { oneLine } from "./oneLine.ts";
export { orOlder } from "./orOlder.ts";
export { Path, type PathLike, pathBytes, pathProblem, pathSubject, pathText } from "./Path.ts";
export { type Outcome, PendingCall } from "./PendingCall.ts";
export { PendingEvents } from "./PendingEvents.ts";
export { perform, performWords } from "./perform.ts";
export { pipelined } from "./pipelined.ts";
export * from "./poll.ts";
export { printable, printableLines } from "./printable.ts";
export * from "./Result.ts";
export * from "./requests.ts";
export { isError, Syscall } from "./Syscall.ts";
export { type DefinitionOptions, SyscallDefinition } from "./SyscallDefinition.ts";
export type {
  DirectCalls,
  EventWaits,
  PendingWrite,
  SyscallInterface,
  Word,
  Words,
} from "./SyscallInterface.ts";
export * from "./sched.ts";
export * from "./signal.ts";
export * from "./sys/epoll.ts";
export * from "./sys/eventfd.ts";
export * from "./sys/file.ts";
export * from "./sys/inotify.ts";
export * from "./sys/ioctl.ts";
export * from "./sys/mman.ts";
export * from "./sys/mount.ts";
export * from "./sys/pidfd.ts";
export * from "./sys/prctl.ts";
export * from "./sys/resource.ts";
export * from "./sys/sendfile.ts";
export * from "./sys/signalfd.ts";
export * from "./sys/socket.ts";
export * from "./sys/stat.ts";
export * from "./sys/timerfd.ts";
export * from "./sys/utsname.ts";
export * from "./sys/wait.ts";
export { TaggedError } from "./TaggedError.ts";
export { sinkOfEnvironment, tracedByEnvironment } from "./trace/environment.ts";
export { eventSink, type TraceEvents } from "./trace/eventSink.ts";
export { spanSink } from "./trace/spanSink.ts";
export { TextOutput } from "./trace/TextOutput.ts";
export { TracedCall, type TracedTask } from "./trace/TracedCall.ts";
export type { TraceEvent, TraceSink } from "./trace/TraceSink.ts";
export { straceLine, type TextTarget, textSink } from "./trace/textSink.ts";
export { type TracedOptions, traced } from "./trace/traced.ts";
export * from "./unistd.ts";
