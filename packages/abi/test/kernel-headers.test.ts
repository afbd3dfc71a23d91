import { assert, describe, it } from "vitest";
import type { Codec } from "../src/Codec.ts";
import * as abi from "../src/index.ts";
import { encoded } from "./codecBytes.ts";
import { arm64, type Machine, native, numbersOf, run, valuesOf, works } from "./cProgram.ts";

const noCompiler = works("cc") ? "" : "there is no C compiler";
const otherMachine = process.arch === "x64" ? "" : "this machine is not x86_64";
const reason = noCompiler || otherMachine;
const skippedBecause = (text: string, reason: string) =>
  reason ? `${text} (skipped: ${reason})` : text;
const title = (text: string) => skippedBecause(text, reason);
const noArm64 = [arm64.compiler, arm64.emulator ?? ""]
  .filter((tool) => !works(tool))
  .map((tool) => `there is no ${tool}`)
  .join(", ");

const prefixed = (prefix: string, table: Readonly<Record<string, number>>, suffix = "") =>
  Object.entries(table).map(([name, value]) => [`${prefix}${name}${suffix}`, value] as const);

const constants = new Map<string, number>([
  ...prefixed("", abi.Errno),
  ...prefixed("O_", abi.O),
  ...prefixed("AT_", abi.AT),
  ...prefixed("F_", abi.F),
  ...prefixed("FD_", abi.FD),
  ...prefixed("F_SEAL_", abi.F_SEAL),
  ...prefixed("SPLICE_F_", abi.SPLICE_F),
  ...prefixed("SIG", abi.SIG),
  ...prefixed("SA_", abi.SA),
  ...prefixed("SIG_", abi.SigHow),
  ...prefixed("SIG_", { DFL: abi.SIG_DFL, IGN: abi.SIG_IGN }),
  ...prefixed("POLL", abi.POLL),
  ...prefixed("SEEK_", abi.SEEK),
  ...prefixed("", abi.ACCESS, "_OK"),
  ...prefixed("EX_", abi.EX),
  ...prefixed("AF_", abi.AF),
  ...prefixed("SOCK_", abi.SOCK),
  ...prefixed("SOL_", abi.SOL),
  ...prefixed("SO_", abi.SO),
  ...prefixed("MSG_", abi.MSG),
  ...prefixed("SHUT_", abi.SHUT),
  ...prefixed("SCM_", abi.SCM),
  ...prefixed("IPPROTO_", abi.IPPROTO),
  ...prefixed("IP_", abi.IP),
  ...prefixed("IPV6_", abi.IPV6),
  ...prefixed("TCP_", abi.TCP),
  ...prefixed("UDP_", abi.UDP),
  ...prefixed("SIOC", abi.SIOC),
  ...prefixed("IFF_", abi.IFF),
  ...prefixed("", { IFNAMSIZ: abi.IFNAMSIZ }),
  ...prefixed("TUN", abi.TUN),
  ...prefixed("PACKET_", abi.PACKET),
  ...prefixed("ETH_P_", abi.ETH_P),
  ...prefixed("VMADDR_CID_", abi.VMADDR_CID),
  ...prefixed("", {
    VMADDR_PORT_ANY: abi.VMADDR_PORT_ANY,
    IOCTL_VM_SOCKETS_GET_LOCAL_CID: abi.IOCTL_VM_SOCKETS_GET_LOCAL_CID,
  }),
  ...prefixed("SO_VM_SOCKETS_", abi.SO_VM_SOCKETS),
  ...prefixed("SO_EE_ORIGIN_", abi.SO_EE_ORIGIN),
  ...prefixed("NETLINK_", abi.NETLINK),
  ...prefixed("NLM_F_", abi.NLM_F),
  ...prefixed("NLMSG_", abi.NLMSG),
  ...prefixed("NLA_F_", abi.NLA_F),
  ...prefixed("RTM_", abi.RTM),
  ...prefixed("RTMGRP_", abi.RTMGRP),
  ...prefixed("RTPROT_", abi.RTPROT),
  ...prefixed("IFA_F_", abi.IFA_F),
  ...prefixed("EPOLL", abi.EPOLL),
  ...prefixed("EPOLL_CTL_", abi.EPOLL_CTL),
  ...prefixed("EPOLL_", { CLOEXEC: abi.EPOLL_CLOEXEC }),
  ...prefixed("PROT_", abi.PROT),
  ...prefixed("MAP_", abi.MAP),
  ...prefixed("MADV_", abi.MADV),
  ...prefixed("MS_", abi.MS),
  ...prefixed("MNT_", abi.MNT),
  ...prefixed("", { UMOUNT_NOFOLLOW: abi.UMOUNT_NOFOLLOW }),
  ...prefixed("CLONE_", abi.CLONE),
  ...prefixed("W", abi.W),
  ...prefixed("P_", abi.P),
  ...prefixed("CLD_", abi.CLD),
  ...prefixed("CLOSE_RANGE_", abi.CLOSE_RANGE),
  ...prefixed("FUTEX_", abi.FUTEX),
  ...prefixed("MFD_", abi.MFD),
  ...prefixed("SI_", abi.SI),
  ...prefixed("RLIMIT_", abi.RLIMIT),
  ...prefixed("PRIO_", abi.PRIO),
  ...prefixed("PR_", abi.PR),
  ...prefixed("PR_CAP_AMBIENT_", abi.PR_CAP_AMBIENT),
  ...prefixed("CAP_", abi.CAP),
  ...prefixed("_", { LINUX_CAPABILITY_VERSION_3: abi.LINUX_CAPABILITY_VERSION_3 }),
  ...prefixed("SFD_", abi.SFD),
  ...prefixed("EFD_", abi.EFD),
  ...prefixed("TFD_", abi.TFD),
  ...prefixed("TFD_TIMER_", abi.TFD_TIMER),
  ...prefixed("CLOCK_", abi.CLOCK),
  ...prefixed("IN_", abi.IN),
  ...prefixed("TIOC", abi.TIOC),
  ...prefixed("S_IF", { ...abi.S_IF, MT: abi.S_IFMT, IFO: abi.S_IF.FIFO }),
  ...prefixed("DT_", abi.DT),
  ...prefixed("STATX_", abi.STATX),
  ...prefixed("UTIME_", abi.UTIME),
]);
constants.delete("S_IFFIFO"); // S_IFIFO in C
constants.delete("SIGRTMAX"); // a function in the C library, and hidden by the kernel

/** Constants that are enumerators in C, which #ifdef does not see; and their headers. */
const enumerators: ReadonlyArray<
  readonly [header: string, constants: ReadonlyArray<readonly [string, number]>]
> = [
  ["netinet/tcp.h", prefixed("TCP_", abi.TCP_STATE)],
  ["linux/netlink.h", prefixed("NLMSGERR_ATTR_", abi.NLMSGERR_ATTR)],
  [
    "linux/rtnetlink.h",
    [
      ...prefixed("RTN_", abi.RTN),
      ...prefixed("RT_SCOPE_", abi.RT_SCOPE),
      ...prefixed("RT_TABLE_", abi.RT_TABLE),
      ...prefixed("RTA_", abi.RTA),
      ...prefixed("IFA_", abi.IFA),
      ...prefixed("IFLA_", abi.IFLA),
      ...prefixed("IFLA_INFO_", abi.IFLA_INFO),
    ],
  ],
  ["linux/veth.h", prefixed("VETH_INFO_", abi.VETH_INFO)],
];

/** Names that mean something else in the C library than to the kernel. */
const kernelOnly = new Set(["O_LARGEFILE", "SIGRTMIN"]);

/** Headers that go into one program. The kernel's do not go with the C library's. */
const programs: ReadonlyArray<ReadonlyArray<string>> = [
  [
    "dirent.h",
    "errno.h",
    "fcntl.h",
    "netinet/in.h",
    "netinet/tcp.h",
    "netinet/udp.h",
    "poll.h",
    "signal.h",
    "sys/epoll.h",
    "sys/eventfd.h",
    "sys/inotify.h",
    "sys/ioctl.h",
    "sys/mman.h",
    "sys/mount.h",
    "sys/prctl.h",
    "sys/resource.h",
    "sys/signalfd.h",
    "sys/socket.h",
    "sys/stat.h",
    "sys/timerfd.h",
    "sys/wait.h",
    "sysexits.h",
    "time.h",
    "unistd.h",
  ],
  ["asm/mman.h"],
  ["asm/signal.h"],
  ["asm/socket.h"],
  ["linux/capability.h"],
  ["linux/in.h", "linux/in6.h", "linux/tcp.h", "linux/udp.h"],
  ["linux/ioctl.h", "linux/if.h", "linux/if_tun.h", "linux/if_ether.h", "linux/if_packet.h"],
  ["asm/ioctls.h", "linux/sockios.h"],
  ["time.h", "linux/errqueue.h"],
  ["linux/rtnetlink.h", "linux/veth.h"],
  ["sys/socket.h", "linux/ioctl.h", "linux/vm_sockets.h"],
  ["linux/fcntl.h"],
  ["linux/memfd.h"],
  ["linux/close_range.h"],
  ["linux/futex.h"],
  ["linux/mount.h"],
  ["linux/sched.h"],
  ["linux/stat.h"],
];

/** That the headers of a machine agree, and which of the constants they define. */
const agreed = (machine: Machine, ours: (name: string) => number | undefined): Set<string> => {
  const seen = new Set<string>();
  for (const headers of programs) {
    const isLibrary = headers.includes("unistd.h");
    const names = [...constants.keys()].filter((name) => !isLibrary || !kernelOnly.has(name));
    for (const [name, value] of valuesOf(headers, names, machine)) {
      assert.equal(ours(name), value, `${name} of ${headers}`);
      seen.add(name);
    }
  }
  const unseen = [...constants.keys()].filter((name) => !seen.has(name));
  assert.isBelow(unseen.length, constants.size / 20, unseen.join(" "));
  return seen;
};

describe.skipIf(noArm64)(skippedBecause("constants of arm64", noArm64), () => {
  it("are those of its C headers, the flags of open(2) by way of the ABI", () => {
    const ours = (name: string) => {
      const value = constants.get(name);
      return name.startsWith("O_") && value !== undefined
        ? abi.aarch64.openFlagsToTarget(value)
        : value;
    };
    const seen = agreed(arm64, ours);
    for (const name of ["O_DIRECTORY", "O_NOFOLLOW", "O_DIRECT", "O_LARGEFILE", "O_TMPFILE"])
      assert(seen.has(name), name);
  });
});

describe.skipIf(reason)(title("constants"), () => {
  it("are those of the C headers", () => {
    const seen = agreed(native, (name) => constants.get(name));
    for (const name of ["O_LARGEFILE", "SIGRTMIN", "SA_RESTORER"]) assert(seen.has(name), name);
  });

  it("have the words of strerror", () => {
    const errors = Object.entries(abi.Errno) as Array<[abi.ErrnoName, number]>;
    const lines = run(
      ["string.h"],
      errors.map(([, number]) => `printf("%s\\n", strerror(${number}));`),
    );
    assert.deepEqual(
      errors.map(([name]) => abi.errnoMessage(name)),
      lines,
    );
  });
});

for (const [header, named] of enumerators)
  for (const machine of [native, ...(noArm64 ? [] : [arm64])])
    it.skipIf(reason)(title(`enumerators of <${header}> are those of ${machine.compiler}`), () => {
      const lines = run(
        [header],
        named.map(([name]) => `printf("%lld\\n", (long long)${name});`),
        [],
        machine,
      );
      assert.deepEqual(
        lines.map((line, i) => [named[i]?.[0], Number(line)]),
        named.map(([name, value]) => [name, value]),
      );
    });

/** Linux 6.11 and 6.18 have given these two numbers that were free. */
const inGaps: ReadonlySet<string> = new Set(["uretprobe", "uprobe"]);

/** All that the headers number are ours. Newer headers may have more, and older ones less. */
const agree = (ours: Readonly<Record<string, number>>, theirs: ReadonlyMap<string, number>) => {
  assert.isAbove(theirs.size, 250);
  const newest = Math.max(...Object.values(ours));
  for (const [name, number] of theirs) {
    const isNewer = number > newest || (number > 334 && number < 424);
    if (!isNewer) assert.equal(ours[name], number, name);
  }
  const last = Math.max(...theirs.values());
  for (const [name, number] of Object.entries(ours)) {
    if (number <= last && !inGaps.has(name)) assert.equal(number, theirs.get(name), name);
  }
};

describe("numbers of system calls", () => {
  it("are the same on all machines from 424 on, without gaps, up to those of Linux 7.0", () => {
    const shared = ({ syscalls }: abi.Abi) =>
      Object.entries(syscalls).filter(([, number]) => number >= 424);
    assert.deepEqual(shared(abi.aarch64), shared(abi.x86_64));
    const numbers = shared(abi.x86_64).map(([, number]) => number);
    assert.deepEqual(
      numbers,
      Array.from({ length: 471 - 424 + 1 }, (_, i) => 424 + i),
    );
  });
});

describe.skipIf(reason)(title("system calls"), () => {
  it("have the numbers of x86_64", () => {
    agree(abi.x86_64.syscalls, numbersOf("cc", "asm/unistd_64.h"));
  });

  it("have the numbers of aarch64", () => {
    const compiler = "aarch64-linux-gnu-gcc";
    if (works(compiler)) {
      agree(abi.aarch64.syscalls, numbersOf(compiler, "asm/unistd.h"));
    } else {
      const wants = [
        "MEMFD_SECRET",
        "NEW_STAT",
        "RENAMEAT",
        "SET_GET_RLIMIT",
        "SYS_CLONE3",
        "TIME32_SYSCALLS",
      ].map((want) => `-D__ARCH_WANT_${want}`); // as arch/arm64/include/uapi/asm/unistd.h says
      agree(abi.aarch64.syscalls, numbersOf("cc", "asm-generic/unistd.h", wants));
    }
  });
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** An assignment in C for each number, string and set of the value, by the paths to them. */
const assignments = (
  value: unknown,
  members: Readonly<Record<string, string>>,
  path = "",
): Array<string> => {
  const member = `s.${members[path]}`;
  if (typeof value === "boolean") return [`${member} = ${Number(value)};`];
  if (value instanceof Uint8Array)
    return [...value].map((byte, i) => `((unsigned char *)&${member})[${i}] = ${byte};`);
  if (typeof value === "string") return [`__builtin_strcpy(${member}, ${JSON.stringify(value)});`];
  if (value instanceof Set) {
    const bits = [...value].map((signal) => `1ul << ${signal} - 1`);
    return [`${member} = ${bits.join(" | ")};`];
  }
  if (typeof value === "number" || typeof value === "bigint") {
    const literal = value < 0 ? `${value}ll` : `${value}ull`;
    return [`${member} = (__typeof__(${member}))${literal};`];
  }
  return Object.entries(value as object).flatMap(([field, inner]) =>
    assignments(inner, members, path === "" ? field : `${path}.${field}`),
  );
};

/** That C has this value in the same bytes; `members` are C's names for the parts of the value. */
const itIsAsInC = <A>(
  header: string,
  codec: Codec<A>,
  value: A,
  members: Readonly<Record<string, string>>,
  machine: Machine = native,
) => {
  it(`${codec.name} is that of <${header}>`, () => {
    const [bytes = ""] = run(
      [header],
      [
        `${codec.name} s;`,
        "__builtin_memset(&s, 0, sizeof s);",
        ...assignments(value, members),
        "dump(&s, sizeof s);",
      ],
      [],
      machine,
    );
    assert.equal(hex(encoded(codec, value)), bytes);
    assert.deepEqual(codec.decode(Buffer.from(bytes, "hex")), value);
  });
};

describe.skipIf(reason)(title("layouts"), () => {
  const time = (n: number) => ({ seconds: n * 0x01_0203_0405, nanoseconds: n * 0x0101_0101 });
  const status: abi.Stat = {
    dev: 0xf1f2_f3f4_f5f6_f7f8n,
    ino: 0xe1e2_e3e4_e5e6_e7e8n,
    mode: 0x8001_0203,
    nlink: 0x0d0e_0f10,
    uid: 0xfffe_fdfc,
    gid: 0xfbfa_f9f8,
    rdev: 0xd1d2_d3d4_d5d6_d7d8n,
    size: 0x0001_0203_0405_0607,
    blksize: 0x1122_3344,
    blocks: 0x0002_0406_0708_090a,
    atime: time(1),
    mtime: time(2),
    ctime: time(3),
  };
  const statusMembers = {
    ...Object.fromEntries(Object.keys(status).map((field) => [field, `st_${field}`])),
    "atime.seconds": "st_atime",
    "atime.nanoseconds": "st_atime_nsec",
    "mtime.seconds": "st_mtime",
    "mtime.nanoseconds": "st_mtime_nsec",
    "ctime.seconds": "st_ctime",
    "ctime.nanoseconds": "st_ctime_nsec",
  };
  itIsAsInC("asm/stat.h", abi.x86_64.stat, status, statusMembers);
  itIsAsInC("asm-generic/stat.h", abi.aarch64.stat, status, statusMembers);
  describe.skipIf(noArm64)(skippedBecause("of arm64", noArm64), () => {
    itIsAsInC("asm/stat.h", abi.aarch64.stat, status, statusMembers, arm64);
    const event = { events: 0x8000_0001, data: 0x0001_0203_0405_0607 };
    const members = { events: "events", data: "data.u64" };
    itIsAsInC("sys/epoll.h", abi.aarch64.epollEvent, event, members, arm64);
  });

  const machines = noArm64 ? [native] : [native, arm64];
  /** As `itIsAsInC`, for all machines, of a struct whose fields have these names in C, in the order of the value. */
  const itIsEverywhere = <A extends object>(
    header: string,
    codec: Codec<A>,
    value: A,
    members: ReadonlyArray<string>,
  ) => {
    const names = Object.fromEntries(
      Object.keys(value).map((field, i) => [field, members[i] as string]),
    );
    for (const machine of machines)
      describe(machine.compiler, () => itIsAsInC(header, codec, value, names, machine));
  };
  itIsEverywhere("sys/socket.h", abi.Linger, { on: true, seconds: 0x0102_0304 }, [
    "l_onoff",
    "l_linger",
  ]);
  itIsEverywhere("sys/time.h", abi.Timeval, { seconds: -2, microseconds: 999_999 }, [
    "tv_sec",
    "tv_usec",
  ]);
  const tcpInfo: abi.TcpInfo = abi.TcpInfo.decode(
    Uint8Array.from({ length: abi.TcpInfo.size }, (_, i) => i + 1),
  );
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  for (const machine of machines)
    it(`struct tcp_info is that of <linux/tcp.h> of ${machine.compiler}`, () => {
      const bits = new Set(["windowScales", "appLimited"]);
      const fields = Object.entries(tcpInfo).filter(([field]) => !bits.has(field));
      const [bytes = ""] = run(
        ["linux/tcp.h"],
        [
          "struct tcp_info s;",
          "for (int i = 0; i < sizeof s; i++) ((unsigned char *)&s)[i] = i + 1;",
          ...fields.map(([field]) => `s.tcpi_${snake(field)} = ~s.tcpi_${snake(field)};`),
          "dump(&s, sizeof s);",
        ],
        [],
        machine,
      );
      const inverted = Object.fromEntries(
        fields.map(([field, value]) => {
          const size = ["state", "caState", "retransmits", "probes", "backoff", "options"];
          if (typeof value === "bigint") return [field, BigInt.asUintN(64, ~value)];
          return [field, (~value & (size.includes(field) ? 0xff : -1)) >>> 0];
        }),
      );
      // Newer kernels have more fields behind these, and older headers fewer.
      const theirs = Buffer.from(bytes, "hex");
      const ours = encoded(abi.TcpInfo, { ...tcpInfo, ...inverted } as abi.TcpInfo);
      const common = Math.min(theirs.length, ours.length);
      assert.isAbove(common, 200);
      assert.equal(hex(ours.subarray(0, common)), hex(theirs.subarray(0, common)));
    });
  const nlmsghdr = { length: 0xf001_0203, type: 0xf405, flags: 0xf607, seq: 0xf80a_0b0c };
  itIsEverywhere("linux/netlink.h", abi.Nlmsghdr, { ...nlmsghdr, pid: 0xf00d_0e0f }, [
    "nlmsg_len",
    "nlmsg_type",
    "nlmsg_flags",
    "nlmsg_seq",
    "nlmsg_pid",
  ]);
  itIsEverywhere(
    "linux/rtnetlink.h",
    abi.Ifinfomsg,
    { family: 0xf1, type: 0xf203, index: -2, flags: 0xf405_0607, change: 0xf809_0a0b },
    ["ifi_family", "ifi_type", "ifi_index", "ifi_flags", "ifi_change"],
  );
  itIsEverywhere(
    "linux/if_addr.h",
    abi.Ifaddrmsg,
    { family: 0xf1, prefixLength: 0xf2, flags: 0xf3, scope: 0xf4, index: 0xf506_0708 },
    ["ifa_family", "ifa_prefixlen", "ifa_flags", "ifa_scope", "ifa_index"],
  );
  itIsEverywhere(
    "linux/rtnetlink.h",
    abi.Rtmsg,
    {
      family: 0xf1,
      dstLen: 0xf2,
      srcLen: 0xf3,
      tos: 0xf4,
      table: 0xf5,
      protocol: 0xf6,
      scope: 0xf7,
      type: 0xf8,
      flags: 0xf90a_0b0c,
    },
    [
      "rtm_family",
      "rtm_dst_len",
      "rtm_src_len",
      "rtm_tos",
      "rtm_table",
      "rtm_protocol",
      "rtm_scope",
      "rtm_type",
      "rtm_flags",
    ],
  );
  itIsEverywhere("linux/if_packet.h", abi.TpacketStats, { packets: 0xf102_0304, drops: 5 }, [
    "tp_packets",
    "tp_drops",
  ]);
  itIsEverywhere(
    "linux/if.h",
    abi.Ifmap,
    {
      memStart: 0xf1f2_f3f4_f5f6_f7f8n,
      memEnd: 0xe1e2_e3e4_e5e6_e7e8n,
      baseAddr: 0xd1d2,
      irq: 0xc1,
      dma: 0xc2,
      port: 0xc3,
    },
    ["mem_start", "mem_end", "base_addr", "irq", "dma", "port"],
  );

  for (const machine of machines)
    it(`addresses and what has addresses are those of the headers of ${machine.compiler}`, () => {
      const lines = run(
        ["arpa/inet.h", "netinet/in.h", "linux/if_packet.h", "linux/netlink.h", "net/if.h"],
        [
          "struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_pid = 0xf1020304, .nl_groups = 5 };",
          "dump(&nl, sizeof nl);",
          "struct sockaddr_ll ll = { AF_PACKET, htons(0x0806), 7, 0x304, 2, 6, { 1, 2, 3, 4, 5, 6 } };",
          "dump(&ll, sizeof ll);",
          "struct in_pktinfo p = { .ipi_ifindex = 7 };",
          'inet_pton(AF_INET, "1.2.3.4", &p.ipi_spec_dst); inet_pton(AF_INET, "5.6.7.8", &p.ipi_addr);',
          "dump(&p, sizeof p);",
          "struct in6_pktinfo p6 = { .ipi6_ifindex = 7 };",
          'inet_pton(AF_INET6, "fd00::1:2", &p6.ipi6_addr);',
          "dump(&p6, sizeof p6);",
          "struct ip_mreqn m = { .imr_ifindex = 7 };",
          'inet_pton(AF_INET, "224.0.0.1", &m.imr_multiaddr); inet_pton(AF_INET, "1.2.3.4", &m.imr_address);',
          "dump(&m, sizeof m);",
          "struct ipv6_mreq m6 = { .ipv6mr_interface = 7 };",
          'inet_pton(AF_INET6, "ff02::1", &m6.ipv6mr_multiaddr);',
          "dump(&m6, sizeof m6);",
          'struct ifreq f = { .ifr_name = "veth0", .ifr_flags = 0x1043 };',
          "dump(&f, sizeof f);",
          'struct ifreq n = { .ifr_name = "veth0", .ifr_newname = "other" };',
          "dump(&n, sizeof n);",
          'struct ifreq a = { .ifr_name = "veth0" };',
          "struct sockaddr_in *in = (void *)&a.ifr_addr;",
          'in->sin_family = AF_INET; inet_pton(AF_INET, "1.2.3.4", &in->sin_addr);',
          "dump(&a, sizeof a);",
        ],
        [],
        machine,
      );
      const address = { family: "inet", address: "1.2.3.4", port: 0 } as const;
      assert.deepEqual(lines, [
        hex(abi.encodeSockaddr({ family: "netlink", pid: 0xf102_0304, groups: 5 })),
        hex(
          abi.encodeSockaddr({
            family: "packet",
            protocol: 0x806,
            ifindex: 7,
            hatype: 0x304,
            pkttype: 2,
            address: Uint8Array.of(1, 2, 3, 4, 5, 6),
          }),
        ),
        hex(encoded(abi.InPktinfo, { ifindex: 7, specDst: "1.2.3.4", address: "5.6.7.8" })),
        hex(encoded(abi.In6Pktinfo, { address: "fd00::1:2", ifindex: 7 })),
        hex(encoded(abi.IpMreqn, { multiaddr: "224.0.0.1", address: "1.2.3.4", ifindex: 7 })),
        hex(encoded(abi.Ipv6Mreq, { multiaddr: "ff02::1", ifindex: 7 })),
        hex(encoded(abi.ifreqs.flags, { name: "veth0", value: 0x1043 })),
        hex(encoded(abi.ifreqs.name, { name: "veth0", value: "other" })),
        hex(encoded(abi.ifreqs.address, { name: "veth0", value: address })),
      ]);
    });

  for (const machine of machines)
    it(`struct sockaddr_vm, sock_extended_err and mmsghdr are those of ${machine.compiler}`, () => {
      const lines = [
        ...run(
          ["sys/socket.h", "linux/ioctl.h", "linux/vm_sockets.h"],
          [
            "struct sockaddr_vm v = { .svm_family = AF_VSOCK, .svm_port = 0xf1020304, .svm_cid = 5 };",
            "dump(&v, sizeof v);",
            "struct mmsghdr h = { .msg_hdr = { .msg_namelen = 7, .msg_controllen = 9 }, .msg_len = 5 };",
            "dump(&h, sizeof h);",
          ],
          [],
          machine,
        ),
        ...run(
          ["time.h", "linux/errqueue.h"],
          [
            "struct sock_extended_err e = { 111, 2, 3, 4, 0, 0xf5060708, 0xf90a0b0c };",
            "dump(&e, sizeof e);",
          ],
          [],
          machine,
        ),
      ];
      const header = { name: 0, nameLength: 7, iov: 0, iovLength: 0, control: 0, flags: 0 };
      const error = { errno: 111, origin: 2, type: 3, code: 4, info: 0xf506_0708 };
      assert.deepEqual(lines, [
        hex(abi.encodeSockaddr({ family: "vsock", cid: 5, port: 0xf102_0304 })),
        hex(encoded(abi.Mmsghdr, { header: { ...header, controlLength: 9 }, length: 5 })),
        hex(encoded(abi.SockExtendedErr, { ...error, data: 0xf90a_0b0c })),
      ]);
    });

  const timestamp = (n: bigint) => ({ seconds: -n * 2n ** 56n - n, nanoseconds: 0xf001_0203 });
  const statx: abi.Statx = {
    mask: 0xf001_0203,
    blksize: 0xf004_0506,
    attributes: 0xf1f2_f3f4_f5f6_f7f8n,
    nlink: 0xf007_0809,
    uid: 0xfffe_fdfc,
    gid: 0xfbfa_f9f8,
    mode: 0x8102,
    ino: 0xe1e2_e3e4_e5e6_e7e8n,
    size: 0xd1d2_d3d4_d5d6_d7d8n,
    blocks: 0xc1c2_c3c4_c5c6_c7c8n,
    attributesMask: 0xb1b2_b3b4_b5b6_b7b8n,
    atime: timestamp(1n),
    btime: timestamp(2n),
    ctime: timestamp(3n),
    mtime: timestamp(4n),
    rdevMajor: 0xf00a_0b0c,
    rdevMinor: 0xf00d_0e0f,
    devMajor: 0xf010_1112,
    devMinor: 0xf013_1415,
    mntId: 0xa1a2_a3a4_a5a6_a7a8n,
  };
  itIsAsInC("linux/stat.h", abi.Statx, statx, {
    ...Object.fromEntries(Object.keys(statx).map((field) => [field, `stx_${field}`])),
    ...Object.fromEntries(
      ["atime", "btime", "ctime", "mtime"].flatMap((field) => [
        [`${field}.seconds`, `stx_${field}.tv_sec`],
        [`${field}.nanoseconds`, `stx_${field}.tv_nsec`],
      ]),
    ),
    attributesMask: "stx_attributes_mask",
    rdevMajor: "stx_rdev_major",
    rdevMinor: "stx_rdev_minor",
    devMajor: "stx_dev_major",
    devMinor: "stx_dev_minor",
    mntId: "stx_mnt_id",
  });

  it("makedev is that of <sys/sysmacros.h>", () => {
    const devices = [0, 1, 0xff, 0x100, 0xfff, 0x1000, 0x12345, 0xfff_ffff, 0xffff_ffff];
    const pairs = devices.flatMap((major) => devices.map((minor) => [major, minor] as const));
    const lines = run(
      ["sys/sysmacros.h"],
      pairs.map(([a, b]) => `printf("%llu\\n", (unsigned long long)makedev(${a}u, ${b}u));`),
    );
    assert.deepEqual(
      pairs.map(([major, minor]) => String(abi.makedev(major, minor))),
      lines,
    );
  });

  const event = { events: 0x8000_0001, data: 0x0001_0203_0405_0607 };
  itIsAsInC("sys/epoll.h", abi.x86_64.epollEvent, event, { events: "events", data: "data.u64" });

  itIsAsInC(
    "time.h",
    abi.Timespec,
    { seconds: -2, nanoseconds: 999_999_999 },
    { seconds: "tv_sec", nanoseconds: "tv_nsec" },
  );
  const members = (member: string) => ({
    [`${member}.seconds`]: `it_${member}.tv_sec`,
    [`${member}.nanoseconds`]: `it_${member}.tv_nsec`,
  });
  itIsAsInC(
    "sys/timerfd.h",
    abi.Itimerspec,
    { interval: time(1), value: time(2) },
    { ...members("interval"), ...members("value") },
  );
  itIsAsInC(
    "sys/ioctl.h",
    abi.Winsize,
    { rows: 0xf102, columns: 0xf304, width: 0xf506, height: 0xf708 },
    { rows: "ws_row", columns: "ws_col", width: "ws_xpixel", height: "ws_ypixel" },
  );
  itIsAsInC(
    "poll.h",
    abi.PollFd,
    { fd: -2, events: 0x2001, revents: 0x0102 },
    { fd: "fd", events: "events", revents: "revents" },
  );
  itIsAsInC(
    "sys/socket.h",
    abi.Ucred,
    { pid: 0x0102_0304, uid: 0xffff_fffe, gid: 0xf1f2_f3f4 },
    { pid: "pid", uid: "uid", gid: "gid" },
  );
  itIsAsInC(
    "sys/socket.h",
    abi.Msghdr,
    {
      name: 0x7fff_0102_0304,
      nameLength: 110,
      iov: 0x7fff_1112_1314,
      iovLength: 0x21_2223_2425,
      control: 0x7fff_3132_3334,
      controlLength: 0x41_4243_4445,
      flags: 0x4000_0020,
    },
    {
      name: "msg_name",
      nameLength: "msg_namelen",
      iov: "msg_iov",
      iovLength: "msg_iovlen",
      control: "msg_control",
      controlLength: "msg_controllen",
      flags: "msg_flags",
    },
  );
  itIsAsInC(
    "sys/socket.h",
    abi.Cmsghdr,
    { length: 0x21_2223_2425, level: 0x0102_0304, type: -2 },
    { length: "cmsg_len", level: "cmsg_level", type: "cmsg_type" },
  );
  itIsAsInC(
    "sys/uio.h",
    abi.Iovec,
    { base: 0x7fff_0102_0304, length: 0x21_2223_2425 },
    { base: "iov_base", length: "iov_len" },
  );
  const utsname = {
    sysname: "Linux",
    nodename: "a".repeat(64),
    release: "6.1.0",
    version: "#1",
    machine: "x86_64",
    domainname: "",
  };
  const own = Object.fromEntries(Object.keys(utsname).map((field) => [field, field]));
  itIsAsInC("sys/utsname.h", abi.Utsname, utsname, own);
  itIsAsInC(
    "asm/signal.h",
    abi.Sigaction,
    {
      handler: 0x7fff_0102_0304,
      flags: 0x8400_0004,
      restorer: 0x7fff_1112_1314,
      mask: new Set([1, 33, 64]),
    },
    { handler: "sa_handler", flags: "sa_flags", restorer: "sa_restorer", mask: "sa_mask" },
  );

  itIsAsInC(
    "sys/resource.h",
    abi.Rlimit,
    { cur: 0xf1f2_f3f4_f5f6_f7f8n, max: abi.RLIM_INFINITY },
    { cur: "rlim_cur", max: "rlim_max" },
  );
  itIsAsInC(
    "linux/capability.h",
    abi.CapHeader,
    { version: abi.LINUX_CAPABILITY_VERSION_3, pid: -2 },
    { version: "version", pid: "pid" },
  );
  const signal: abi.SignalfdSiginfo = {
    signo: 0xf001_0203,
    errno: -2,
    code: -6,
    pid: 0xf004_0506,
    uid: 0xffff_fffe,
    fd: -3,
    tid: 0xf007_0809,
    band: 0xf00a_0b0c,
    overrun: 0xf00d_0e0f,
    trapno: 0xf010_1112,
    status: -4,
    int: -5,
    ptr: 0xf1f2_f3f4_f5f6_f7f8n,
    utime: 0xe1e2_e3e4_e5e6_e7e8n,
    stime: 0xd1d2_d3d4_d5d6_d7d8n,
    addr: 0xc1c2_c3c4_c5c6_c7c8n,
    addrLsb: 0xfefd,
    syscall: -7,
    callAddr: 0xb1b2_b3b4_b5b6_b7b8n,
    arch: 0xc000_003e,
  };
  itIsAsInC("linux/signalfd.h", abi.SignalfdSiginfo, signal, {
    ...Object.fromEntries(Object.keys(signal).map((field) => [field, `ssi_${field}`])),
    addrLsb: "ssi_addr_lsb",
    callAddr: "ssi_call_addr",
  });

  it("limits, capability data and CPU sets are those of the C headers", () => {
    const [infinity, high = "", cpus = ""] = run(
      ["sched.h", "sys/resource.h", "linux/capability.h"],
      [
        'printf("%llu\\n", (unsigned long long)RLIM_INFINITY);',
        "struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = { 0 };",
        "d[CAP_TO_INDEX(CAP_KILL)].effective |= CAP_TO_MASK(CAP_KILL);",
        "d[CAP_TO_INDEX(CAP_SETFCAP)].permitted |= CAP_TO_MASK(CAP_SETFCAP);",
        "d[CAP_TO_INDEX(CAP_SYSLOG)].permitted |= CAP_TO_MASK(CAP_SYSLOG);",
        "d[CAP_TO_INDEX(CAP_BPF)].inheritable |= CAP_TO_MASK(CAP_BPF);",
        "dump(d, sizeof d);",
        "cpu_set_t *s = CPU_ALLOC(8192);",
        "unsigned long n = CPU_ALLOC_SIZE(8192);",
        "CPU_ZERO_S(n, s);",
        "for (int i = 0; i < 8192; i += 1 + i / 2) CPU_SET_S(i, n, s);",
        "dump(s, n);",
      ],
    );
    assert.equal(infinity, String(abi.RLIM_INFINITY));
    const capabilities = {
      effective: new Set([abi.CAP.KILL]),
      permitted: new Set([abi.CAP.SETFCAP, abi.CAP.SYSLOG]),
      inheritable: new Set([abi.CAP.BPF]),
    };
    assert.equal(hex(encoded(abi.CapData, capabilities)), high);
    assert.deepEqual(abi.CapData.decode(Buffer.from(high, "hex")), capabilities);
    const set = new Set<number>();
    for (let i = 0; i < 8192; i += 1 + Math.floor(i / 2)) set.add(i);
    assert.equal(hex(encoded(abi.CpuSet, set)), cpus);
    assert.deepEqual(abi.CpuSet.decode(Buffer.from(cpus, "hex")), set);
  });

  it("struct sockaddr_un is that of <sys/un.h>", () => {
    const [bytes = "", room] = run(
      ["sys/un.h", "sys/socket.h"],
      [
        "struct sockaddr_un s = { .sun_family = AF_UNIX };",
        '__builtin_strcpy(s.sun_path, "/run/x");',
        'dump(&s, __builtin_offsetof(struct sockaddr_un, sun_path) + sizeof "/run/x");',
        'printf("%zu\\n", sizeof s.sun_path);',
      ],
    );
    assert.equal(hex(encoded(abi.SockaddrUn, { path: "/run/x" })), bytes);
    assert.equal(Number(room), abi.SOCKADDR_UN_PATH_MAX);
  });

  it("control messages are those of <sys/socket.h>", () => {
    const fds = [3, 0x0102_0304, 5];
    const [bytes = "", ...spaces] = run(
      ["sys/socket.h"],
      [
        `int fds[] = { ${fds} };`,
        "_Alignas(8) unsigned char room[CMSG_SPACE(sizeof fds)] = { 0 };",
        "struct cmsghdr *c = (void *)room;",
        "c->cmsg_len = CMSG_LEN(sizeof fds);",
        "c->cmsg_level = SOL_SOCKET;",
        "c->cmsg_type = SCM_RIGHTS;",
        "__builtin_memcpy(CMSG_DATA(c), fds, sizeof fds);",
        "dump(room, sizeof room);",
        'for (int n = 0; n < 20; n++) printf("%zu\\n", (unsigned long)CMSG_SPACE(n));',
      ],
    );
    assert.equal(hex(abi.encodeScmRights(fds)), bytes);
    assert.deepEqual(
      spaces.map(Number),
      spaces.map((_, n) => abi.cmsgSpace(n)),
    );
  });

  it("inotify events are those of <sys/inotify.h>", () => {
    const [bytes = "", longest] = run(
      ["limits.h", "linux/limits.h", "sys/inotify.h"],
      [
        "unsigned char room[64] = { 0 };",
        "struct inotify_event *e = (void *)room;",
        "e->wd = -2, e->mask = 0xc0000100, e->cookie = 0xf1f2f3f4, e->len = 16;",
        '__builtin_strcpy(e->name, "\\xffname");',
        "e = (void *)(room + sizeof *e + 16);",
        "e->wd = 0x01020304, e->mask = IN_IGNORED;",
        "dump(room, 2 * sizeof *e + 16);",
        'printf("%zu\\n", sizeof *e + NAME_MAX + 1);',
      ],
    );
    assert.deepEqual(abi.decodeInotifyEvents(Buffer.from(bytes, "hex")), [
      { wd: -2, mask: 0xc000_0100, cookie: 0xf1f2_f3f4, name: "\udcffname" },
      { wd: 0x0102_0304, mask: abi.IN.IGNORED, cookie: 0, name: undefined },
    ]);
    assert.equal(abi.INOTIFY_EVENT_MAX, Number(longest));
  });

  it("directory entries are those of <dirent.h>", () => {
    const [bytes = ""] = run(
      ["dirent.h"],
      [
        "struct dirent64 s = { .d_ino = 0xf1f2f3f4f5f6f7f8, .d_off = 0x7172737475767778,",
        '  .d_reclen = 32, .d_type = DT_LNK, .d_name = "name" };',
        "dump(&s, 32);",
      ],
    );
    assert.deepEqual(abi.decodeDirents(Buffer.from(bytes, "hex")), [
      {
        ino: 0xf1f2_f3f4_f5f6_f7f8n,
        offset: 0x7172_7374_7576_7778n,
        type: abi.DT.LNK,
        name: "name",
      },
    ]);
  });
});
