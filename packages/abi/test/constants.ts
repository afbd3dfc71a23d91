import * as abi from "../src/index.ts";

/** What the C name of a constant begins and ends with. */
const groups: Readonly<Record<string, readonly [prefix: string, suffix?: string]>> = {
  Errno: [""],
  O: ["O_"],
  AT: ["AT_"],
  F: ["F_"],
  FD: ["FD_"],
  F_SEAL: ["F_SEAL_"],
  SPLICE_F: ["SPLICE_F_"],
  AUDIT_ARCH: ["AUDIT_ARCH_"],
  CAP: ["CAP_"],
  CLOSE_RANGE: ["CLOSE_RANGE_"],
  DT: ["DT_"],
  FALLOC_FL: ["FALLOC_FL_"],
  POSIX_FADV: ["POSIX_FADV_"],
  SYNC_FILE_RANGE: ["SYNC_FILE_RANGE_"],
  RESOLVE: ["RESOLVE_"],
  FS_FL: ["FS_", "_FL"],
  LO_FLAGS: ["LO_FLAGS_"],
  IFLAG: [""],
  OFLAG: [""],
  CFLAG: [""],
  LFLAG: [""],
  BAUD: [""],
  VCC: ["V"],
  TCSA: ["TCSA"],
  TCFLUSH: ["TC"],
  STATX_ATTR: ["STATX_ATTR_"],
  ST: ["ST_"],
  BPF: ["BPF_"],
  FUTEX: ["FUTEX_"],
  FUTEX2: ["FUTEX2_"],
  MFD: ["MFD_"],
  MFD_HUGE: ["MFD_HUGE_"],
  PIDFD_INFO: ["PIDFD_INFO_"],
  SECCOMP: ["SECCOMP_"],
  SECCOMP_FILTER_FLAG: ["SECCOMP_FILTER_FLAG_"],
  SECCOMP_RET: ["SECCOMP_RET_"],
  SECCOMP_IOCTL_NOTIF: ["SECCOMP_IOCTL_NOTIF_"],
  POLL: ["POLL"],
  CLONE: ["CLONE_"],
  SCHED: ["SCHED_"],
  SIG: ["SIG"],
  SA: ["SA_"],
  SigHow: ["SIG_"],
  SI: ["SI_"],
  RENAME: ["RENAME_"],
  EPOLL: ["EPOLL"],
  EPOLL_CTL: ["EPOLL_CTL_"],
  EFD: ["EFD_"],
  FAN: ["FAN_"],
  FAN_MARK: ["FAN_MARK_"],
  FAN_EVENT: ["FAN_"],
  FAN_EVENT_INFO_TYPE: ["FAN_EVENT_INFO_TYPE_"],
  FAN_RESPONSE: ["FAN_"],
  LOCK: ["LOCK_"],
  IN: ["IN_"],
  TIOC: ["TIOC"],
  PROT: ["PROT_"],
  MAP: ["MAP_"],
  MAP_HUGE: ["MAP_HUGE_"],
  MADV: ["MADV_"],
  MREMAP: ["MREMAP_"],
  MSYNC: ["MS_"],
  MLOCK: ["MLOCK_"],
  MCL: ["MCL_"],
  MS: ["MS_"],
  MNT: ["MNT_"],
  FSCONFIG: ["FSCONFIG_"],
  MOUNT_ATTR: ["MOUNT_ATTR_"],
  MOVE_MOUNT: ["MOVE_MOUNT_"],
  OPEN_TREE: ["OPEN_TREE_"],
  PR: ["PR_"],
  PR_CAP_AMBIENT: ["PR_CAP_AMBIENT_"],
  RLIMIT: ["RLIMIT_"],
  PRIO: ["PRIO_"],
  SFD: ["SFD_"],
  AF: ["AF_"],
  SOCK: ["SOCK_"],
  SOL: ["SOL_"],
  SO: ["SO_"],
  MSG: ["MSG_"],
  SHUT: ["SHUT_"],
  SCM: ["SCM_"],
  S_IF: ["S_IF"],
  STATX: ["STATX_"],
  UTIME: ["UTIME_"],
  ITIMER: ["ITIMER_"],
  TFD: ["TFD_"],
  TFD_TIMER: ["TFD_TIMER_"],
  RWF: ["RWF_"],
  W: ["W"],
  P: ["P_"],
  CLD: ["CLD_"],
  XATTR: ["XATTR_"],
  EX: ["EX_"],
  CLOCK: ["CLOCK_"],
  SEEK: ["SEEK_"],
  ACCESS: ["", "_OK"],
  IPPROTO: ["IPPROTO_"],
  IP: ["IP_"],
  IPV6: ["IPV6_"],
  TCP: ["TCP_"],
  TCP_STATE: ["TCP_"],
  UDP: ["UDP_"],
  SIOC: ["SIOC"],
  IFF: ["IFF_"],
  TUN: ["TUN"],
  PACKET: ["PACKET_"],
  ETH_P: ["ETH_P_"],
  VMADDR_CID: ["VMADDR_CID_"],
  SO_VM_SOCKETS: ["SO_VM_SOCKETS_"],
  SO_EE_ORIGIN: ["SO_EE_ORIGIN_"],
  NETLINK: ["NETLINK_"],
  NLM_F: ["NLM_F_"],
  NLMSG: ["NLMSG_"],
  NLMSGERR_ATTR: ["NLMSGERR_ATTR_"],
  NLA_F: ["NLA_F_"],
  RTM: ["RTM_"],
  RTMGRP: ["RTMGRP_"],
  RTN: ["RTN_"],
  RTPROT: ["RTPROT_"],
  RT_SCOPE: ["RT_SCOPE_"],
  RT_TABLE: ["RT_TABLE_"],
  RTA: ["RTA_"],
  IFA: ["IFA_"],
  IFA_F: ["IFA_F_"],
  IFLA: ["IFLA_"],
  IFLA_INFO: ["IFLA_INFO_"],
  VETH_INFO: ["VETH_INFO_"],
};

/** Constants whose names in C do not follow. */
const renamed: Readonly<Record<string, string>> = {
  S_IFFIFO: "S_IFIFO",
  WALL: "__WALL",
  WCLONE: "__WCLONE",
  WNOTHREAD: "__WNOTHREAD",
  LINUX_CAPABILITY_VERSION_3: "_LINUX_CAPABILITY_VERSION_3",
};

/** Exports that are numbers, and of no name in C. */
const noConstants: Readonly<Record<string, string>> = {
  INOTIFY_EVENT_MAX: "computed from others",
  ROBUST_LIST: "sizes and offsets of RobustFutex",
  SOCKADDR_STORAGE_SIZE: "the size of a struct",
  SOCKADDR_UN_PATH_MAX: "the size of a member",
};

const areNumbers = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === "object" &&
  value !== null &&
  Object.values(value).every((number) => typeof number === "number");

/** All constants of the package, by their names in C; a group that is not listed above is in `unlisted`. */
export const constantsOf = (
  exports: Readonly<Record<string, unknown>>,
): {
  readonly constants: ReadonlyMap<string, bigint>;
  readonly unlisted: ReadonlyArray<string>;
} => {
  const constants = new Map<string, bigint>();
  const unlisted: Array<string> = [];
  for (const [name, value] of Object.entries(exports)) {
    if (name in noConstants) continue;
    if (typeof value === "number" || typeof value === "bigint")
      constants.set(renamed[name] ?? name, BigInt(value));
    else if (areNumbers(value)) {
      const [prefix, suffix = ""] = groups[name] ?? [];
      if (prefix === undefined) unlisted.push(name);
      else
        for (const [member, number] of Object.entries(value)) {
          const constant = `${prefix}${member}${suffix}`;
          constants.set(renamed[constant] ?? constant, BigInt(number));
        }
    }
  }
  return { constants, unlisted };
};

export const { constants, unlisted } = constantsOf({
  ...abi,
  ...Object.fromEntries(Object.values(abi.IOCTL).map(({ name, number }) => [name, number])),
});

/** Constants that the C library means something else by than the kernel does. */
export const kernelOnly: ReadonlySet<string> = new Set(["O_LARGEFILE", "SIGRTMIN"]);

/** Constants that no header of the kernel has for programs, and where they are. */
export const inNoHeader: Readonly<Record<string, string>> = {
  ST_VALID: "the kernel's own linux/statfs.h",
  ST_NOSYMFOLLOW: "the kernel's own linux/statfs.h",
  MFD_HUGE_16KB: "no header; encoded as MAP_HUGE_16KB is",
  SCM_PIDFD: "the kernel's own linux/socket.h, and glibc's since 2.39",
  SCM_SECURITY: "the kernel's own linux/socket.h, and glibc's since 2.39",
  SIGRTMAX: "a function in the C library, and of a number that the kernel's header hides",
  TASK_COMM_LEN: "the kernel's own linux/sched.h",
};

/** Constants of newer headers, and the version of Linux that brought each. */
export const newer: Readonly<Record<string, string>> = {
  AT_HANDLE_CONNECTABLE: "6.13",
  AT_HANDLE_FID: "6.5",
  AT_HANDLE_MNT_ID_UNIQUE: "6.12",
  FALLOC_FL_WRITE_ZEROES: "6.17",
  STATX_ATTR_WRITE_ATOMIC: "6.11",
  STATX_DIO_READ_ALIGN: "6.14",
  STATX_MNT_ID_UNIQUE: "6.8",
  STATX_SUBVOL: "6.10",
  STATX_WRITE_ATOMIC: "6.11",
  F_SEAL_EXEC: "6.3",
  FAN_MNT_ATTACH: "6.15",
  FAN_MNT_DETACH: "6.15",
  FAN_PRE_ACCESS: "6.14",
  FAN_REPORT_FD_ERROR: "6.13",
  FAN_REPORT_MNT: "6.15",
  FSCONFIG_CMD_CREATE_EXCL: "6.6",
  FUTEX2_MPOL: "6.16",
  FUTEX2_NUMA: "6.7",
  FUTEX2_PRIVATE: "6.7",
  FUTEX2_SIZE_U16: "6.7",
  FUTEX2_SIZE_U32: "6.7",
  FUTEX2_SIZE_U64: "6.7",
  FUTEX2_SIZE_U8: "6.7",
  MADV_GUARD_INSTALL: "6.13",
  MADV_GUARD_REMOVE: "6.13",
  MAP_DROPPABLE: "6.11",
  MFD_EXEC: "6.3",
  MFD_NOEXEC_SEAL: "6.3",
  MOVE_MOUNT_BENEATH: "6.5",
  PIDFD_GET_INFO: "6.13",
  PIDFD_INFO_CGROUPID: "6.13",
  PIDFD_INFO_CREDS: "6.13",
  PIDFD_INFO_EXIT: "6.15",
  PIDFD_INFO_PID: "6.13",
  RWF_ATOMIC: "6.11",
  RWF_DONTCACHE: "6.14",
  RWF_NOAPPEND: "6.9",
  SCHED_EXT: "6.12",
  IP_LOCAL_PORT_RANGE: "6.3",
  IP_PROTOCOL: "6.4",
  SO_DEVMEM_DMABUF: "6.12",
  SO_DEVMEM_DONTNEED: "6.12",
  SO_DEVMEM_LINEAR: "6.12",
  SO_PASSPIDFD: "6.5",
  SO_PASSRIGHTS: "6.16",
  SO_PEERPIDFD: "6.5",
  SO_RCVPRIORITY: "6.14",
  SOL_VSOCK: "6.7",
};
