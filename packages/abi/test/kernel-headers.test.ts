import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, it } from "vitest";
import { struct, Uint32 } from "../src/Codec.ts";
import * as abi from "../src/index.ts";
import { encoded } from "./codecBytes.ts";
import { constants, constantsOf, inNoHeader, kernelOnly, newer, unlisted } from "./constants.ts";
import {
  arm64,
  evaluated,
  type Machine,
  namesIn,
  native,
  numbersOf,
  run,
  works,
} from "./cProgram.ts";
import { factsOf, layoutsOf, unlistedCodecs } from "./layouts.ts";

const noCompiler = works("cc") ? "" : "there is no C compiler";
const otherMachine = process.arch === "x64" ? "" : "this machine is not x86_64";
const reason = noCompiler || otherMachine;
const skippedBecause = (text: string, reason: string) =>
  reason ? `${text} (skipped: ${reason})` : text;
const title = (text: string) => skippedBecause(text, reason);
const noArm64 = works(arm64.compiler) ? "" : `there is no ${arm64.compiler}`;

/** Headers that go into one program. Those of the kernel do not go with those of the C library. */
const programs: ReadonlyArray<ReadonlyArray<string>> = [
  [
    "dirent.h",
    "errno.h",
    "fcntl.h",
    "netinet/in.h",
    "netinet/tcp.h",
    "netinet/udp.h",
    "poll.h",
    "sched.h",
    "signal.h",
    "sys/epoll.h",
    "sys/eventfd.h",
    "sys/fanotify.h",
    "sys/file.h",
    "sys/inotify.h",
    "sys/ioctl.h",
    "sys/mman.h",
    "sys/mount.h",
    "sys/prctl.h",
    "sys/resource.h",
    "sys/signalfd.h",
    "sys/socket.h",
    "sys/stat.h",
    "sys/statfs.h",
    "sys/statvfs.h",
    "sys/time.h",
    "sys/timerfd.h",
    "sys/uio.h",
    "sys/un.h",
    "sys/utsname.h",
    "sys/wait.h",
    "sys/xattr.h",
    "sysexits.h",
    "termios.h",
    "time.h",
    "unistd.h",
  ],
  [
    "asm/mman.h",
    "asm/signal.h",
    "asm/socket.h",
    "stddef.h",
    "asm/ioctls.h",
    "asm/termbits.h",
    "linux/loop.h",
    "linux/nsfs.h",
    "linux/openat2.h",
    "linux/audit.h",
    "linux/bpf_common.h",
    "linux/capability.h",
    "linux/close_range.h",
    "linux/falloc.h",
    "linux/fanotify.h",
    "linux/fcntl.h",
    "linux/filter.h",
    "linux/fs.h",
    "linux/futex.h",
    "linux/memfd.h",
    "linux/mman.h",
    "linux/mount.h",
    "linux/pidfd.h",
    "linux/prctl.h",
    "linux/sched.h",
    "linux/seccomp.h",
    "linux/stat.h",
  ],
  ["linux/in.h", "linux/in6.h", "linux/tcp.h", "linux/udp.h"],
  ["linux/ioctl.h", "linux/if.h", "linux/if_tun.h", "linux/if_ether.h", "linux/if_packet.h"],
  ["asm/ioctls.h", "linux/sockios.h"],
  ["time.h", "linux/errqueue.h"],
  ["linux/rtnetlink.h", "linux/netlink.h", "linux/veth.h"],
  ["sys/socket.h", "linux/ioctl.h", "linux/vm_sockets.h"],
];

const isLibrary = (headers: ReadonlyArray<string>) => headers.includes("unistd.h");

/** The version of Linux whose headers a machine has, as "6.1". */
const versionOf = (machine: Machine): readonly [major: number, minor: number] => {
  const [code = 0n] = evaluated(["linux/version.h"], ["LINUX_VERSION_CODE"], machine);
  return [Number(code >> 16n), Number((code >> 8n) & 255n)];
};

const isOlder = ([major, minor]: readonly [number, number], version: string): boolean => {
  const [theirMajor = 0, theirMinor = 0] = version.split(".").map(Number);
  return major < theirMajor || (major === theirMajor && minor < theirMinor);
};

/** That the headers of a machine have all constants but the listed ones, and the same values. */
const agreed = (machine: Machine, ours: (name: string) => bigint | undefined) => {
  const version = versionOf(machine);
  const all = [...constants.keys()].filter((name) => !(name in inNoHeader));
  const unseen = new Set(all);
  const differing: Array<string> = [];
  for (const headers of programs) {
    const there = namesIn(headers, machine);
    const names = all.filter(
      (name) => there.has(name) && !(isLibrary(headers) && kernelOnly.has(name)),
    );
    const values = evaluated(headers, names, machine);
    assert.equal(values.length, names.length);
    for (const [i, name] of names.entries()) {
      unseen.delete(name);
      const value = BigInt.asIntN(64, ours(name) ?? -1n);
      if (values[i] !== value) differing.push(`${name} is ${values[i]}, not ${value}`);
    }
  }
  assert.deepEqual(differing, []);
  const missing = [...unseen].filter((name) => !isOlder(version, newer[name] ?? "0"));
  assert.deepEqual(missing, [], `in no header of Linux ${version.join(".")}`);
};

describe("the constants of the package", () => {
  it("are all of listed groups, whose C names are known", () => {
    assert.deepEqual(unlisted, []);
    for (const name of [...Object.keys({ ...newer, ...inNoHeader }), ...kernelOnly])
      assert(constants.has(name), name);
  });

  it("are found missing where a name is mistyped or a group is not listed", () => {
    const mistyped = constantsOf({ SHUT: { RD: 0, WRITE: 1 }, NEW: { GROUP: 1 } });
    assert.deepEqual([...mistyped.constants.keys()], ["SHUT_RD", "SHUT_WRITE"]);
    assert.deepEqual(mistyped.unlisted, ["NEW"]);
  });
});

describe.skipIf(noArm64)(skippedBecause("constants of arm64", noArm64), () => {
  it("are those of its C headers, the flags of open(2) by way of the ABI", () => {
    agreed(arm64, (name) => {
      const value = constants.get(name);
      return name.startsWith("O_") && value !== undefined
        ? BigInt(abi.aarch64.openFlagsToTarget(Number(value)))
        : value;
    });
  });
});

describe.skipIf(reason)(title("constants"), () => {
  it("are those of the C headers", () => {
    agreed(native, (name) => constants.get(name));
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

/** That the headers of the machine have the layouts of its ABI. */
const laidOut = (machine: Machine, target: abi.Abi) => {
  const version = versionOf(machine);
  const layouts = layoutsOf(target).filter(({ since = "0" }) => !isOlder(version, since));
  const differing: Array<string> = [];
  for (const headers of programs) {
    const facts = layouts.filter(({ header }) => headers.includes(header)).flatMap(factsOf);
    const expressions = facts.map(({ theirs }) => theirs);
    const values = evaluated(headers, expressions, machine);
    assert.equal(values.length, facts.length);
    for (const [i, { what, ours }] of facts.entries())
      if (values[i] !== BigInt(ours)) differing.push(`${what} is ${values[i]}, not ${ours}`);
  }
  assert.deepEqual(differing, []);
};

describe("the codecs of the package", () => {
  it("have all a layout to be compared with", () => {
    assert.deepEqual(unlistedCodecs(abi), []);
    for (const { header, codec } of layoutsOf(abi.x86_64))
      assert(programs.flat().includes(header), `${codec.name} of ${header}`);
  });

  it("are exported, so that they are found", () => {
    const names = new Set(layoutsOf(abi.x86_64).map(({ codec }) => codec.name));
    const directory = join(import.meta.dirname, "../src");
    for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const text = file.endsWith(".ts") ? readFileSync(join(directory, file), "utf8") : "";
      for (const [, name = ""] of text.matchAll(/\bstruct\(\s*"([^"]+)"/g))
        assert(names.has(name), `${name} of src/${file} has no layout in layouts.ts`);
    }
  });

  it("are found to be unlisted, as fields too", () => {
    const New = struct("struct new", { number: Uint32 });
    assert.deepEqual(unlistedCodecs({ New, Other: struct("struct other", { New }) }), [
      "struct new",
      "struct other",
    ]);
  });
});

describe.skipIf(noArm64)(skippedBecause("layouts of arm64", noArm64), () => {
  it("have the sizes and offsets of its C headers", () => {
    laidOut(arm64, abi.aarch64);
  });
});

describe.skipIf(reason)(title("layouts"), () => {
  it("have the sizes and offsets of the C headers", () => {
    laidOut(native, abi.x86_64);
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
