export * from "@rsyscall/abi";
export {
  AsyncEventfd,
  AsyncFanotify,
  AsyncFileDescriptor,
  AsyncInotify,
  AsyncPidfd,
  AsyncPty,
  AsyncReadBuffer,
  AsyncSignalfd,
  AsyncTimerfd,
  EndOfFileError,
  Epoller,
  MalformedError,
  type ReadFailure,
  TooLongError,
} from "@rsyscall/epoller";
export * from "@rsyscall/handle";
/** The bare system calls, which take a `SyscallInterface` and numbers. */
export * as near from "@rsyscall/near";
export {
  Address,
  batch,
  type ConnectionError,
  catchErrno,
  eventSink,
  Fd,
  InvalidArgumentError,
  Path,
  type PathLike,
  Pid,
  type Syscall,
  SyscallError,
  type SyscallFailure,
  SyscallHangup,
  type SyscallInterface,
  SyscallSendError,
  spanSink,
  straceLine,
  TextOutput,
  type TraceEvent,
  type TraceSink,
  textSink,
} from "@rsyscall/near";
export {
  StubServices,
  StubStdio,
  StubTerminal,
  ThreadChildProcessSpawner,
  ThreadFileSystem,
  ThreadPath,
} from "@rsyscall/platform";
export {
  HandlerError,
  type HandlerErrorReason,
  HandshakeError,
  type ListenOptions,
  type ServeOptions,
  type ServerFailure,
  StubCall,
  StubServer,
  StubServerError,
  type StubServerErrorReason,
  type StubServerOptions,
} from "@rsyscall/stub-server";
export { CommandTask, type CommandTaskOptions } from "@rsyscall/task-command";
export {
  PersistentTask,
  PersistentTaskError,
  type PersistentTaskErrorReason,
  type PersistentTaskOptions,
  type StartOptions,
} from "@rsyscall/task-persistent";
export { SshError, type SshProblem, SshTask, type SshTaskOptions } from "@rsyscall/task-ssh";
export { StdinTask, type StdinTaskOptions } from "@rsyscall/task-stdin";
export {
  ChildProcess,
  ChildProcessError,
  ChildThread,
  type CloneThreadOptions,
  Command,
  type ContainOptions,
  Environment,
  ExecutableNotFoundError,
  KernelTooOldError,
  LocalThread,
  type LocalThreadFailure,
  type ReadAllOptions,
  type RunOptions,
  type SpawnOptions,
  type TemporaryOptions,
  Thread,
  UnsupportedMachineError,
} from "@rsyscall/thread";
export { LaunchError } from "@rsyscall/transport";
