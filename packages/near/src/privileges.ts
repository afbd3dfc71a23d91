import type { ErrnoName, SyscallName } from "@rsyscall/abi";

/** The privilege whose lack is one of these errnos of a call. */
interface Privilege {
  readonly errnos: ReadonlyArray<ErrnoName>;
  /** In words; a function gives those for what the call is about, if it depends on that. */
  readonly text: string | ((subject: string) => string | undefined);
}

/** A capability in the user namespace of the process, or in the one that owns what the call changes. */
const own = (name: string, when = ""): Privilege & { readonly text: string } => ({
  errnos: ["EPERM"],
  text: `the process needs ${name} in its user namespace, as root has, and a child of clone(CLONE.NEWUSER)${when}`,
});

/** A capability in the initial user namespace. */
const host = (name: string, when = ""): Privilege => ({
  errnos: ["EPERM"],
  text: `the process needs ${name} in the initial user namespace, as root of the host has${when}`,
});

const reads = own(
  "CAP_SYS_PTRACE",
  ", or the same ids as the other process, which must be dumpable: see ptrace(2)",
);
const signals = own("CAP_KILL", ", or the same user id as the other process");
const schedules = host(
  "CAP_SYS_NICE",
  ", or a limit that allows it: see RLIMIT_RTPRIO and RLIMIT_NICE",
);
const mounts = own("CAP_SYS_ADMIN", ", in the user namespace that owns its mount namespace");
const owns = host("CAP_FOWNER", ", or to be the owner of the file, which must not be immutable");

const changesXattr: Privilege = {
  errnos: ["EPERM"],
  text: 'a "trusted." attribute takes CAP_SYS_ADMIN, "security.capability" CAP_SETFCAP, and a "user." one a regular file or a directory that is not immutable',
};

/** What a request of ioctl(2) takes, by the beginning of its name. */
const request: Privilege = {
  errnos: ["EPERM", "EACCES"],
  text: (subject) => {
    const has = (...names: ReadonlyArray<string>) => names.some((name) => subject.includes(name));
    if (has("FS_IOC_SETFLAGS"))
      return "to change the flags IMMUTABLE and APPEND takes CAP_LINUX_IMMUTABLE, and all others the owner of the file or CAP_FOWNER";
    if (has("TIOCSCTTY"))
      return "the process must lead its session and have no terminal; to take that of another session takes CAP_SYS_ADMIN";
    if (has("NS_GET_")) return "that namespace is outside of the process's own";
    return has("LOOP_", "BLK", "TIOCSTI", "FIFREEZE", "FITHAW")
      ? own("CAP_SYS_ADMIN").text
      : undefined;
  },
};

/** Of the man pages: capabilities(7), and the sections ERRORS. */
const byCall: Readonly<Partial<Record<SyscallName, Privilege>>> = {
  acct: host("CAP_SYS_PACCT"),
  adjtimex: host("CAP_SYS_TIME", " to set the clock"),
  bpf: host("CAP_BPF", ", and CAP_NET_ADMIN or CAP_PERFMON for some programs"),
  capset: own("the capability", ": none is added to the permitted set"),
  chroot: own("CAP_SYS_CHROOT"),
  clock_adjtime: host("CAP_SYS_TIME", " to set the clock"),
  clock_settime: host("CAP_SYS_TIME"),
  clone: own("CAP_SYS_ADMIN", ", for a namespace without CLONE.NEWUSER"),
  clone3: own("CAP_SYS_ADMIN", ", for a namespace without CLONE.NEWUSER"),
  delete_module: host("CAP_SYS_MODULE"),
  fanotify_init: host(
    "CAP_SYS_ADMIN",
    "; without it, since Linux 5.13, a group can only have FAN.CLASS_NOTIF and FAN.REPORT_FID",
  ),
  fanotify_mark: host(
    "CAP_SYS_ADMIN",
    "; without it, a group can only mark files and directories, not mounts and file systems",
  ),
  fchmod: owns,
  fchmodat: owns,
  fchmodat2: owns,
  fchown: host("CAP_CHOWN"),
  fchownat: host("CAP_CHOWN"),
  fcntl: {
    errnos: ["EPERM"],
    text: (subject) =>
      subject.includes("F_SETPIPE_SZ")
        ? `more than fs.pipe-max-size of proc(5): ${own("CAP_SYS_RESOURCE").text}`
        : undefined,
  },
  finit_module: host("CAP_SYS_MODULE"),
  fsconfig: mounts,
  fremovexattr: changesXattr,
  fsetxattr: changesXattr,
  fsmount: mounts,
  fsopen: mounts,
  fspick: mounts,
  init_module: host("CAP_SYS_MODULE"),
  ioctl: request,
  ioperm: host("CAP_SYS_RAWIO"),
  iopl: host("CAP_SYS_RAWIO"),
  ioprio_set: host("CAP_SYS_NICE", ", or the same user id; CAP_SYS_ADMIN for the class RT"),
  kcmp: reads,
  kexec_file_load: host("CAP_SYS_BOOT"),
  kexec_load: host("CAP_SYS_BOOT"),
  kill: signals,
  landlock_restrict_self: own("CAP_SYS_ADMIN", ", or no_new_privs: see prctl(2)"),
  listmount: mounts,
  lremovexattr: changesXattr,
  lsetxattr: changesXattr,
  madvise: host(
    "CAP_SYS_ADMIN",
    " for MADV.HWPOISON and SOFT_OFFLINE; mseal(2) forbids other advice",
  ),
  mbind: host("CAP_SYS_NICE", " for MPOL_MF_MOVE_ALL"),
  migrate_pages: host("CAP_SYS_NICE", ", or the same ids as the other process"),
  mknodat: host("CAP_MKNOD", " for a device"),
  mount: mounts,
  mount_setattr: mounts,
  move_mount: mounts,
  move_pages: host("CAP_SYS_NICE", ", or the same ids as the other process"),
  msgctl: own("CAP_SYS_ADMIN", ", or to be the owner of the queue"),
  name_to_handle_at: host("CAP_DAC_READ_SEARCH"),
  open_by_handle_at: host(
    "CAP_DAC_READ_SEARCH",
    "; since Linux 6.11, that in its user namespace is enough for a mount of it",
  ),
  open_tree: mounts,
  open_tree_attr: mounts,
  perf_event_open: host("CAP_PERFMON", ", or a lower kernel.perf_event_paranoid"),
  pidfd_getfd: reads,
  pidfd_send_signal: signals,
  pivot_root: mounts,
  prlimit64: own(
    "CAP_SYS_RESOURCE",
    " to raise a hard limit, or to change one of a process with other ids",
  ),
  process_madvise: host("CAP_SYS_NICE", ", and the right to read the other process"),
  process_vm_readv: reads,
  process_vm_writev: reads,
  ptrace: reads,
  quotactl: host("CAP_SYS_ADMIN"),
  quotactl_fd: host("CAP_SYS_ADMIN"),
  reboot: host("CAP_SYS_BOOT"),
  removexattr: changesXattr,
  rt_sigqueueinfo: signals,
  sched_setaffinity: host("CAP_SYS_NICE", ", or the same user id as the other process"),
  sched_setattr: schedules,
  sched_setparam: schedules,
  sched_setscheduler: schedules,
  seccomp: {
    errnos: ["EACCES"],
    text: "the process needs CAP_SYS_ADMIN in its user namespace, or no_new_privs: see prctl(2)",
  },
  semctl: own("CAP_SYS_ADMIN", ", or to be the owner of the set"),
  setdomainname: own("CAP_SYS_ADMIN", ", in the user namespace that owns its UTS namespace"),
  setgid: own("CAP_SETGID"),
  setns: own("CAP_SYS_ADMIN", ", in that namespace and in its own"),
  setpriority: {
    errnos: ["EACCES"],
    text: "the process needs CAP_SYS_NICE, or an RLIMIT_NICE that allows it",
  },
  setregid: own("CAP_SETGID"),
  setresgid: own("CAP_SETGID"),
  setresuid: own("CAP_SETUID"),
  setreuid: own("CAP_SETUID"),
  setrlimit: own("CAP_SYS_RESOURCE", " to raise a hard limit"),
  settimeofday: host("CAP_SYS_TIME"),
  setuid: own("CAP_SETUID"),
  setxattr: changesXattr,
  shmctl: own("CAP_SYS_ADMIN", ", or to be the owner of the segment; CAP_IPC_LOCK to lock it"),
  socket: own(
    "CAP_NET_RAW",
    " for sockets of SOCK.RAW and AF.PACKET, in the user namespace that owns its network namespace",
  ),
  statmount: mounts,
  swapoff: host("CAP_SYS_ADMIN"),
  swapon: host("CAP_SYS_ADMIN"),
  syslog: host("CAP_SYSLOG"),
  tgkill: signals,
  timerfd_create: own("CAP_WAKE_ALARM", " for the clocks of alarms"),
  tkill: signals,
  umount2: mounts,
  unshare: own("CAP_SYS_ADMIN", ", for a namespace without CLONE.NEWUSER"),
  userfaultfd: host("CAP_SYS_PTRACE", ", UFFD_USER_MODE_ONLY, or vm.unprivileged_userfaultfd"),
  utimensat: owns,
  vhangup: host("CAP_SYS_TTY_CONFIG"),
};

/** Returns the privilege whose lack this errno of a call means, in words; undefined if it means something else. */
export const privilegeOf = (
  syscall: string,
  errno: ErrnoName,
  subject = "",
): string | undefined => {
  const privilege = Object.hasOwn(byCall, syscall) ? byCall[syscall as SyscallName] : undefined;
  if (privilege === undefined || !privilege.errnos.includes(errno)) return undefined;
  return typeof privilege.text === "function" ? privilege.text(subject) : privilege.text;
};
