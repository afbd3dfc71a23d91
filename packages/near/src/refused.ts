import type { SyscallName } from "@rsyscall/abi";

/** System calls without a function, and the reason. `call` and `SyscallInterface.syscall` can make them. */
export interface Refusal {
  /** Why there is no function. */
  readonly reason: string;
  /** The names in the man pages. */
  readonly names: ReadonlyArray<SyscallName>;
}

/** The system calls that are deliberately not defined. All others are. */
export const refused: ReadonlyArray<Refusal> = [
  {
    reason: "Not all machines have it; a newer call does the same.",
    names: [
      "open",
      "stat",
      "lstat",
      "poll",
      "access",
      "pipe",
      "select",
      "dup2",
      "pause",
      "alarm",
      "getdents",
      "rename",
      "mkdir",
      "rmdir",
      "creat",
      "link",
      "unlink",
      "symlink",
      "readlink",
      "chmod",
      "chown",
      "lchown",
      "getpgrp",
      "utime",
      "utimes",
      "futimesat",
      "mknod",
      "ustat",
      "time",
      "epoll_create",
      "epoll_wait",
      "inotify_init",
      "signalfd",
      "eventfd",
      "sysfs",
    ],
  },
  {
    reason: "No kernel of today has it: ENOSYS.",
    names: [
      "uselib",
      "_sysctl",
      "create_module",
      "get_kernel_syms",
      "query_module",
      "nfsservctl",
      "getpmsg",
      "putpmsg",
      "afs_syscall",
      "tuxcall",
      "security",
      "vserver",
      "lookup_dcookie",
      "epoll_ctl_old",
      "epoll_wait_old",
    ],
  },
  {
    reason:
      "It returns twice, or elsewhere than it was called, or never: compiled code is needed around it. See `clone` of this package.",
    names: ["fork", "vfork", "clone", "clone3", "rt_sigreturn", "restart_syscall"],
  },
  {
    reason:
      "It changes what the code that runs in the task relies on: its own stack, heap, registers or thread data.",
    names: [
      "brk",
      "arch_prctl",
      "modify_ldt",
      "set_thread_area",
      "get_thread_area",
      "map_shadow_stack",
      "remap_file_pages",
      "rseq",
      "rseq_slice_yield",
      "uretprobe",
      "uprobe",
    ],
  },
  {
    reason:
      "It administers the host, and not the process, with privileges that containers do not have.",
    names: [
      "syslog",
      "vhangup",
      "acct",
      "settimeofday",
      "swapon",
      "swapoff",
      "reboot",
      "iopl",
      "ioperm",
      "init_module",
      "finit_module",
      "delete_module",
      "quotactl",
      "quotactl_fd",
      "kexec_load",
      "kexec_file_load",
    ],
  },
];
