import {
  AF,
  AT,
  CLONE,
  type Codec,
  CString,
  EPOLL,
  EPOLL_CTL,
  encodeSockaddr,
  F,
  Int32,
  Iovec,
  Itimerspec,
  MAP,
  Mmsghdr,
  MSG,
  Msghdr,
  O,
  POLL,
  PollFd,
  PROT,
  RLIM_INFINITY,
  RLIMIT,
  Rlimit,
  SIG,
  SigHow,
  Sigset,
  SO,
  SOCK,
  SOL,
  Timespec,
  Uint32,
  Utsname,
  x86_64,
} from "@rsyscall/abi";
import { assert, describe, it } from "vitest";
import { type Outcome, SyscallHangup, SyscallSendError, type Word } from "../../src/index.ts";
import { scripted } from "./scripted.ts";

const bytesOf = <A>(codec: Codec<A>, value: A): Uint8Array => {
  const bytes = new Uint8Array(codec.sizeOf(value));
  codec.encode(value, bytes);
  return bytes;
};
const text = (string: string) => new TextEncoder().encode(string);
const path = (string: string) => bytesOf(CString, string);
const concat = (...parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts));
const words = (...all: ReadonlyArray<number>) =>
  new Uint8Array(BigUint64Array.from(all.map(BigInt)).buffer);

/** Where the test has memory. */
const [A, B] = [0x10000, 0x20000];

interface Row {
  readonly line: string;
  readonly call: readonly [name: string, ...words: ReadonlyArray<Word>];
  readonly result?: Outcome;
  /** What the program writes there before the call. */
  readonly wrote?: Readonly<Record<number, Uint8Array>>;
  /** What the program reads from there behind it. */
  readonly reads?: Readonly<Record<number, Uint8Array>>;
}

const zero = { seconds: 0, nanoseconds: 0 };

/** As strace 6.1 shows them, but for its padding in front of "=". */
const rows: ReadonlyArray<Row> = [
  { line: "getpid() = 7", call: ["getpid"], result: 7 },
  {
    line: 'openat(AT_FDCWD, "/etc/hostname", O_RDONLY|O_CLOEXEC) = 5',
    call: ["openat", AT.FDCWD, A, O.RDONLY | O.CLOEXEC, 0],
    wrote: { [A]: path("/etc/hostname") },
    result: 5,
  },
  {
    line: 'openat(3, "new", O_WRONLY|O_CREAT|O_EXCL, 0644) = -1 EEXIST (File exists)',
    call: ["openat", 3, A, O.WRONLY | O.CREAT | O.EXCL, 0o644],
    wrote: { [A]: path("new") },
    result: -17,
  },
  {
    line: 'read(5, "ab", 65536) = 2',
    call: ["read", 5, A, 65536],
    reads: { [A]: text("ab") },
    result: 2,
  },
  { line: 'read(5, "", 65536) = 0', call: ["read", 5, A, 65536], result: 0 },
  {
    line: "read(5, 0x10000, 65536) = -1 EAGAIN (Resource temporarily unavailable)",
    call: ["read", 5, A, 65536],
    result: -11,
  },
  { line: "read(5, NULL, 1) = -1 EFAULT (Bad address)", call: ["read", 5, 0, 1], result: -14 },
  {
    line: `write(1, "${"a".repeat(32)}"..., 33) = 33`,
    call: ["write", 1, A, 33],
    wrote: { [A]: text("a".repeat(33)) },
    result: 33,
  },
  {
    line: 'write(1, "\\t\\n\\r\\"\\\\\\0\\0011\\33x\\303\\244\\377", 13) = 13',
    call: ["write", 1, A, 13],
    wrote: { [A]: new Uint8Array([9, 10, 13, 34, 92, 0, 1, 49, 27, 120, 0xc3, 0xa4, 0xff]) },
    result: 13,
  },
  { line: "write(1, 0x20000, 3) = 3", call: ["write", 1, B, 3], result: 3 },
  {
    line: 'connect(4, {sa_family=AF_UNIX, sun_path="/x"}, 5) = -1 ENOENT (No such file or directory)',
    call: ["connect", 4, A, 5],
    wrote: { [A]: encodeSockaddr({ family: "unix", path: "/x" }) },
    result: -2,
  },
  {
    line: 'bind(4, {sa_family=AF_UNIX, sun_path=@"\\0331"}, 5) = 0',
    call: ["bind", 4, A, 5],
    wrote: { [A]: encodeSockaddr({ family: "unix", path: "\0\x1b1" }) },
  },
  {
    line: 'bind(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
    call: ["bind", 4, A, 16],
    wrote: { [A]: encodeSockaddr({ family: "inet", address: "127.0.0.1", port: 80 }) },
  },
  {
    line: 'getsockname(4, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, [128 => 28]) = 0',
    call: ["getsockname", 4, A, B],
    wrote: { [B]: bytesOf(Uint32, 128) },
    reads: {
      [B]: bytesOf(Uint32, 28),
      [A]: encodeSockaddr({ family: "inet6", address: "::1", port: 80 }),
    },
  },
  {
    line: "connect(4, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000011}, 12) = 0",
    call: ["connect", 4, A, 12],
    wrote: { [A]: encodeSockaddr({ family: "netlink", pid: 0, groups: 0x11 }) },
  },
  {
    line: 'bind(4, {sa_family=AF_ALG, sa_data="\\1\\2"}, 4) = 0',
    call: ["bind", 4, A, 4],
    wrote: { [A]: encodeSockaddr({ family: AF.ALG, data: Uint8Array.of(1, 2) }) },
  },
  {
    line: "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0",
    call: ["setsockopt", 3, SOL.TCP, 1, A, 4],
    wrote: { [A]: bytesOf(Int32, 1) },
  },
  {
    line: 'sendmmsg(4, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="abc", iov_len=3}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=0}], 1, MSG_NOSIGNAL) = 1',
    call: ["sendmmsg", 4, A, 1, MSG.NOSIGNAL],
    wrote: {
      [A]: concat(
        bytesOf(Mmsghdr, {
          header: {
            name: 0,
            nameLength: 0,
            iov: A + 64,
            iovLength: 1,
            control: 0,
            controlLength: 0,
            flags: 0,
          },
          length: 0,
        }),
        bytesOf(Iovec, { base: A + 80, length: 3 }),
        text("abc"),
      ),
    },
    result: 1,
  },
  {
    line: "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3",
    call: ["socket", AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0],
    result: 3,
  },
  {
    line: "socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3",
    call: ["socket", AF.INET, SOCK.STREAM, 0],
    result: 3,
  },
  {
    line: 'getcwd("/tmp", 4096) = 5',
    call: ["getcwd", A, 4096],
    reads: { [A]: path("/tmp") },
    result: 5,
  },
  {
    line: "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
    call: ["setsockopt", 3, SOL.SOCKET, SO.REUSEADDR, A, 4],
    wrote: { [A]: bytesOf(Int32, 1) },
  },
  {
    line: "pipe2([8, 9], O_CLOEXEC) = 0",
    call: ["pipe2", A, O.CLOEXEC],
    reads: { [A]: concat(bytesOf(Int32, 8), bytesOf(Int32, 9)) },
  },
  { line: "pipe2(0x10000, 0) = 0", call: ["pipe2", A, 0] },
  {
    line: 'sendto(4, "hi", 2, MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0) = 2',
    call: ["sendto", 4, A, 2, MSG.DONTWAIT | MSG.NOSIGNAL, 0, 0],
    wrote: { [A]: text("hi") },
    result: 2,
  },
  {
    line: 'sendmsg(4, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="abc", iov_len=3}], msg_iovlen=1, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0, 1]}], msg_controllen=24, msg_flags=0}, 0) = 3',
    call: ["sendmsg", 4, A, 0],
    wrote: {
      [A]: concat(
        bytesOf(Msghdr, {
          name: 0,
          nameLength: 0,
          iov: A + 56,
          iovLength: 1,
          control: A + 72,
          controlLength: 24,
          flags: 0,
        }),
        bytesOf(Iovec, { base: A + 96, length: 3 }),
        words(24),
        bytesOf(Int32, 1),
        bytesOf(Int32, 1),
        bytesOf(Int32, 0),
        bytesOf(Int32, 1),
        text("abc"),
      ),
    },
    result: 3,
  },
  {
    line: "epoll_ctl(11, EPOLL_CTL_ADD, 8, {events=EPOLLIN|EPOLLET, data={u32=8, u64=8}}) = 0",
    call: ["epoll_ctl", 11, EPOLL_CTL.ADD, 8, A],
    wrote: {
      [A]: bytesOf(x86_64.epollEvent, { events: (EPOLL.IN | EPOLL.ET) >>> 0, data: 8 }),
    },
  },
  {
    line: "ppoll([{fd=5, events=POLLIN}], 1, {tv_sec=0, tv_nsec=0}, NULL, 8) = 1 ([{fd=5, revents=POLLIN|POLLHUP}])",
    call: ["ppoll", A, 1, B, 0, 8],
    wrote: {
      [A]: bytesOf(PollFd, { fd: 5, events: POLL.IN, revents: 0 }),
      [B]: bytesOf(Timespec, zero),
    },
    reads: { [A]: bytesOf(PollFd, { fd: 5, events: POLL.IN, revents: POLL.IN | POLL.HUP }) },
    result: 1,
  },
  {
    line: "rt_sigprocmask(SIG_BLOCK, [INT TERM], [], 8) = 0",
    call: ["rt_sigprocmask", SigHow.BLOCK, A, B, 8],
    wrote: { [A]: bytesOf(Sigset, new Set([SIG.INT, SIG.TERM])) },
    reads: { [B]: bytesOf(Sigset, new Set<number>()) },
  },
  { line: "kill(7, SIGTERM) = 0", call: ["kill", 7, SIG.TERM] },
  { line: "kill(-1, 0) = -1 ESRCH (No such process)", call: ["kill", -1, 0], result: -3 },
  {
    line: "timerfd_settime(4, 0, {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=1, tv_nsec=5}}, NULL) = 0",
    call: ["timerfd_settime", 4, 0, A, 0],
    wrote: {
      [A]: bytesOf(Itimerspec, { interval: zero, value: { seconds: 1, nanoseconds: 5 } }),
    },
  },
  {
    line: "prlimit64(0, RLIMIT_NOFILE, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
    call: ["prlimit64", 0, RLIMIT.NOFILE, 0, A],
    reads: { [A]: bytesOf(Rlimit, { cur: 8192n * 1024n, max: RLIM_INFINITY }) },
  },
  {
    line: 'uname({sysname="Linux", nodename="vm", ...}) = 0',
    call: ["uname", A],
    reads: {
      [A]: bytesOf(Utsname, {
        sysname: "Linux",
        nodename: "vm",
        release: "6",
        version: "",
        machine: "",
        domainname: "",
      }),
    },
  },
  {
    line: 'newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=3, ...}, AT_EMPTY_PATH) = 0',
    call: ["newfstatat", 3, A, B, AT.EMPTY_PATH],
    wrote: { [A]: path("") },
    reads: {
      [B]: bytesOf(x86_64.stat, {
        dev: 1n,
        ino: 2n,
        mode: 0o100644,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0n,
        size: 3,
        blksize: 4096,
        blocks: 8,
        atime: zero,
        mtime: zero,
        ctime: zero,
      }),
    },
  },
  {
    line: 'execve("/bin/true", ["true", "a\\tb"], 0x10030 /* 1 var */) = ?',
    call: ["execve", A, A + 16, A + 48],
    wrote: {
      [A]: concat(
        text("/bin/true\0\0\0\0\0\0\0"),
        words(A + 64, A + 72, 0, 0),
        words(A + 80, 0),
        text("true\0\0\0\0a\tb\0\0\0\0\0A=secret\0"),
      ),
    },
    result: new SyscallHangup({ syscall: "execve", byTask: true }),
  },
  {
    line: "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fd26271f000",
    call: ["mmap", 0, 4096, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0],
    result: 0x7fd26271f000,
  },
  {
    line: "unshare(CLONE_NEWNS|CLONE_NEWUSER) = 0",
    call: ["unshare", CLONE.NEWNS | CLONE.NEWUSER],
  },
  { line: "umask(022) = 077", call: ["umask", 0o22], result: 0o77 },
  { line: "fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)", call: ["fcntl", 3, F.GETFD, 0], result: 1 },
  {
    line: "fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)",
    call: ["fcntl", 3, F.GETFL, 0],
    result: 0x802,
  },
  {
    line: "fcntl(3, F_DUPFD_CLOEXEC, 100) = 100",
    call: ["fcntl", 3, F.DUPFD_CLOEXEC, 100],
    result: 100,
  },
  {
    line: "syscall_0x258(0x1, 0xffffffffffffffff, 0x10000000000000, 0, 0, 0) = -1 ENOSYS (Function not implemented)",
    call: ["#600", 1, -1, 2n ** 52n, 0],
    result: -38,
  },
  // What no kernel and no program of ours says.
  { line: "getpid() = 9223372036854775807", call: ["getpid"], result: 2n ** 63n - 1n },
  { line: "getpid() = -1 E4000", call: ["getpid"], result: -4000 },
  { line: "getpid() = -5000", call: ["getpid"], result: -5000 },
  {
    line: "read(5, 0xffffffffffffffff, 100) = 50",
    call: ["read", 5, 2n ** 64n - 1n, 100],
    result: 50,
  },
  { line: "read(5, 0x10000, 100) = 1e+30", call: ["read", 5, A, 100], result: 1e30 },
  {
    line: "sendmsg(4, 0x10000, 0) = 0",
    call: ["sendmsg", 4, A, 0],
    wrote: { [A]: new Uint8Array(3) },
  },
  { line: "read(NaN, 0x10000, NaN) = 0", call: ["read", Number.NaN, A, Number.NaN] },
  {
    line: "getpid() = ? (SyscallSendError)",
    call: ["getpid"],
    result: new SyscallSendError({ syscall: "getpid" }),
  },
];

describe("a call is shown as strace shows it:", () => {
  for (const { line, call, result = 0, wrote = {}, reads = {} } of rows)
    it(line, () => {
      const task = scripted();
      for (const [address, bytes] of Object.entries(wrote)) task.write(Number(address), bytes);
      task.call(result, ...call);
      for (const [address, bytes] of Object.entries(reads)) {
        task.fill(Number(address), bytes);
        task.read(Number(address), bytes.length);
      }
      // Gives up what was not read.
      for (let i = 0; i < 70; i++) task.call(0, "getuid");
      assert.equal(task.lines[0], line);
    });
});
