import type { ErrnoName } from "@rsyscall/abi";
import { privilegeOf } from "./privileges.ts";
import { since } from "./since.ts";

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

const lockedMemory =
  "the process would lock more memory than RLIMIT_MEMLOCK allows: raise that limit, which needs CAP_SYS_RESOURCE, or have CAP_IPC_LOCK";

/** What is so of all file systems that cannot do a thing. */
const notThere = "the file system does not have it";

const changesXattr: Explanations = {
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
  EINVAL: "the user namespace maps no such id",
};

const changesSize: Explanations = {
  EPERM: "the file is sealed (F_SEAL), immutable or append-only",
  EFBIG: "it is more than the file system or RLIMIT_FSIZE allows",
};

/**
 * The meaning of an errno of a call, where strerror(3) does not say enough. They are from the man pages,
 * section ERRORS.
 */
/** Requests for a terminal that must be that of the session: ioctl_tty(2). */
const ofSession = ["TIOCSPGRP", "TIOCGPGRP", "TIOCGSID", "TIOCNOTTY"];

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
  pivot_root: {
    EINVAL: "the new root must be a mount point, and the old one must get a place below it",
  },
  sethostname: {
    EPERM:
      "the process needs CAP_SYS_ADMIN in its UTS namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWUTS) has",
  },
  setuid: { EINVAL: "the user namespace maps no such id" },
  setgid: { EINVAL: "the user namespace maps no such id" },
  setgroups: {
    EPERM:
      "the process needs CAP_SETGID, and /proc/PID/setgroups of its user namespace must not say deny",
  },
  socket: {
    EAFNOSUPPORT: "the kernel does not have this address family: a module may be missing",
    EPROTONOSUPPORT: "the address family does not have this type of socket, or this protocol",
  },
  bind: {
    EINVAL: "the socket has an address already, or the address is not of its family",
    EACCES:
      "a port below 1024 needs CAP_NET_BIND_SERVICE, and a path a directory that can be written to",
    EADDRINUSE: "another socket is bound there, or its file is still there: use another address",
    EADDRNOTAVAIL: "no interface of this network namespace has this address",
  },
  accept4: { EINVAL: "the socket does not listen: `listen` comes first" },
  connect: {
    ECONNREFUSED: "nothing listens there",
    ENETUNREACH: "no route of this network namespace leads there: its interfaces may be down",
    EACCES: "the socket's file or a directory above it does not permit it",
  },
  sendmsg: {
    EPERM:
      "credentials of another process need CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID; and a peer may refuse descriptors",
    EDESTADDRREQ: "the socket is not connected: give an address",
    EMSGSIZE: "a datagram cannot be that large, and is not sent in parts",
    ENETUNREACH: "no route of this network namespace leads there: its interfaces may be down",
    ETOOMANYREFS: "too many descriptors are on their way in Unix sockets: raise RLIMIT_NOFILE",
  },
  getsockopt: { ENOPROTOOPT: "this kind of socket, or this kernel, does not have the option" },
  setsockopt: {
    ENOPROTOOPT: "this kind of socket, or this kernel, does not have the option",
    EDOM: "the value is out of the range of the option",
  },
  inotify_add_watch: { ENOSPC: "the limit is reached: see fs.inotify.max_user_watches in proc(5)" },
  fanotify_mark: {
    ENOSPC: "the limit is reached: see fs.fanotify.max_user_marks in proc(5)",
    EINVAL:
      "flags and events do not go together: permission events need a group of FAN.CLASS_CONTENT, and names of files, as of CREATE and DELETE, one of FAN.REPORT_FID",
    ENODEV: "the file system has no id, so that events of FAN.REPORT_FID cannot name its files",
    EXDEV: "the directory is of a subvolume whose id is another one than that of its file system",
    EOPNOTSUPP:
      "the file system has no file handles, so that events of FAN.REPORT_FID cannot name its files",
  },
  fanotify_init: { EMFILE: "the limit is reached: see fs.fanotify.max_user_groups in proc(5)" },
  mmap: {
    EAGAIN: lockedMemory,
    EACCES:
      "the descriptor must be open for reading, and for writing too if the mapping is shared and PROT.WRITE; an O_APPEND file, and one with the seal WRITE, cannot be mapped so",
    EPERM:
      "PROT.EXEC on a file system that is mounted with noexec, a seal of the memfd, or MAP.LOCKED with RLIMIT_MEMLOCK 0 and without CAP_IPC_LOCK",
    EINVAL:
      "the offset must be whole pages, and flags must have MAP.SHARED or MAP.PRIVATE, a length above 0, and a size of huge pages that the machine has",
    ENODEV: "files of this kind cannot be mapped",
    EEXIST: "other memory is mapped there already: leave out the address, or give a free one",
    ENOMEM:
      "no memory, no huge pages (vm.nr_hugepages), no room below RLIMIT_AS or RLIMIT_DATA, or more mappings than vm.max_map_count",
  },
  mremap: {
    EAGAIN: lockedMemory,
    EFAULT: "a page of the range is not mapped, or it is of several mappings",
    ENOMEM:
      "there is no room behind the mapping: MREMAP.MAYMOVE lets the kernel move it; or no memory, or RLIMIT_AS is reached",
  },
  mprotect: {
    EACCES: "its file was not opened for that, or a seal of the memfd forbids it",
    ENOMEM: "a page of the range is not mapped, or the process has vm.max_map_count mappings",
  },
  munmap: {
    EINVAL: "huge pages can only be unmapped as a whole",
    ENOMEM: "the process has vm.max_map_count mappings, and a hole makes two of one",
  },
  mlock: {
    EPERM: lockedMemory,
    ENOMEM: `${lockedMemory}; or a page is not mapped`,
    EAGAIN: lockedMemory,
  },
  mlock2: {
    EPERM: lockedMemory,
    ENOMEM: `${lockedMemory}; or a page is not mapped`,
    EAGAIN: lockedMemory,
  },
  mlockall: { EPERM: lockedMemory, ENOMEM: lockedMemory },
  msync: {
    EBUSY: "MSYNC.INVALIDATE, and a page is locked",
    ENOMEM: "a page of the range is not mapped",
  },
  memfd_secret: {
    ENOSYS:
      "Linux has it since 5.14, on x86-64 and arm64: the kernel is older, or was started without secretmem.enable=1, which is the default since 6.5",
  },
  inotify_init1: { EMFILE: "the limit is reached: see fs.inotify.max_user_instances in proc(5)" },
  openat2: {
    EXDEV: "the path leads out of the directory, or to another mount: see RESOLVE",
    ELOOP: "the path has a symbolic link that RESOLVE forbids, or more than 40 of them",
    EAGAIN:
      "a rename elsewhere kept the kernel from being sure that the path stays inside: try again",
  },
  open_by_handle_at: {
    ESTALE: "the file is gone, or the descriptor is of another file system",
  },
  name_to_handle_at: { EOPNOTSUPP: "the file system makes no handles" },
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
      subject.includes("F_ADD_SEALS")
        ? "the memfd was made without MFD.ALLOW_SEALING, or has the seal SEAL"
        : undefined,
    EBUSY: (subject) =>
      subject.includes("F_SETPIPE_SZ")
        ? "the pipe has more bytes in it than that"
        : subject.includes("F_ADD_SEALS")
          ? "a shared mapping can still be written: unmap it first"
          : undefined,
    EDEADLK: "the process that has the lock waits for one of this process",
  },
  ioctl: {
    ENOTTY: (subject) =>
      ofSession.some((request) => subject.endsWith(request))
        ? "the file is not the controlling terminal of the process"
        : "a file of this kind does not know the request",
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
  const known = (Object.hasOwn(byCall, syscall) ? byCall[syscall] : {})?.[errno] ?? byErrno[errno];
  const explanation = typeof known === "function" ? known(subject ?? "") : known;
  if (explanation !== undefined) return explanation;
  return errno === "ENOSYS" ? missing(syscall) : privilegeOf(syscall, errno, subject);
};

const missing = (syscall: string): string | undefined => {
  const version = since(syscall);
  return version === undefined
    ? undefined
    : `Linux has it since ${version}: the kernel is older, was built without it, or a filter of seccomp(2) refuses it`;
};
