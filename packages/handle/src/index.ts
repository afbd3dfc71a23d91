export { type Cloned, type CloneOptions, clone, type Step } from "./clone.ts";
export { type CopyFileOptions, type CopyProgress, copyFile } from "./copyFile.ts";
export {
  actsWithRealIds,
  getegid,
  geteuid,
  getgid,
  getgroups,
  getpgid,
  getpgrp,
  getpid,
  getppid,
  getresgid,
  getresuid,
  getsid,
  gettid,
  getuid,
  type Ids,
  setgid,
  setgroups,
  setpgid,
  setregid,
  setresgid,
  setresuid,
  setreuid,
  setsid,
  setuid,
} from "./credentials.ts";
export { type Decorator, tracing } from "./Decorator.ts";
export { Directory, type DirentStatus } from "./dirent.ts";
export { encode } from "./encode.ts";
export {
  type BorrowFailure,
  type FdFailure,
  type HandleFailure,
  type InvalidHandleError,
  type IoFailure,
  type MallocFailure,
  type PtrFailure,
  SizeError,
  UseAfterFreeError,
  WrongKindError,
} from "./errors.ts";
export { type ExecOptions, execve, execveat, unshareFiles } from "./exec.ts";
export { FdTable, type FdTableOptions } from "./FdTable.ts";
export { type FdClass, type FdKind, FileDescriptor } from "./FileDescriptor.ts";
export {
  type FileId,
  nameToHandleAt,
  type OpenHowOptions,
  open,
  openat2,
  openByHandleAt,
} from "./fcntl.ts";
export type { Helper } from "./Helper.ts";
export {
  effectiveIds,
  type UserMapping,
  unshareUser,
  writeUserMapping,
} from "./idmaps.ts";
export { execStrings } from "./internal/execImage.ts";
export {
  checkKernel,
  KernelTooOldError,
  requiredKernel,
  UnsupportedMachineError,
} from "./kernel.ts";
export { LocalTask, type LocalTaskFailure } from "./LocalTask.ts";
export { capget, capset } from "./linux/capability.ts";
export { closeRange } from "./linux/close_range.ts";
export { futexWait, futexWake, setRobustFutex } from "./linux/futex.ts";
export { Tun, type TunOptions } from "./linux/if_tun.ts";
export { Memfd } from "./linux/memfd.ts";
export { type NetlinkRequest, netlinkRequest } from "./linux/netlink.ts";
export {
  type InterfaceLike,
  type LinkOptions,
  type NewLink,
  type NewRoute,
  Rtnetlink,
} from "./linux/rtnetlink.ts";
export {
  learnNamespaces,
  NamespaceFd,
  namespaceFlags,
  namespaceKindsOf,
  setns,
  unshare,
} from "./namespaces.ts";
export type { Direction, Patience } from "./Patience.ts";
export { Pointer, ReadablePointer, WrittenPointer } from "./Pointer.ts";
export { ProgramSignals } from "./ProgramSignals.ts";
export { pollNow } from "./poll.ts";
export { loginTty, openpty, PtyMaster, Terminal } from "./pty.ts";
export {
  type FileRange,
  type LockOwner,
  RecordLock,
  type RecordLockOptions,
} from "./RecordLock.ts";
export { removeTree } from "./removeTree.ts";
export { schedGetaffinity, schedSetaffinity } from "./sched.ts";
export {
  kill,
  killpg,
  type NewSigaction,
  resetSignal,
  SignalBlock,
  sigaction,
  sigpending,
  sigprocmask,
  tgkill,
} from "./signal.ts";
export { type SpawnOptions, spawn } from "./spawn.ts";
export { Epoll } from "./sys/epoll.ts";
export { Eventfd } from "./sys/eventfd.ts";
export { Fanotify, type FanotifyEvent, type FanotifyMarkOptions } from "./sys/fanotify.ts";
export { FileLock } from "./sys/file.ts";
export { Inotify } from "./sys/inotify.ts";
export {
  inPieces,
  type MessageRoom,
  type OutgoingMessage,
  type Received,
  type ReceivedFrom,
  type ReceivedMessage,
} from "./sys/message.ts";
export { type MappingFailure, MemfdSecret, MemoryMapping, type MmapOptions } from "./sys/mman.ts";
export { mount, umount } from "./sys/mount.ts";
export { Pidfd } from "./sys/pidfd.ts";
/** Operations of prctl(2), each by its own name. */
export * as prctl from "./sys/prctl.ts";
export {
  getpriority,
  getrlimit,
  type NewRlimit,
  prlimit,
  setpriority,
  setrlimit,
} from "./sys/resource.ts";
export { Signalfd } from "./sys/signalfd.ts";
export { refuseFds, Socket } from "./sys/socket.ts";
export {
  chmod,
  type FileTimes,
  fstatx,
  mkdir,
  mknod,
  stat,
  statx,
  umask,
  utimens,
} from "./sys/stat.ts";
export { statfs } from "./sys/statfs.ts";
export { type NewItimerspec, Timerfd } from "./sys/timerfd.ts";
export { bindUnix, connectUnix } from "./sys/un.ts";
export { ChildState } from "./sys/wait.ts";
export {
  getxattr,
  lgetxattr,
  listxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  removexattr,
  setxattr,
} from "./sys/xattr.ts";
export { Task } from "./Task.ts";
export type { TaskLike } from "./TaskLike.ts";
export {
  absolutePath,
  access,
  chdir,
  chown,
  chroot,
  fchdir,
  getcwd,
  link,
  PipeReader,
  PipeWriter,
  pipe,
  pivotRoot,
  readlink,
  rename,
  rmdir,
  sethostname,
  symlink,
  truncate,
  unlink,
} from "./unistd.ts";
export { nothingWritten, writeAll } from "./writeAll.ts";
