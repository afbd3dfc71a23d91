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
  socket: {
    EPERM: capability("CAP_NET_RAW"),
    EACCES: "the process may not make such sockets: raw and packet sockets need CAP_NET_RAW",
    EAFNOSUPPORT: "the kernel does not have this address family: a module may be missing",
    EPROTONOSUPPORT: "the address family does not have this type of socket, or this protocol",
  },
  bind: {
    EACCES:
      "a port below 1024 needs CAP_NET_BIND_SERVICE, and a path a directory that can be written to",
    EADDRINUSE: "another socket is bound there, or its file is still there: use another address",
    EADDRNOTAVAIL: "no interface of this network namespace has this address",
  },
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
  inotify_init1: { EMFILE: "the limit is reached: see fs.inotify.max_user_instances in proc(5)" },
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
