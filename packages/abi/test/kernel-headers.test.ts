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
  ...prefixed("STATX_ATTR_", abi.STATX_ATTR),
  ...prefixed("ST_", abi.ST),
  ...prefixed("LOCK_", abi.LOCK),
  ...prefixed("RENAME_", abi.RENAME),
  ...prefixed("XATTR_", abi.XATTR),
  ...prefixed("RWF_", abi.RWF),
  ...prefixed("FALLOC_FL_", abi.FALLOC_FL),
  ...prefixed("POSIX_FADV_", abi.POSIX_FADV),
  ...prefixed("SYNC_FILE_RANGE_", abi.SYNC_FILE_RANGE),
  ...prefixed("RESOLVE_", abi.RESOLVE),
  ...prefixed("", { MAX_HANDLE_SZ: abi.MAX_HANDLE_SZ }),
  ...prefixed("FS_", abi.FS_FL, "_FL"),
  ...prefixed("LO_FLAGS_", abi.LO_FLAGS),
  ...prefixed("", abi.IFLAG),
  ...prefixed("", abi.OFLAG),
  ...prefixed("", abi.CFLAG),
  ...prefixed("", abi.LFLAG),
  ...prefixed("", abi.BAUD),
  ...prefixed("V", abi.VCC),
  ...prefixed("TCSA", abi.TCSA),
  ...prefixed("TC", abi.TCFLUSH),
  ...Object.values(abi.IOCTL).map(({ name, number }) => [name, number] as const),
]);
constants.delete("S_IFFIFO"); // S_IFIFO in C
constants.delete("SIGRTMAX"); // a function in the C library, and hidden by the kernel

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
    "sys/file.h",
    "sys/statvfs.h",
    "sys/uio.h",
    "sys/xattr.h",
    "sysexits.h",
    "termios.h",
    "time.h",
    "unistd.h",
  ],
  ["asm/mman.h"],
  ["asm/signal.h"],
  ["asm/socket.h"],
  ["linux/capability.h"],
  ["linux/falloc.h"],
  ["linux/fcntl.h"],
  ["stddef.h", "linux/fs.h"],
  ["linux/loop.h"],
  ["linux/nsfs.h"],
  ["linux/openat2.h"],
  ["asm/ioctls.h"],
  ["asm/termbits.h"],
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
  // What older headers do not have stays zero.
  if (members[path] === undefined && !value) return [];
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
    dioMemAlign: 0xf016_1718,
    dioOffsetAlign: 0xf019_1a1b,
    // Headers before Linux 6.16 do not have these: see below.
    subvol: 0n,
    atomicWriteUnitMin: 0,
    atomicWriteUnitMax: 0,
    atomicWriteSegmentsMax: 0,
    dioReadOffsetAlign: 0,
    atomicWriteUnitMaxOpt: 0,
  };
  itIsAsInC("linux/stat.h", abi.Statx, statx, {
    ...Object.fromEntries(
      Object.entries(statx).flatMap(([field, value]) => (value ? [[field, `stx_${field}`]] : [])),
    ),
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
    dioMemAlign: "stx_dio_mem_align",
    dioOffsetAlign: "stx_dio_offset_align",
  });
  it("the newest fields of struct statx are where Linux 6.16 has them", () => {
    const bytes = new Uint8Array(256).map((_, i) => i);
    const word = (at: number) => new DataView(bytes.buffer).getUint32(at, true);
    assert.deepInclude(abi.Statx.decode(bytes), {
      subvol: new DataView(bytes.buffer).getBigUint64(0xa0, true),
      atomicWriteUnitMin: word(0xa8),
      atomicWriteUnitMax: word(0xac),
      atomicWriteSegmentsMax: word(0xb0),
      dioReadOffsetAlign: word(0xb4),
      atomicWriteUnitMaxOpt: word(0xb8),
    });
    assert.equal(abi.Statx.size, 256);
  });

  const own = (fields: object, prefix = "") =>
    Object.fromEntries(Object.keys(fields).map((field) => [field, `${prefix}${field}`]));
  /** Layouts that are the same on both machines. */
  const sameEverywhere = (machine: Machine) => {
    itIsAsInC(
      "fcntl.h",
      abi.Flock,
      { type: 2, whence: -2, start: -(2n ** 62n) - 1n, length: 2n ** 62n + 3n, pid: -5 },
      { type: "l_type", whence: "l_whence", start: "l_start", length: "l_len", pid: "l_pid" },
      machine,
    );
    const how = { flags: 2n ** 63n + 1n, mode: 0o7777n, resolve: 2n ** 62n + 5n };
    itIsAsInC("linux/openat2.h", abi.OpenHow, how, own(how), machine);
    const statfs = {
      type: 0x9123_683e,
      bsize: 0x1_0000_0001,
      blocks: 2n ** 63n + 1n,
      bfree: 2n ** 63n + 2n,
      bavail: 2n ** 63n + 3n,
      files: 2n ** 63n + 4n,
      ffree: 2n ** 63n + 5n,
      fsid0: -7,
      fsid1: 8,
      namelen: 0x2_0000_0003,
      frsize: 0x3_0000_0005,
      flags: 0x4_0000_0007,
    };
    const statfsMembers = {
      ...own(statfs, "f_"),
      fsid0: "f_fsid.__val[0]",
      fsid1: "f_fsid.__val[1]",
    };
    itIsAsInC("sys/statfs.h", abi.Statfs, statfs, statfsMembers, machine);
    const clone = { srcFd: -9, srcOffset: 2n ** 63n, srcLength: 2n ** 62n, destOffset: 5n };
    itIsAsInC(
      "linux/fs.h",
      abi.FileCloneRange,
      clone,
      {
        srcFd: "src_fd",
        srcOffset: "src_offset",
        srcLength: "src_length",
        destOffset: "dest_offset",
      },
      machine,
    );
    const info = {
      device: 2n ** 63n + 1n,
      inode: 2n ** 63n + 2n,
      rdevice: 2n ** 63n + 3n,
      offset: 2n ** 63n + 4n,
      sizelimit: 2n ** 63n + 5n,
      number: 0xf001_0203,
      flags: 0xf004_0506,
      fileName: "image",
    };
    const infoMembers: Record<string, string> = { ...own(info, "lo_"), fileName: "lo_file_name" };
    itIsAsInC("linux/loop.h", abi.LoopInfo64, info, infoMembers, machine);
    itIsAsInC(
      "linux/loop.h",
      abi.LoopConfig,
      { fd: 0xf007_0809, blockSize: 4096, info },
      {
        fd: "fd",
        blockSize: "block_size",
        ...Object.fromEntries(
          Object.entries(infoMembers).map(([field, member]) => [`info.${field}`, `info.${member}`]),
        ),
      },
      machine,
    );
    const cc = Array.from({ length: 19 }, (_, i) => 255 - i);
    itIsAsInC(
      "asm/termbits.h",
      abi.Termios,
      { iflag: 0xf001, oflag: 0xf002_0003, cflag: 0xf004_0005, lflag: 0xf006_0007, line: 8, cc },
      {
        iflag: "c_iflag",
        oflag: "c_oflag",
        cflag: "c_cflag",
        lflag: "c_lflag",
        line: "c_line",
        ...Object.fromEntries(cc.map((_, i) => [`cc.${i}`, `c_cc[${i}]`])),
      },
      machine,
    );
    it("struct file_handle is that of <fcntl.h>", () => {
      const [bytes = ""] = run(
        ["fcntl.h"],
        [
          "struct { struct file_handle head; unsigned char rest[MAX_HANDLE_SZ]; } s = { 0 };",
          "s.head.handle_bytes = 3, s.head.handle_type = -2;",
          '__builtin_memcpy(s.head.f_handle, "\\xff\\0\\1", 3);',
          "dump(&s, sizeof s);",
        ],
        [],
        machine,
      );
      const handle = { type: -2, bytes: Uint8Array.of(0xff, 0, 1) };
      assert.equal(hex(encoded(abi.FileHandle, handle)), bytes);
      const { type, bytes: opaque } = abi.FileHandle.decode(Buffer.from(bytes, "hex"));
      assert.deepEqual({ type, bytes: new Uint8Array(opaque) }, handle);
    });
    it("LO_FLAGS are those of <linux/loop.h>", () => {
      const flags = Object.entries(abi.LO_FLAGS);
      const lines = run(
        ["linux/loop.h"],
        flags.map(([name]) => `printf("%d\\n", LO_FLAGS_${name});`),
        [],
        machine,
      );
      assert.deepEqual(
        lines.map(Number),
        flags.map(([, value]) => value),
      );
    });
    it("_IO, _IOR, _IOW and _IOWR are those of <sys/ioctl.h>", () => {
      const lines = run(
        ["sys/ioctl.h"],
        [
          "_IO('T', 1)",
          "_IOR(0xff, 255, char[16383])",
          "_IOW('a', 2, int)",
          "_IOWR(0, 0, long)",
        ].map((request) => `printf("%u\\n", (unsigned)${request});`),
        [],
        machine,
      );
      assert.deepEqual(lines.map(Number), [
        abi._IO("T", 1),
        abi._IOR(0xff, 255, 16383),
        abi._IOW("a", 2, abi.Int32),
        abi._IOWR(0, 0, abi.Int64),
      ]);
    });
  };
  describe("of both machines, here", () => sameEverywhere(native));
  describe.skipIf(noArm64)(skippedBecause("of both machines, on arm64", noArm64), () =>
    sameEverywhere(arm64),
  );

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
  itIsAsInC("sys/utsname.h", abi.Utsname, utsname, own(utsname));
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
