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
export { hasLeft, isGone, leaving } from "./departure.ts";
export * from "./dirent.ts";
export {
  type ConnectionError,
  catchErrno,
  InvalidArgumentError,
  InvalidStateError,
  SyscallError,
  type SyscallFailure,
  SyscallHangup,
  SyscallSendError,
} from "./errors.ts";
export * from "./Format.ts";
export * from "./fcntl.ts";
export { Address, type DirectoryFd, Fd, NULL, Pid, type PidLike } from "./identifiers.ts";
export { impossible } from "./impossible.ts";
export * from "./keyutils.ts";
/** Kinds of arguments, for `define`. */
export * as kinds from "./kinds.ts";
export { Kind, withFlags } from "./kinds.ts";
export { LocalSyscallInterface, localAbi } from "./LocalSyscallInterface.ts";
export * from "./linux/aio_abi.ts";
export * from "./linux/bpf.ts";
export * from "./linux/capability.ts";
export * from "./linux/fs.ts";
export * from "./linux/futex.ts";
export * from "./linux/io_uring.ts";
export * from "./linux/ioprio.ts";
export * from "./linux/landlock.ts";
export * from "./linux/lsm.ts";
export * from "./linux/membarrier.ts";
export * from "./linux/memfd.ts";
export * from "./linux/mempolicy.ts";
export * from "./linux/nsfs.ts";
export * from "./linux/perf_event.ts";
export * from "./linux/seccomp.ts";
export * from "./linux/userfaultfd.ts";
export type { Content, Count, Memory } from "./Memory.ts";
/** What lies in memory that an argument points to, for `define`. */
export * as content from "./Memory.ts";
export * from "./mqueue.ts";
export { NumberMap } from "./NumberMap.ts";
export { oneLine } from "./oneLine.ts";
export { orOlder } from "./orOlder.ts";
export {
  invalidPath,
  Path,
  type PathLike,
  pathArgument,
  pathBytes,
  pathProblem,
  pathSubject,
  pathText,
} from "./Path.ts";
export { type Outcome, PendingCall } from "./PendingCall.ts";
export { PendingEvents } from "./PendingEvents.ts";
export { perform, performWords } from "./perform.ts";
export { pipelined } from "./pipelined.ts";
export * from "./poll.ts";
export { printable, printableLines } from "./printable.ts";
export { privilegeOf } from "./privileges.ts";
export type { Result } from "./Result.ts";
/** Results, for `define`. */
export * as results from "./Result.ts";
export { Roster } from "./Roster.ts";
export { readInto } from "./readInto.ts";
export { type Refusal, refused } from "./refused.ts";
export { isError, Syscall } from "./Syscall.ts";
export { type DefinitionOptions, SyscallDefinition } from "./SyscallDefinition.ts";
export type {
  DirectCalls,
  EventWaits,
  FileTransfers,
  PendingWrite,
  SyscallInterface,
  Word,
  Words,
} from "./SyscallInterface.ts";
export * from "./sched.ts";
export * from "./signal.ts";
export { since } from "./since.ts";
export * from "./sys/epoll.ts";
export * from "./sys/eventfd.ts";
export * from "./sys/fanotify.ts";
export * from "./sys/file.ts";
export * from "./sys/inotify.ts";
export * from "./sys/ioctl.ts";
export * from "./sys/mman.ts";
export * from "./sys/mount.ts";
export * from "./sys/msg.ts";
export * from "./sys/personality.ts";
export * from "./sys/pidfd.ts";
export * from "./sys/prctl.ts";
export * from "./sys/ptrace.ts";
export * from "./sys/random.ts";
export * from "./sys/resource.ts";
export * from "./sys/select.ts";
export * from "./sys/sem.ts";
export * from "./sys/sendfile.ts";
export * from "./sys/shm.ts";
export * from "./sys/signalfd.ts";
export * from "./sys/socket.ts";
export * from "./sys/stat.ts";
export * from "./sys/statfs.ts";
export * from "./sys/sysinfo.ts";
export * from "./sys/time.ts";
export * from "./sys/timerfd.ts";
export * from "./sys/times.ts";
export * from "./sys/timex.ts";
export * from "./sys/uio.ts";
export * from "./sys/utsname.ts";
export * from "./sys/wait.ts";
export * from "./sys/xattr.ts";
export { TaggedError } from "./TaggedError.ts";
export * from "./time.ts";
export { sinkOfEnvironment, tracedByEnvironment } from "./trace/environment.ts";
export { eventSink, type TraceEvents } from "./trace/eventSink.ts";
export { spanSink } from "./trace/spanSink.ts";
export { TextOutput } from "./trace/TextOutput.ts";
export { TracedCall, type TracedTask } from "./trace/TracedCall.ts";
export type { TraceEvent, TraceSink } from "./trace/TraceSink.ts";
export { straceLine, type TextTarget, textSink } from "./trace/textSink.ts";
export { type TracedOptions, traced } from "./trace/traced.ts";
export * from "./unistd.ts";
export { withoutStack } from "./userFrames.ts";
