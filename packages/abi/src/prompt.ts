import type { SyscallName } from "./Abi.ts";

/**
 * System calls that return without waiting for what anybody else does: another task, the other end
 * of a descriptor, a file system, a timeout.
 *
 * It matters because the results of earlier calls may be held back while one of these runs, to be
 * sent together with its own. Were it to wait, the program would wait for results that exist
 * already, and perhaps it is the one who must act to end the wait.
 *
 * A call is here only if that is certain for all its arguments. These are not:
 * close and dup3, which may close the last descriptor of a file (flush, SO_LINGER);
 * epoll_ctl, which polls the file once, and that asks the server of a FUSE file;
 * mmap, munmap and mprotect, which may read files (MAP_POPULATE, locked memory), ask a FUSE server
 * or wait for the reader of a userfaultfd;
 * fcntl, ioctl, prctl and setsockopt, which are many calls in one;
 * bind and connect, which look up paths; getrandom, which may wait for entropy;
 * kill and its like, which may stop the task itself.
 * socket and socketpair are here although the first socket of a family may load a module: that
 * wait ends by itself.
 */
export const promptSyscalls: ReadonlySet<SyscallName> = new Set<SyscallName>([
  // Who and where the task is.
  "getpid",
  "getppid",
  "gettid",
  "getuid",
  "geteuid",
  "getgid",
  "getegid",
  "getresuid",
  "getresgid",
  "getgroups",
  "getpgid",
  "getpgrp",
  "getsid",
  "capget",
  "getcpu",
  "uname",
  // What the kernel keeps for it.
  "umask",
  "getpriority",
  "getrlimit",
  "setrlimit",
  "prlimit64",
  "sched_getaffinity",
  "set_tid_address",
  "set_robust_list",
  "rt_sigprocmask",
  "rt_sigaction",
  "rt_sigpending",
  "sigaltstack",
  "clock_gettime",
  // New descriptors of things that lie in no file system.
  "dup",
  "epoll_create",
  "epoll_create1",
  "eventfd",
  "eventfd2",
  "inotify_init1",
  "memfd_create",
  "pipe",
  "pipe2",
  "signalfd4",
  "socket",
  "socketpair",
  "timerfd_create",
  // State of such descriptors.
  "getsockname",
  "getpeername",
  "listen",
  "timerfd_gettime",
  "timerfd_settime",
]);
