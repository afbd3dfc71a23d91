import type { ErrnoName } from "@rsyscall/abi";

/** The cause and the remedy of an error, if more is known than its errno. */
type Explanation = string | ((subject: string) => string | undefined);

type Explanations = Readonly<Partial<Record<ErrnoName, Explanation>>>;

const executes: Explanations = {
  ENOENT: (path) =>
    path.includes("/")
      ? "the file is missing, or the interpreter that it names: a script in its first line, a program in its ELF header"
      : "a name without a slash is not looked for in PATH: `which` does that",
  EACCES:
    "it is no regular file, has no execute permission, or is on a file system that is mounted with noexec",
  ENOEXEC: "it is no program of this machine, and no script that begins with #!",
  E2BIG: "arguments and environment are too long together: see ARG_MAX in execve(2)",
  ETXTBSY: "it is open for writing: close it first, in all processes that have it",
};

const capability = (name: string): Explanation =>
  `the process needs ${name} in its user namespace, as root has, and a child of clone(CLONE.NEWUSER)`;

/** What is so of all file systems that cannot do a thing. */
const notThere = "the file system does not have it";

const changesXattr: Explanations = {
  EPERM:
    'a "trusted." attribute takes CAP_SYS_ADMIN, "security.capability" CAP_SETFCAP, and a "user." one a regular file or a directory that is not immutable',
  EACCES: "the file's permissions do not allow it, or a security module",
  EOPNOTSUPP:
    'the file system does not have such attributes, or the name has no namespace: "user.name"',
  E2BIG: "a value has at most 65536 bytes",
  ENOSPC:
    "the file has no room for more attributes, which together have a few KiB on most file systems",
};

const readsXattr: Explanations = {
  ENODATA: "the file has no such attribute",
  EOPNOTSUPP:
    'the file system does not have such attributes, or the name has no namespace: "user.name"',
};

const changesOwner: Explanations = {
  EPERM: capability("CAP_CHOWN"),
  EINVAL: "the user namespace maps no such id",
};

const changesSize: Explanations = {
  EPERM: "the file is sealed (F_SEAL), immutable or append-only",
  EFBIG: "it is more than the file system or RLIMIT_FSIZE allows",
};

/** The privilege that a request of ioctl(2) takes, by the beginning of its name. */
const ioctlPrivilege = (subject: string): string | undefined => {
  const has = (...names: ReadonlyArray<string>) => names.some((name) => subject.includes(name));
  if (has("FS_IOC_SETFLAGS"))
    return "to change the flags IMMUTABLE and APPEND takes CAP_LINUX_IMMUTABLE, and all others the owner of the file or CAP_FOWNER";
  if (has("TIOCSCTTY"))
    return "the process must lead its session and have no terminal; to take that of another session takes CAP_SYS_ADMIN";
  if (has("NS_GET_")) return "that namespace is outside of the process's own";
  if (has("LOOP_", "BLK", "TIOCSTI", "FIFREEZE", "FITHAW"))
    return capability("CAP_SYS_ADMIN") as string;
  return undefined;
};

/**
 * The meaning of an errno of a call, where strerror(3) does not say enough. They are from the man pages,
 * section ERRORS.
 */
const byCall: Readonly<Record<string, Explanations>> = {
  execve: executes,
  execveat: executes,
  mount: {
    EPERM:
      "the process needs CAP_SYS_ADMIN in its mount namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWNS) has",
    ENODEV: "the kernel knows no file system of this type: /proc/filesystems lists those it knows",
  },
  umount2: {
    EPERM:
      "the process needs CAP_SYS_ADMIN in its mount namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWNS) has",
    EINVAL: "it is no mount point, or it was mounted by a more privileged namespace",
    EBUSY: "a process still uses it: a file is open there, or is a working directory",
  },
  chroot: { EPERM: capability("CAP_SYS_CHROOT") },
  pivot_root: {
    EPERM: capability("CAP_SYS_ADMIN"),
    EINVAL: "the new root must be a mount point, and the old one must get a place below it",
  },
  sethostname: {
    EPERM:
      "the process needs CAP_SYS_ADMIN in its UTS namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWUTS) has",
  },
  setuid: { EPERM: capability("CAP_SETUID"), EINVAL: "the user namespace maps no such id" },
  setgid: { EPERM: capability("CAP_SETGID"), EINVAL: "the user namespace maps no such id" },
  setgroups: {
    EPERM:
      "the process needs CAP_SETGID, and /proc/PID/setgroups of its user namespace must not say deny",
  },
  bind: {
    EACCES:
      "a port below 1024 needs CAP_NET_BIND_SERVICE, and a path a directory that can be written to",
    EADDRINUSE: "another socket is bound there, or its file is still there: use another address",
    EADDRNOTAVAIL: "no interface of this network namespace has this address",
  },
  connect: {
    ECONNREFUSED: "nothing listens there",
    EACCES: "the socket's file or a directory above it does not permit it",
  },
  inotify_add_watch: { ENOSPC: "the limit is reached: see fs.inotify.max_user_watches in proc(5)" },
  inotify_init1: { EMFILE: "the limit is reached: see fs.inotify.max_user_instances in proc(5)" },
  openat2: {
    EXDEV: "the path leads out of the directory, or to another mount: see RESOLVE",
    ELOOP: "the path has a symbolic link that RESOLVE forbids, or more than 40 of them",
    EAGAIN:
      "a rename elsewhere kept the kernel from being sure that the path stays inside: try again",
  },
  open_by_handle_at: {
    EPERM: capability("CAP_DAC_READ_SEARCH"),
    ESTALE: "the file is gone, or the descriptor is of another file system",
  },
  name_to_handle_at: { EOPNOTSUPP: "the file system makes no handles" },
  mknodat: {
    EPERM:
      "a device takes CAP_MKNOD in the first user namespace; or the file system has no such files",
  },
  linkat: {
    EXDEV: "a file has names on its own mount alone",
    EPERM: "it is a directory, or protected: see fs.protected_hardlinks in proc(5)",
  },
  fchown: changesOwner,
  fchownat: changesOwner,
  ftruncate: { ...changesSize, EINVAL: "it is no regular file, or is not open for writing" },
  truncate: changesSize,
  fallocate: {
    ...changesSize,
    EOPNOTSUPP: notThere,
    ENODEV: "it is neither a regular file nor a directory",
    ESPIPE: "it is a pipe",
  },
  copy_file_range: {
    EXDEV:
      "the kernel copies between file systems of the same kind alone: `copyFile` copies between any",
    EINVAL: "both must be regular files, and ranges of one file must not overlap",
    EBADF: "one must be open for reading, and the other for writing without O_APPEND",
  },
  setxattr: changesXattr,
  lsetxattr: changesXattr,
  fsetxattr: changesXattr,
  removexattr: { ...changesXattr, ...readsXattr },
  lremovexattr: { ...changesXattr, ...readsXattr },
  fremovexattr: { ...changesXattr, ...readsXattr },
  getxattr: readsXattr,
  lgetxattr: readsXattr,
  fgetxattr: readsXattr,
  flock: { EAGAIN: "another open file has a lock that conflicts" },
  preadv2: { EOPNOTSUPP: "the file does not take such a flag of RWF" },
  pwritev2: { EOPNOTSUPP: "the file does not take such a flag of RWF" },
  fcntl: {
    EPERM: (subject) =>
      subject.includes("F_SETPIPE_SZ")
        ? `more than fs.pipe-max-size of proc(5): ${capability("CAP_SYS_RESOURCE")}`
        : subject.includes("F_ADD_SEALS")
          ? "it has the seal SEAL, or was made without MFD.ALLOW_SEALING"
          : undefined,
    EBUSY: (subject) =>
      subject.includes("F_SETPIPE_SZ")
        ? "the pipe has more bytes in it than that"
        : subject.includes("F_ADD_SEALS")
          ? "it is mapped for writing, which the seal would forbid"
          : undefined,
    EDEADLK: "the process that has the lock waits for one of this process",
  },
  ioctl: {
    EPERM: ioctlPrivilege,
    EACCES: ioctlPrivilege,
    ENOTTY: "a file of this kind does not know the request",
    EOPNOTSUPP: notThere,
    EXDEV: "both must be on the same file system",
  },
  epoll_ctl: { EPERM: "the kernel does not tell when such a file is ready: it always is" },
};

/** The meaning of an errno of any call. */
const byErrno: Explanations = {
  EMFILE:
    "the process has all descriptors that RLIMIT_NOFILE lets it have: close some, or raise the limit",
  ENFILE: "the system has all open files that it may have: see fs.file-max in proc(5)",
};

/** Returns the explanation of a failed call; undefined if the errno says enough. */
export const explanationOf = (
  syscall: string,
  errno: ErrnoName,
  subject: string | undefined,
): string | undefined => {
  const explanation =
    (Object.hasOwn(byCall, syscall) ? byCall[syscall] : {})?.[errno] ?? byErrno[errno];
  return typeof explanation === "function" ? explanation(subject ?? "") : explanation;
};
