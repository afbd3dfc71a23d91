import type { SyscallName } from "@rsyscall/abi";
import {
  type ArgumentKind,
  address,
  between,
  countOf,
  fd,
  flags,
  id,
  int,
  mode,
  newAddress,
  newFd,
  nothing,
  offset,
  pid,
  type ResultKind,
  signal,
  size,
  someId,
  someInt,
  someOffset,
  somePid,
  uint,
  word,
} from "./kinds.ts";
import { SyscallDefinition, unknownCall } from "./SyscallDefinition.ts";

type Kinds = readonly [result: ResultKind, ...args: ReadonlyArray<ArgumentKind>];

/** The kernel transfers no more bytes in one call: MAX_RW_COUNT. */
const transfer = between(0, 0x7fff_f000);
/** Between 1 and 40: 20 minus the nice value. */
const priority = between(1, 40);

/** What the calls of this package take and give, as the man pages have it. */
const kinds: Partial<Record<SyscallName, Kinds>> = {
  // dirent.h, fcntl.h, poll.h
  getdents64: [countOf(2), fd, address, size],
  openat: [newFd, fd, address, flags, mode],
  fcntl: [someInt, fd, int, word],
  splice: [countOf(4), fd, address, fd, address, size, flags],
  ppoll: [countOf(1), address, uint, address, address, size],
  // sched.h
  sched_getaffinity: [countOf(1), pid, uint, address],
  sched_setaffinity: [nothing, pid, uint, address],
  unshare: [nothing, flags],
  setns: [nothing, fd, flags],
  // signal.h
  rt_sigprocmask: [nothing, int, address, address, size],
  rt_sigaction: [nothing, signal, address, address, size],
  kill: [nothing, pid, signal],
  tgkill: [nothing, pid, pid, signal],
  rt_sigpending: [nothing, address, size],
  rt_sigtimedwait: [between(0, 64), address, address, address, size],
  // unistd.h
  read: [countOf(2), fd, address, size],
  write: [countOf(2), fd, address, size],
  pread64: [countOf(2), fd, address, size, offset],
  pwrite64: [countOf(2), fd, address, size, offset],
  copy_file_range: [countOf(4), fd, address, fd, address, size, flags],
  close: [nothing, fd],
  close_range: [nothing, uint, uint, flags],
  dup3: [newFd, fd, fd, flags],
  pipe2: [nothing, address, flags],
  lseek: [someOffset, fd, offset, int],
  fsync: [nothing, fd],
  ftruncate: [nothing, fd, offset],
  truncate: [nothing, address, offset],
  fchmod: [nothing, fd, mode],
  fchownat: [nothing, fd, address, id, id, flags],
  readlinkat: [countOf(3), fd, address, address, size],
  symlinkat: [nothing, address, fd, address],
  linkat: [nothing, fd, address, fd, address, flags],
  unlinkat: [nothing, fd, address, flags],
  renameat: [nothing, fd, address, fd, address],
  renameat2: [nothing, fd, address, fd, address, flags],
  faccessat: [nothing, fd, address, int],
  faccessat2: [nothing, fd, address, int, flags],
  getcwd: [countOf(1), address, size],
  chdir: [nothing, address],
  fchdir: [nothing, fd],
  chroot: [nothing, address],
  pivot_root: [nothing, address, address],
  sethostname: [nothing, address, int],
  execve: [nothing, address, address, address],
  execveat: [nothing, fd, address, address, address, flags],
  exit_group: [nothing, int],
  getpid: [somePid],
  getppid: [somePid],
  gettid: [somePid],
  getpgid: [somePid, pid],
  setpgid: [nothing, pid, pid],
  getsid: [somePid, pid],
  setsid: [somePid],
  getuid: [someId],
  geteuid: [someId],
  getgid: [someId],
  getegid: [someId],
  getresuid: [nothing, address, address, address],
  getresgid: [nothing, address, address, address],
  setuid: [nothing, id],
  setgid: [nothing, id],
  setreuid: [nothing, id, id],
  setregid: [nothing, id, id],
  setresuid: [nothing, id, id, id],
  setresgid: [nothing, id, id, id],
  // NGROUPS_MAX, for who only asks how many there are
  getgroups: [between(0, 65536), int, address],
  setgroups: [nothing, int, address],
  // linux/
  capget: [nothing, address, address],
  capset: [nothing, address, address],
  futex: [between(0, 2 ** 31 - 1), address, int, flags, word, word, flags],
  set_robust_list: [nothing, address, size],
  memfd_create: [newFd, address, flags],
  // sys/
  epoll_create1: [newFd, flags],
  epoll_ctl: [nothing, fd, int, fd, address],
  epoll_pwait: [countOf(2), fd, address, int, int, address, size],
  eventfd2: [newFd, uint, flags],
  inotify_init1: [newFd, flags],
  inotify_add_watch: [newFd, fd, address, flags],
  inotify_rm_watch: [nothing, fd, int],
  ioctl: [someInt, fd, flags, word],
  mmap: [newAddress, address, size, flags, flags, fd, offset],
  munmap: [nothing, address, size],
  madvise: [nothing, address, size, int],
  mprotect: [nothing, address, size, flags],
  mount: [nothing, address, address, address, flags, address],
  umount2: [nothing, address, flags],
  pidfd_open: [newFd, pid, flags],
  pidfd_send_signal: [nothing, fd, signal, address, flags],
  pidfd_getfd: [newFd, fd, fd, flags],
  prctl: [someInt, int, word, word, word, word],
  getpriority: [priority, int, id],
  setpriority: [nothing, int, id, int],
  prlimit64: [nothing, pid, int, address, address],
  sendfile: [countOf(3), fd, fd, address, size],
  signalfd4: [newFd, fd, address, size, flags],
  socket: [newFd, int, int, int],
  socketpair: [nothing, int, int, int, address],
  bind: [nothing, fd, address, int],
  connect: [nothing, fd, address, int],
  listen: [nothing, fd, int],
  accept4: [newFd, fd, address, address, flags],
  shutdown: [nothing, fd, int],
  sendto: [countOf(2), fd, address, size, flags, address, int],
  // Longer than the buffer is a datagram that was cut, with MSG.TRUNC.
  recvfrom: [transfer, fd, address, size, flags, address, address],
  sendmsg: [transfer, fd, address, flags],
  recvmsg: [transfer, fd, address, flags],
  getsockopt: [nothing, fd, int, int, address, address],
  setsockopt: [nothing, fd, int, int, address, int],
  getsockname: [nothing, fd, address, address],
  getpeername: [nothing, fd, address, address],
  fstat: [nothing, fd, address],
  newfstatat: [nothing, fd, address, address, flags],
  statx: [nothing, fd, address, flags, flags, address],
  mkdirat: [nothing, fd, address, mode],
  fchmodat: [nothing, fd, address, mode],
  fchmodat2: [nothing, fd, address, mode, flags],
  umask: [between(0, 0o777), mode],
  utimensat: [nothing, fd, address, address, flags],
  timerfd_create: [newFd, int, flags],
  timerfd_settime: [nothing, fd, flags, address, address],
  timerfd_gettime: [nothing, fd, address],
  uname: [nothing, address],
  waitid: [nothing, int, int, address, flags, address],
};

const define = (name: SyscallName, [result, ...args]: Kinds): SyscallDefinition =>
  new SyscallDefinition(name, result, args);

const definitions: ReadonlyMap<string, SyscallDefinition> = new Map(
  Object.entries(kinds).map(([name, kinds]) => [name, define(name as SyscallName, kinds)]),
);

/** The call of this name. */
export const definitionOf = (name: SyscallName): SyscallDefinition =>
  definitions.get(name) ?? unknownCall(name);

/** fcntl(2) whose argument is no pointer: it reaches the file as 32 bits. */
export const fcntlOfInt: SyscallDefinition = define("fcntl", [someInt, fd, int, flags]);

/** fcntl(2) with F.DUPFD and F.DUPFD_CLOEXEC, whose argument is the least number. */
export const fcntlDup: SyscallDefinition = define("fcntl", [newFd, fd, int, uint]);

/** An ioctl(2) that opens a descriptor. */
export const ioctlOpening: SyscallDefinition = define("ioctl", [newFd, fd, flags, flags]);

/** OP_CLONE: clone3(2) and clone(2), as an operation of the server. */
export const cloneOperation: SyscallDefinition = define("clone", [
  between(1, 2 ** 31 - 1),
  address,
  address,
]);
