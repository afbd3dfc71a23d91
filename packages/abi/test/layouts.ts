import type { Codec, FixedCodec, StructCodec } from "../src/Codec.ts";
import * as abi from "../src/index.ts";

/** How a type of C is declared that a codec is compared with. */
export interface Layout {
  readonly codec: Codec<unknown>;
  readonly header: string;
  /** The version of Linux whose headers have it first; default: all have it. */
  readonly since?: string;
  /** Its name in C, if it is not that of the codec. */
  readonly type?: string;
  /** The expression of C for its size; default: sizeof. */
  readonly size?: string;
  /** What the names of its members begin with; the rest is the name of the field in snake_case. */
  readonly prefix?: string;
  /** The members whose names do not follow. */
  readonly members?: Readonly<Record<string, string>>;
  /** Fields that are shorter than their members, and why. */
  readonly shorter?: Readonly<Record<string, string>>;
  /** Fields that are several members of less than a byte. */
  readonly withoutMember?: ReadonlyArray<string>;
  /** For a codec that is not made of fields: values that differ from the first in one member each. */
  readonly probes?: readonly [unknown, Readonly<Record<string, unknown>>];
}

type AnyStruct = StructCodec<Readonly<Record<string, FixedCodec<unknown>>>>;

const isCodec = (value: unknown): value is FixedCodec<unknown> =>
  typeof value === "object" && value !== null && "encode" in value && "decode" in value;

export const isStruct = (codec: unknown): codec is AnyStruct =>
  isCodec(codec) && "offsets" in codec && "fields" in codec;

/** A codec that others have as a field, and that is not exported. */
const fieldOf = (codec: unknown, field: string): FixedCodec<unknown> => {
  const inner = isStruct(codec) ? codec.fields[field] : undefined;
  if (inner === undefined) throw new Error(`there is no field ${field}`);
  return inner;
};

/** The layouts that are the same on all machines. */
const common: ReadonlyArray<Layout> = [
  {
    codec: abi.DirentHeader,
    header: "dirent.h",
    type: "struct dirent64",
    size: "__builtin_offsetof(struct dirent64, d_name)",
    prefix: "d_",
    members: { offset: "d_off" },
  },
  {
    codec: abi.FanotifyEventMetadata,
    header: "sys/fanotify.h",
    members: { eventLength: "event_len", version: "vers", metadataLength: "metadata_len" },
  },
  { codec: abi.FanotifyResponse, header: "sys/fanotify.h" },
  {
    codec: abi.FanotifyInfoHeader,
    header: "sys/fanotify.h",
    members: { type: "info_type", length: "len" },
  },
  { codec: abi.InotifyHeader, header: "sys/inotify.h", members: { length: "len" } },
  { codec: abi.CapHeader, header: "linux/capability.h" },
  {
    codec: abi.CapData,
    header: "linux/capability.h",
    type: "struct { struct __user_cap_data_struct low, high; }",
    members: {
      effective: "low.effective",
      permitted: "low.permitted",
      inheritable: "low.inheritable",
      effectiveHigh: "high.effective",
      permittedHigh: "high.permitted",
      inheritableHigh: "high.inheritable",
    },
  },
  {
    codec: abi.SockFilter,
    header: "linux/filter.h",
    members: { jumpTrue: "jt", jumpFalse: "jf" },
  },
  { codec: abi.SockFprog, header: "linux/filter.h", members: { length: "len" } },
  {
    codec: abi.RobustFutex,
    header: "linux/futex.h",
    type: "struct { struct robust_list_head head; struct robust_list node; unsigned int word; }",
    members: {
      first: "head.list",
      futexOffset: "head.futex_offset",
      listOpPending: "head.list_op_pending",
      next: "node",
    },
  },
  { codec: abi.PidfdInfo, header: "linux/pidfd.h", since: "6.13" },
  {
    codec: abi.SeccompData,
    header: "linux/seccomp.h",
    members: { instructionPointer: "instruction_pointer" },
  },
  { codec: abi.SeccompNotif, header: "linux/seccomp.h" },
  { codec: abi.SeccompNotifResp, header: "linux/seccomp.h" },
  {
    codec: abi.SockaddrIn,
    header: "netinet/in.h",
    probes: [
      { address: "0.0.0.0", port: 0 },
      { sin_port: { address: "0.0.0.0", port: 256 }, sin_addr: { address: "1.0.0.0", port: 0 } },
    ],
  },
  {
    codec: abi.SockaddrIn6,
    header: "netinet/in.h",
    probes: [
      { address: "::", port: 0 },
      {
        sin6_port: { address: "::", port: 256 },
        sin6_flowinfo: { address: "::", port: 0, flowinfo: 2 ** 24 },
        sin6_addr: { address: "100::", port: 0 },
        sin6_scope_id: { address: "::", port: 0, scopeId: 1 },
      },
    ],
  },
  { codec: abi.InAddr, header: "netinet/in.h" },
  { codec: abi.In6Addr, header: "netinet/in.h" },
  {
    codec: abi.InPktinfo,
    header: "netinet/in.h",
    prefix: "ipi_",
    members: { address: "ipi_addr" },
  },
  {
    codec: abi.In6Pktinfo,
    header: "netinet/in.h",
    prefix: "ipi6_",
    members: { address: "ipi6_addr" },
  },
  { codec: abi.IpMreqn, header: "netinet/in.h", prefix: "imr_" },
  {
    codec: abi.Ipv6Mreq,
    header: "netinet/in.h",
    prefix: "ipv6mr_",
    members: { ifindex: "ipv6mr_interface" },
  },
  {
    codec: abi.TcpInfo,
    header: "linux/tcp.h",
    // Newer kernels have more fields behind these.
    size: "__builtin_offsetof(struct tcp_info, tcpi_snd_wnd) + 4",
    prefix: "tcpi_",
    withoutMember: ["windowScales", "appLimited"],
  },
  {
    codec: abi.Linger,
    header: "sys/socket.h",
    members: { on: "l_onoff", seconds: "l_linger" },
  },
  {
    codec: abi.Mmsghdr,
    header: "sys/socket.h",
    members: { header: "msg_hdr", length: "msg_len" },
  },
  {
    codec: abi.Timeval,
    header: "sys/time.h",
    members: { seconds: "tv_sec", microseconds: "tv_usec" },
  },
  {
    codec: abi.Nlmsghdr,
    header: "linux/netlink.h",
    prefix: "nlmsg_",
    members: { length: "nlmsg_len" },
  },
  { codec: abi.SockaddrNl, header: "linux/netlink.h", prefix: "nl_" },
  {
    codec: abi.SockaddrLl,
    header: "linux/if_packet.h",
    probes: [
      { ifindex: 0 },
      {
        sll_protocol: { ifindex: 0, protocol: 256 },
        sll_ifindex: { ifindex: 1 },
        sll_hatype: { ifindex: 0, hatype: 1 },
        sll_pkttype: { ifindex: 0, pkttype: 1 },
        sll_halen: { ifindex: 0, address: Uint8Array.of(0) },
      },
    ],
  },
  { codec: abi.TpacketStats, header: "linux/if_packet.h", prefix: "tp_" },
  { codec: abi.SockaddrVm, header: "linux/vm_sockets.h", prefix: "svm_" },
  {
    codec: abi.SockExtendedErr,
    header: "linux/errqueue.h",
    probes: [
      { errno: 0, origin: 0, type: 0, code: 0, info: 0, data: 0 },
      Object.fromEntries(
        ["errno", "origin", "type", "code", "info", "data"].map((field) => [
          `ee_${field}`,
          { errno: 0, origin: 0, type: 0, code: 0, info: 0, data: 0, [field]: 1 },
        ]),
      ),
    ],
  },
  { codec: abi.Ifinfomsg, header: "linux/rtnetlink.h", prefix: "ifi_" },
  { codec: abi.Rtmsg, header: "linux/rtnetlink.h", prefix: "rtm_" },
  {
    codec: abi.Ifaddrmsg,
    header: "linux/rtnetlink.h",
    prefix: "ifa_",
    members: { prefixLength: "ifa_prefixlen" },
  },
  { codec: abi.Ifmap, header: "linux/if.h" },
  { codec: abi.ifreqs.bytes, header: "linux/if.h", type: "struct ifreq" },
  { codec: abi.PollFd, header: "poll.h" },
  { codec: abi.CloneArgs, header: "linux/sched.h" },
  { codec: abi.CpuSet, header: "sched.h", type: "struct { cpu_set_t sets[8]; }" },
  { codec: abi.Sigset, header: "asm/signal.h" },
  {
    codec: abi.Sigaction,
    header: "asm/signal.h",
    prefix: "sa_",
    shorter: { flags: "its upper half has no flag" },
  },
  {
    codec: abi.Winsize,
    header: "sys/ioctl.h",
    prefix: "ws_",
    members: { rows: "ws_row", columns: "ws_col", width: "ws_xpixel", height: "ws_ypixel" },
  },
  { codec: abi.Rlimit, header: "sys/resource.h", prefix: "rlim_" },
  {
    codec: abi.SignalfdSiginfo,
    header: "sys/signalfd.h",
    prefix: "ssi_",
  },
  { codec: abi.Ucred, header: "sys/socket.h" },
  {
    codec: abi.Msghdr,
    header: "sys/socket.h",
    prefix: "msg_",
    members: {
      nameLength: "msg_namelen",
      iovLength: "msg_iovlen",
      controlLength: "msg_controllen",
    },
  },
  {
    codec: abi.Cmsghdr,
    header: "sys/socket.h",
    prefix: "cmsg_",
    members: { length: "cmsg_len" },
  },
  {
    // Its newest fields are checked in sys/stat.test.ts as well, for older headers.
    codec: abi.Statx,
    header: "linux/stat.h",
    since: "6.16",
    prefix: "stx_",
  },
  { codec: abi.Flock, header: "fcntl.h", prefix: "l_", members: { length: "l_len" } },
  { codec: abi.OpenHow, header: "linux/openat2.h" },
  {
    codec: abi.FileHandle,
    header: "fcntl.h",
    size: "sizeof(struct file_handle) + MAX_HANDLE_SZ",
    probes: [
      { type: 0, bytes: new Uint8Array(1) },
      {
        handle_bytes: { type: 0, bytes: new Uint8Array(2) },
        handle_type: { type: 1, bytes: new Uint8Array(1) },
        f_handle: { type: 0, bytes: Uint8Array.of(1) },
      },
    ],
  },
  {
    codec: abi.Statfs,
    header: "sys/statfs.h",
    prefix: "f_",
    members: { fsid0: "f_fsid.__val[0]", fsid1: "f_fsid.__val[1]" },
  },
  { codec: abi.FileCloneRange, header: "linux/fs.h", members: { srcFd: "src_fd" } },
  {
    codec: abi.LoopInfo64,
    header: "linux/loop.h",
    prefix: "lo_",
  },
  { codec: abi.LoopConfig, header: "linux/loop.h" },
  { codec: abi.Termios, header: "asm/termbits.h", prefix: "c_" },
  {
    codec: fieldOf(abi.Statx, "atime"),
    header: "linux/stat.h",
    members: { seconds: "tv_sec", nanoseconds: "tv_nsec" },
  },
  {
    codec: abi.Itimerspec,
    header: "sys/timerfd.h",
    prefix: "it_",
  },
  {
    codec: abi.SockaddrUn,
    header: "sys/un.h",
    probes: [{ path: "a" }, { sun_path: { path: "b" } }],
  },
  {
    codec: abi.Iovec,
    header: "sys/uio.h",
    prefix: "iov_",
    members: { length: "iov_len" },
  },
  { codec: abi.Utsname, header: "sys/utsname.h" },
  {
    codec: abi.ChildSiginfo,
    header: "sys/wait.h",
    prefix: "si_",
  },
  {
    codec: abi.Timespec,
    header: "time.h",
    members: { seconds: "tv_sec", nanoseconds: "tv_nsec" },
  },
];

const stat = (codec: FixedCodec<unknown>): Layout => ({
  codec,
  header: "sys/stat.h",
  prefix: "st_",
  members: { atime: "st_atim", mtime: "st_mtim", ctime: "st_ctim" },
});

const epollEvent = (codec: FixedCodec<unknown>): Layout => ({
  codec,
  header: "sys/epoll.h",
  probes: [
    { events: 0, data: 0 },
    { events: { events: 1, data: 0 }, data: { events: 0, data: 1 } },
  ],
});

/** All layouts of a machine. */
export const layoutsOf = (machine: abi.Abi): ReadonlyArray<Layout> => [
  ...common,
  stat(machine.stat),
  epollEvent(machine.epollEvent),
];

/** Codecs that are types of no header: numbers, and bytes of any number. */
const ofNoHeader: ReadonlySet<unknown> = new Set<unknown>([
  abi.Bytes,
  abi.CString,
  abi.IntBoolean,
  abi.Uint8,
  abi.Uint16,
  abi.Int16,
  abi.Int32,
  abi.Uint32,
  abi.Int64,
  abi.BigInt64,
  abi.Uint64,
]);

/** The codecs among the exports, and the structs that they have as fields, that no layout is given for. */
export const unlistedCodecs = (
  exports: Readonly<Record<string, unknown>>,
): ReadonlyArray<string> => {
  const listed = new Set<unknown>(layoutsOf(abi.x86_64).map(({ codec }) => codec));
  const found = new Set<FixedCodec<unknown>>();
  const visit = (codec: FixedCodec<unknown>): void => {
    found.add(codec);
    if (isStruct(codec))
      for (const field of Object.values(codec.fields)) if (isStruct(field)) visit(field);
  };
  for (const codec of Object.values(exports))
    if (isCodec(codec) && !ofNoHeader.has(codec)) visit(codec);
  return [...found].filter((codec) => !listed.has(codec)).map(({ name }) => name);
};

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Where the layout's codec has the member, and where C has it. */
export interface Fact {
  readonly what: string;
  readonly ours: number;
  /** The expression of C. */
  readonly theirs: string;
}

const encoded = (codec: Codec<unknown>, value: unknown): Uint8Array => {
  const bytes = new Uint8Array(codec.sizeOf(value));
  codec.encode(value, bytes);
  return bytes;
};

/** What is to be so in C, if the codec is right. */
export const factsOf = ({
  codec,
  type = codec.name,
  prefix = "",
  ...layout
}: Layout): Array<Fact> => {
  const facts: Array<Fact> = [];
  if (codec.size !== undefined)
    facts.push({
      what: `sizeof(${type})`,
      ours: codec.size,
      theirs: layout.size ?? `sizeof(${type})`,
    });
  const at = (member: string, ours: number) => {
    const theirs = `__builtin_offsetof(${type}, ${member})`;
    facts.push({ what: theirs, ours, theirs });
  };
  if (layout.probes !== undefined) {
    const [zero, values] = layout.probes;
    const zeros = encoded(codec, zero);
    for (const [member, value] of Object.entries(values))
      at(
        member,
        encoded(codec, value).findIndex((byte, i) => byte !== zeros[i]),
      );
  } else if (isStruct(codec))
    for (const [field, { name, size }] of Object.entries(codec.fields)) {
      if (name === "reserved") continue; // as the offsets of the others and the size show
      if (layout.withoutMember?.includes(field)) continue;
      const member = layout.members?.[field] ?? `${prefix}${snake(field)}`;
      at(member, codec.offsets[field] ?? Number.NaN);
      if (field in (layout.shorter ?? {})) continue;
      const theirs = `sizeof(((${type} *)0)->${member})`;
      facts.push({ what: theirs, ours: size, theirs });
    }
  return facts;
};
