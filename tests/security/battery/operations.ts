import {
  AT,
  Bytes,
  CLOCK,
  CLONE,
  CString,
  EPOLL,
  F,
  Int32,
  IOCTL,
  ifreqs,
  O,
  POLL,
  SIG,
  SIOC,
  SigHow,
  Timespec,
} from "@rsyscall/abi";
import * as epoller from "@rsyscall/epoller";
import * as handle from "@rsyscall/handle";
import { Address, Fd, Pid } from "@rsyscall/near";
import * as platform from "@rsyscall/platform";
import * as thread from "@rsyscall/thread";
import { Effect, type FileSystem, type Scope, Stdio, Stream, type Terminal } from "effect";
import { ChildProcess, type ChildProcessSpawner } from "effect/process";
import type { World } from "./world.ts";

type Operation = (world: World) => Effect.Effect<unknown, unknown, Scope.Scope>;

const text = new TextEncoder().encode("some text");
const zero = { seconds: 0, nanoseconds: 0 };
const inet = { family: "inet", address: "127.0.0.1", port: 80 } as const;
const control = { IP_PKTINFO: { ifindex: 1, specDst: "127.0.0.1" } };
const network = { address: "10.0.0.1", prefixLength: 24 };
const ids = { real: 1, effective: 2, saved: 3 };
const none = new Set<number>();
const long = `/tmp/${"a".repeat(150)}/socket`;
const program = thread.Command.make("/bin/true", "x");
const execOptions = { argv: ["true"], envp: ["A=1"], sigmask: none };

const some = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(Stream.take(stream, 4));

/** With an asynchronous descriptor of a kind. */
const withAfd =
  <A extends handle.FileDescriptor>(
    kind: handle.FdClass<A>,
    use: (
      afd: epoller.AsyncFileDescriptor<A>,
      world: World,
    ) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  (world) =>
    Effect.flatMap(world.afd(kind), (afd) => use(afd, world));

const socketAfd = (
  use: (
    afd: epoller.AsyncFileDescriptor<handle.Socket>,
    world: World,
  ) => Effect.Effect<unknown, unknown, Scope.Scope>,
) => withAfd(handle.Socket, use);

/** With what is made of a descriptor of a kind by its `make`. */
const withMade =
  <A extends handle.FileDescriptor, B>(
    kind: handle.FdClass<A>,
    make: (epoller: epoller.Epoller, fd: A) => Effect.Effect<B, unknown, Scope.Scope>,
    use: (made: B, world: World) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  (world) =>
    Effect.flatMap(world.epoller, (epoller) =>
      Effect.flatMap(make(epoller, world.fd(kind)), (made) => use(made, world)),
    );

const reader = (
  use: (buffer: epoller.AsyncReadBuffer) => Effect.Effect<unknown, unknown, Scope.Scope>,
) => socketAfd((afd) => use(new epoller.AsyncReadBuffer(afd)));

/** With memory of a few bytes. */
const memory =
  (
    use: (
      pointer: handle.Pointer<Uint8Array>,
      world: World,
    ) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  (world) =>
    Effect.flatMap(world.task.malloc(Bytes, 100), (pointer) => use(pointer, world));

/** With two pages of memory. */
const mapping =
  (
    use: (made: handle.MemoryMapping, world: World) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  (world) =>
    Effect.flatMap(handle.MemoryMapping.make(world.task, 8192), (made) => use(made, world));

/** With a child, if one comes about. */
const child =
  (
    use: (child: thread.ChildThread, world: World) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  (world) =>
    Effect.flatMap(world.thread.fork(), (child) => use(child, world));

const handleOperations: Record<string, Operation> = {
  absolutePath: ({ task }) => handle.absolutePath(task, "a"),
  access: ({ task }) => handle.access(task, "a"),
  bindUnix: (w) => handle.bindUnix(w.fd(handle.Socket), long),
  capget: ({ task }) => handle.capget(task),
  capset: ({ task }) =>
    handle.capset(task, { effective: none, permitted: none, inheritable: none }),
  chdir: ({ task }) => handle.chdir(task, "a"),
  chmod: ({ task }) => handle.chmod(task, "a", 0o600),
  chown: ({ task }) => handle.chown(task, "a", 1, -1),
  chroot: ({ task }) => handle.chroot(task, "a"),
  clone: ({ task, random }) =>
    Effect.flatMap(
      handle.clone(task, {
        flags: random.of([0, CLONE.FILES, CLONE.NEWUSER]),
        kept: [],
        deathSignal: 9,
        hasRing: random.unit() < 0.5,
        steps: [{ syscall: "getpid", words: () => [] }],
      }),
      ({ failure, freeStack }) => Effect.ensuring(failure(), freeStack()),
    ),
  closeRange: ({ task }) => handle.closeRange(task, 3),
  connectUnix: (w) => handle.connectUnix(w.fd(handle.Socket), long),
  copyFile: (w) => handle.copyFile(w.fd(), w.fd()),
  effectiveIds: ({ task }) => handle.effectiveIds(task),
  execve: ({ task }) => handle.execve(task, "/bin/true", execOptions),
  execveat: (w) => handle.execveat(w.task, w.fd(), "true", execOptions),
  fchdir: (w) => handle.fchdir(w.task, w.fd()),
  fstatx: (w) => handle.fstatx(w.fd()),
  getxattr: ({ task }) => handle.getxattr(task, "a", "user.a"),
  lgetxattr: ({ task }) => handle.lgetxattr(task, "a", "user.a"),
  listxattr: ({ task }) => handle.listxattr(task, "a"),
  llistxattr: ({ task }) => handle.llistxattr(task, "a"),
  lremovexattr: ({ task }) => handle.lremovexattr(task, "a", "user.a"),
  lsetxattr: ({ task }) => handle.lsetxattr(task, "a", "user.a", text),
  mknod: ({ task }) => handle.mknod(task, "a", 0o10600),
  nameToHandleAt: ({ task, random }) => handle.nameToHandleAt(task, "a", random.of([0, 1])),
  openByHandleAt: (w) => handle.openByHandleAt(w.fd(), { type: 1, bytes: text }),
  openat2: (w) => handle.openat2(w.task, "a", { directory: w.fd(), resolve: 8 }),
  removexattr: ({ task }) => handle.removexattr(task, "a", "user.a"),
  setxattr: ({ task }) => handle.setxattr(task, "a", "user.a", text),
  statfs: ({ task }) => handle.statfs(task, "a"),
  futexWait: ({ task }) => handle.futexWait(task, Address(4096), 1, zero),
  futexWake: ({ task }) => handle.futexWake(task, Address(4096), 1),
  getcwd: ({ task }) => handle.getcwd(task),
  getegid: ({ task }) => handle.getegid(task),
  geteuid: ({ task }) => handle.geteuid(task),
  getgid: ({ task }) => handle.getgid(task),
  getgroups: ({ task }) => handle.getgroups(task),
  getpgid: ({ task }) => handle.getpgid(task),
  getpgrp: ({ task }) => handle.getpgrp(task),
  getpid: ({ task }) => handle.getpid(task),
  getppid: ({ task }) => handle.getppid(task),
  getpriority: ({ task }) => handle.getpriority(task, 0, 0),
  getresgid: ({ task }) => handle.getresgid(task),
  getresuid: ({ task }) => handle.getresuid(task),
  getrlimit: ({ task }) => handle.getrlimit(task, 7),
  getsid: ({ task }) => handle.getsid(task),
  gettid: ({ task }) => handle.gettid(task),
  actsWithRealIds: ({ task }) => handle.actsWithRealIds(task),
  getuid: ({ task }) => handle.getuid(task),
  kill: ({ task }) => handle.kill(task, 1, 0),
  killpg: ({ task }) => handle.killpg(task, 2, 0),
  learnNamespaces: ({ task }) => handle.learnNamespaces(task),
  link: ({ task }) => handle.link(task, "a", "b"),
  loginTty: (w) => handle.loginTty(w.fd(handle.Terminal), [w.fd(), w.fd()]),
  mkdir: ({ task }) => handle.mkdir(task, "a"),
  mount: ({ task }) => handle.mount(task, "a", "b", "tmpfs", 0, "size=1"),
  open: ({ task }) => handle.open(task, "a", O.RDONLY),
  openpty: ({ task }) => handle.openpty(task, { rows: 1, columns: 1, width: 0, height: 0 }),
  pipe: ({ task }) => handle.pipe(task),
  pivotRoot: ({ task }) => handle.pivotRoot(task, "a", "b"),
  pollNow: (w) => handle.pollNow(w.fd(), POLL.IN),
  prlimit: ({ task }) => handle.prlimit(task, 0, 7, { cur: 1, max: 2n ** 64n - 1n }),
  readlink: ({ task }) => handle.readlink(task, "a"),
  removeTree: ({ task }) => handle.removeTree(task, "a"),
  rename: ({ task }) => handle.rename(task, "a", "b"),
  resetSignal: ({ task }) => handle.resetSignal(task, 10),
  rmdir: ({ task }) => handle.rmdir(task, "a"),
  schedGetaffinity: ({ task }) => handle.schedGetaffinity(task),
  schedSetaffinity: ({ task }) => handle.schedSetaffinity(task, 0, new Set([0])),
  setRobustFutex: ({ task }) =>
    Effect.flatMap(task.malloc(Bytes, 64), (memory) =>
      handle.setRobustFutex(task, memory as never, Pid(1)),
    ),
  setgid: ({ task }) => handle.setgid(task, 1),
  setgroups: ({ task }) => handle.setgroups(task, [1, 2]),
  sethostname: ({ task }) => handle.sethostname(task, "host"),
  setns: (w) => handle.setns(w.task, w.fd()),
  setpgid: ({ task }) => handle.setpgid(task, 0, 0),
  setpriority: ({ task }) => handle.setpriority(task, 0, 0, 1),
  setregid: ({ task }) => handle.setregid(task, ids),
  setresgid: ({ task }) => handle.setresgid(task, ids),
  setresuid: ({ task }) => handle.setresuid(task, ids),
  setreuid: ({ task }) => handle.setreuid(task, ids),
  setrlimit: ({ task }) => handle.setrlimit(task, 7, { cur: 1, max: 2 }),
  setsid: ({ task }) => handle.setsid(task),
  setuid: ({ task }) => handle.setuid(task, 1),
  sigaction: ({ task }) => handle.sigaction(task, SIG.USR1, { handler: 1 }),
  sigpending: ({ task }) => handle.sigpending(task),
  sigprocmask: ({ task }) => handle.sigprocmask(task, SigHow.BLOCK, new Set([1])),
  spawn: (w) =>
    Effect.flatMap(
      handle.spawn(w.task, {
        ...execOptions,
        path: "/bin/true",
        fds: new Map([[1, w.fd()]]),
        cwd: "/",
        deathSignal: undefined,
      }),
      ({ failure, freeStack }) => Effect.ensuring(failure(), freeStack()),
    ),
  stat: ({ task }) => handle.stat(task, "a"),
  statx: ({ task }) => handle.statx(task, "a"),
  symlink: ({ task }) => handle.symlink(task, "a", "b"),
  tgkill: ({ task }) => handle.tgkill(task, 1, 1, 0),
  truncate: ({ task }) => handle.truncate(task, "a", 1),
  umask: ({ task }) => handle.umask(task, 0o22),
  umount: ({ task }) => handle.umount(task, "a"),
  unlink: ({ task }) => handle.unlink(task, "a"),
  unshare: ({ task, random }) =>
    handle.unshare(task, random.of([CLONE.NEWUSER, CLONE.FILES | CLONE.NEWPID])),
  unshareFiles: ({ task }) => handle.unshareFiles(task),
  unshareUser: ({ task }) => handle.unshareUser(task, { uid: 0 }),
  utimens: ({ task }) => handle.utimens(task, "a", { atime: zero, mtime: zero }),
  writeUserMapping: ({ task }) => handle.writeUserMapping(task, { outside: { uid: 1, gid: 1 } }),

  "prctl.capAmbientClearAll": ({ task }) => handle.prctl.capAmbientClearAll(task),
  "prctl.capAmbientIsSet": ({ task }) => handle.prctl.capAmbientIsSet(task, 1),
  "prctl.capAmbientLower": ({ task }) => handle.prctl.capAmbientLower(task, 1),
  "prctl.capAmbientRaise": ({ task }) => handle.prctl.capAmbientRaise(task, 1),
  "prctl.capbsetDrop": ({ task }) => handle.prctl.capbsetDrop(task, 1),
  "prctl.capbsetRead": ({ task }) => handle.prctl.capbsetRead(task, 1),
  "prctl.getChildSubreaper": ({ task }) => handle.prctl.getChildSubreaper(task),
  "prctl.getDumpable": ({ task }) => handle.prctl.getDumpable(task),
  "prctl.getKeepcaps": ({ task }) => handle.prctl.getKeepcaps(task),
  "prctl.getName": ({ task }) => handle.prctl.getName(task),
  "prctl.getNoNewPrivs": ({ task }) => handle.prctl.getNoNewPrivs(task),
  "prctl.getPdeathsig": ({ task }) => handle.prctl.getPdeathsig(task),
  "prctl.setChildSubreaper": ({ task }) => handle.prctl.setChildSubreaper(task, true),
  "prctl.setDumpable": ({ task }) => handle.prctl.setDumpable(task, 1),
  "prctl.setKeepcaps": ({ task }) => handle.prctl.setKeepcaps(task, true),
  "prctl.setName": ({ task }) => handle.prctl.setName(task, "name"),
  "prctl.setNoNewPrivs": ({ task }) => handle.prctl.setNoNewPrivs(task),
  "prctl.setPdeathsig": ({ task }) => handle.prctl.setPdeathsig(task, 9),

  "Directory.make": ({ task }) => handle.Directory.make(task, "a"),
  "Directory.from": (w) => handle.Directory.from(w.fd()),
  "Directory#getdents": (w) => w.fd(handle.Directory).getdents(),
  "Directory#entries": (w) => w.fd(handle.Directory).entries(),
  "Directory#statuses": (w) => w.fd(handle.Directory).statuses(),
  "Directory#removeTree": (w) => w.fd(handle.Directory).removeTree("a"),
  "Directory#openat": (w) => w.fd(handle.Directory).openat("a", 0),
  "Directory#mkdirat": (w) => w.fd(handle.Directory).mkdirat("a"),
  "Directory#mknodat": (w) => w.fd(handle.Directory).mknodat("a", 0o100600),
  "Directory#unlinkat": (w) => w.fd(handle.Directory).unlinkat("a"),
  "Directory#symlinkat": (w) => w.fd(handle.Directory).symlinkat("a", "b"),
  "Directory#readlinkat": (w) => w.fd(handle.Directory).readlinkat("a"),
  "Directory#renameat": (w) => w.fd(handle.Directory).renameat("a", w.fd(), "b"),
  "Directory#linkat": (w) => w.fd(handle.Directory).linkat("a", w.fd(), "b"),
  "Directory#fstatat": (w) => w.fd(handle.Directory).fstatat("a"),
  "Directory#fchmodat": (w) => w.fd(handle.Directory).fchmodat("a", 0o600, AT.SYMLINK_NOFOLLOW),
  "Directory#faccessat": (w) => w.fd(handle.Directory).faccessat("a"),
  "Epoll.make": ({ task }) => handle.Epoll.make(task),
  "Epoll#set": (w) => w.fd(handle.Epoll).set(1, w.fd(), { events: 1, data: 1 }),
  "Epoll#delete": (w) => w.fd(handle.Epoll).delete(w.fd()),
  "Epoll#wait": (w) => w.fd(handle.Epoll).wait(8, 0),
  "Eventfd.make": ({ task }) => handle.Eventfd.make(task),
  "Eventfd#readCount": (w) => w.fd(handle.Eventfd).readCount(),
  "Eventfd#add": (w) => w.fd(handle.Eventfd).add(1),
  "FdTable#leave": (w) =>
    Effect.andThen(
      Effect.sync(() => w.fd()),
      w.task.fdTable.leave(w.task),
    ),
  "FdTable#close": ({ task }) => task.fdTable.close(Fd(9)),
  "FdTable#closeNow": ({ task }) =>
    Effect.suspend(() => task.fdTable.closeNow(Fd(9)) ?? Effect.void),
  "FileDescriptor.acquire": (w) =>
    handle.FileDescriptor.acquire(handle.FileDescriptor, w.task, Effect.succeed(Fd(9))),
  "FileDescriptor#close": (w) => w.fd().close(),
  "FileDescriptor#release": (w) => w.fd().release(),
  "FileDescriptor#forTask": (w) => w.fd().forTask(w.task),
  "FileDescriptor#inherit": (w) => w.fd().inherit(w.task),
  "FileDescriptor#move": (w) => w.fd().move(w.task),
  "FileDescriptor#moveToScope": (w) => w.fd().moveToScope(),
  "FileDescriptor#read": memory((buffer, w) => w.fd().read(buffer)),
  "FileDescriptor#readBytes": (w) => w.fd().readBytes(w.random.of([0, 1, 4096])),
  "FileDescriptor#write": memory((buffer, w) => w.fd().write(buffer)),
  "FileDescriptor#writeBytes": (w) => w.fd().writeBytes(text),
  "FileDescriptor#writeAllBytes": (w) => w.fd().writeAllBytes(text),
  "FileDescriptor#writeAllText": (w) => w.fd().writeAllText("text"),
  "FileDescriptor#lseek": (w) => w.fd().lseek(0, 2),
  "FileDescriptor#pread": memory((buffer, w) => w.fd().pread(buffer, 1)),
  "FileDescriptor#preadBytes": (w) => w.fd().preadBytes(10, 2n ** 60n),
  "FileDescriptor#pwrite": memory((buffer, w) => w.fd().pwrite(buffer, 1)),
  "FileDescriptor#pwriteBytes": (w) => w.fd().pwriteBytes(text, 1),
  "FileDescriptor#readv": memory((buffer, w) => w.fd().readv([buffer])),
  "FileDescriptor#writev": memory((buffer, w) => w.fd().writev([buffer])),
  "FileDescriptor#readvBytes": (w) => w.fd().readvBytes([1, 10, 100]),
  "FileDescriptor#writevBytes": (w) => w.fd().writevBytes([text, text]),
  "FileDescriptor#preadv2": memory((buffer, w) => w.fd().preadv2([buffer], 1)),
  "FileDescriptor#pwritev2": memory((buffer, w) => w.fd().pwritev2([buffer], 1)),
  "FileDescriptor#preadv2Bytes": (w) => w.fd().preadv2Bytes([1, 2], -1, 8),
  "FileDescriptor#pwritev2Bytes": (w) => w.fd().pwritev2Bytes([text], 1),
  "FileDescriptor#truncate": (w) => w.fd().truncate(1),
  "FileDescriptor#fsync": (w) => w.fd().fsync(),
  "FileDescriptor#fdatasync": (w) => w.fd().fdatasync(),
  "FileDescriptor#syncfs": (w) => w.fd().syncfs(),
  "FileDescriptor#syncFileRange": (w) => w.fd().syncFileRange(0, 1, 2),
  "FileDescriptor#fallocate": (w) => w.fd().fallocate(w.random.of([0, 3, 8]), 0, 1),
  "FileDescriptor#copyFileRange": (w) => w.fd().copyFileRange(w.fd(), 10, { from: 1 }),
  "FileDescriptor#ficlone": (w) => w.fd().ficlone(w.fd()),
  "FileDescriptor#ficlonerange": (w) => w.fd().ficlonerange(w.fd()),
  "FileDescriptor#posixFadvise": (w) => w.fd().posixFadvise(3),
  "FileDescriptor#utimens": (w) => w.fd().utimens({ atime: zero, mtime: zero }),
  "FileDescriptor#chown": (w) => w.fd().chown(1, -1),
  "FileDescriptor#fstatfs": (w) => w.fd().fstatfs(),
  "FileDescriptor#getxattr": (w) => w.fd().getxattr("user.a"),
  "FileDescriptor#setxattr": (w) => w.fd().setxattr("user.a", text),
  "FileDescriptor#listxattr": (w) => w.fd().listxattr(),
  "FileDescriptor#removexattr": (w) => w.fd().removexattr("user.a"),
  "FileDescriptor#flock": (w) => w.fd().flock(w.random.of([2, 6, 8])),
  "FileDescriptor#setRecordLock": (w) =>
    w.fd().setRecordLock(1, { start: 1 }, { wait: w.random.unit() < 0.5 }),
  "FileDescriptor#getRecordLock": (w) => w.fd().getRecordLock(1),
  "FileDescriptor#addSeals": (w) => w.fd().addSeals(1),
  "FileDescriptor#getSeals": (w) => w.fd().getSeals(),
  "FileDescriptor#pipeSize": (w) => w.fd().pipeSize(),
  "FileDescriptor#setPipeSize": (w) => w.fd().setPipeSize(4096),
  "FileDescriptor#ioctl": (w) =>
    w.random.of([
      w.fd().ioctl(IOCTL.LOOP_GET_STATUS64),
      w.fd().ioctl(IOCTL.TIOCSPGRP, 1),
      w.fd().ioctl(1, Int32),
      w.fd().ioctl(1, 2),
    ] as const),
  "FileDescriptor#linkTo": (w) => w.fd().linkTo("a", w.fd()),
  "FileLock.make": (w) => handle.FileLock.make(w.fd()),
  "FileLock#release": (w) => Effect.flatMap(handle.FileLock.make(w.fd()), (lock) => lock.release()),
  "RecordLock.make": (w) => handle.RecordLock.make(w.fd(), { length: 5 }),
  "RecordLock#release": (w) =>
    Effect.flatMap(handle.RecordLock.make(w.fd()), (lock) => lock.release()),
  "FileDescriptor#fcntl": (w) => w.fd().fcntl(F.GETFL),
  "FileDescriptor#statusFlags": (w) => w.fd().statusFlags(),
  "FileDescriptor#setNonblock": (w) => w.fd().setNonblock(),
  "FileDescriptor#setCloexec": (w) => w.fd().setCloexec(true),
  "FileDescriptor#fstat": (w) => w.fd().fstat(),
  "FileDescriptor#chmod": (w) => w.fd().chmod(0o600),
  "FileDescriptor#dup": (w) => w.fd().dup(),
  "FileDescriptor#dup3": (w) => w.fd().dup3(w.fd()),
  "FileDescriptor#reclassify": (w) => w.fd().reclassify(handle.Socket),
  "Fanotify.make": ({ task }) => handle.Fanotify.make(task),
  "Fanotify#mark": (w) => w.fd(handle.Fanotify).mark("a", 0x20, 1, { directory: w.fd() }),
  "Fanotify#flush": (w) => w.fd(handle.Fanotify).flush(),
  "Fanotify#readEvents": (w) =>
    Effect.flatMap(w.fd(handle.Fanotify).readEvents(), (events) =>
      Effect.forEach(events, (event) => Effect.ignore(w.fd(handle.Fanotify).allow(event))),
    ),
  "Fanotify#respond": (w) =>
    w
      .fd(handle.Fanotify)
      .respond({ mask: 0x10000, pid: 1, fd: w.fd(), pidfd: undefined, infos: [] }, 1),
  "Fanotify#allow": (w) =>
    w.fd(handle.Fanotify).allow({ mask: 1, pid: 1, fd: w.fd(), pidfd: undefined, infos: [] }),
  "Fanotify#deny": (w) =>
    w.fd(handle.Fanotify).deny({ mask: 1, pid: 1, fd: w.fd(), pidfd: undefined, infos: [] }),
  "Inotify.make": ({ task }) => handle.Inotify.make(task),
  "Inotify#addWatch": (w) => w.fd(handle.Inotify).addWatch("a", 1),
  "Inotify#rmWatch": (w) => w.fd(handle.Inotify).rmWatch(1),
  "Inotify#readEvents": (w) => w.fd(handle.Inotify).readEvents(),
  "Memfd.make": ({ task }) => handle.Memfd.make(task, "name"),
  "MemfdSecret.make": ({ task }) => handle.MemfdSecret.make(task),
  "MemoryMapping.make": (w) => handle.MemoryMapping.make(w.task, 8192, { fd: w.fd() }),
  "MemoryMapping#borrow": mapping((made, { task }) => made.borrow(task)),
  "MemoryMapping#forTask": mapping((made, { task }) => made.forTask(task)),
  "MemoryMapping#readBytes": mapping((made) => made.readBytes()),
  "MemoryMapping#writeBytes": mapping((made) => made.writeBytes(text)),
  "MemoryMapping#read": mapping((made) => made.read(Int32)),
  "MemoryMapping#write": mapping((made) => made.write(Int32, 1)),
  "MemoryMapping#mprotect": mapping((made) => made.mprotect(1)),
  "MemoryMapping#madvise": mapping((made) => made.madvise(4)),
  "MemoryMapping#msync": mapping((made) => made.msync()),
  "MemoryMapping#mlock": mapping((made) => made.mlock(0, 1, 1)),
  "MemoryMapping#munlock": mapping((made) => made.munlock()),
  "MemoryMapping#mincore": mapping((made) => made.mincore()),
  "MemoryMapping#mremap": mapping((made) => made.mremap(4096)),
  "MemoryMapping#munmap": mapping((made) => made.munmap(0, 4096)),
  "NamespaceFd.make": ({ task }) => handle.NamespaceFd.make(task, "net"),
  "NamespaceFd#userns": (w) => w.fd(handle.NamespaceFd).userns(),
  "NamespaceFd#parent": (w) => w.fd(handle.NamespaceFd).parent(),
  "NamespaceFd#nstype": (w) => w.fd(handle.NamespaceFd).nstype(),
  "NamespaceFd#ownerUid": (w) => w.fd(handle.NamespaceFd).ownerUid(),
  "Pidfd.make": ({ task }) => handle.Pidfd.make(task, 1),
  "Pidfd#sendSignal": (w) => w.fd(handle.Pidfd).sendSignal(0),
  "Pidfd#waitid": (w) => w.fd(handle.Pidfd).waitid(4),
  "Pidfd#getfd": (w) => w.fd(handle.Pidfd).getfd(Fd(1)),
  "Pointer#read": ({ task }) => Effect.flatMap(task.malloc(Timespec), (pointer) => pointer.read()),
  "Pointer#readInto": memory((pointer) => pointer.readInto(new Uint8Array(50))),
  "Pointer#free": memory((pointer) => pointer.free()),
  "Pointer#write": memory((pointer) => pointer.write(text)),
  "Pointer#split": memory((pointer, { random }) => pointer.split(random.below(120))),
  "Pointer#readableSplit": memory((pointer) => pointer.readableSplit(5)),
  "Pointer#merge": memory((pointer) =>
    Effect.flatMap(pointer.split(5), ([first, rest]) => first.merge(rest)),
  ),
  "PtyMaster.make": ({ task }) => handle.PtyMaster.make(task),
  "PtyMaster#unlock": (w) => w.fd(handle.PtyMaster).unlock(),
  "PtyMaster#ptsname": (w) => w.fd(handle.PtyMaster).ptsname(),
  "PtyMaster#openPeer": (w) => w.fd(handle.PtyMaster).openPeer(),
  "PtyMaster#read": memory((buffer, w) => w.fd(handle.PtyMaster).read(buffer)),
  "PtyMaster#readBytes": (w) => w.fd(handle.PtyMaster).readBytes(10),
  "SignalBlock.make": ({ task }) => handle.SignalBlock.make(task, new Set([1])),
  "SignalBlock#unblock": ({ task }) =>
    Effect.flatMap(handle.SignalBlock.make(task, new Set([1])), (made) => made.unblock()),
  "Signalfd.make": ({ task }) => handle.Signalfd.make(task, new Set([1])),
  "Signalfd#setMask": (w) => w.fd(handle.Signalfd).setMask(new Set([1])),
  "Signalfd#readSignals": (w) => w.fd(handle.Signalfd).readSignals(),
  "Directory.confirm": ({ task }) => handle.Directory.confirm(task, Fd(3)),
  "Epoll.confirm": ({ task }) => handle.Epoll.confirm(task, Fd(3)),
  "Pidfd.confirm": ({ task }) => handle.Pidfd.confirm(task, Fd(3)),
  "PipeReader.confirm": ({ task }) => handle.PipeReader.confirm(task, Fd(3)),
  "PipeWriter.confirm": ({ task }) => handle.PipeWriter.confirm(task, Fd(3)),
  "Socket.confirm": ({ task }) => handle.Socket.confirm(task, Fd(3)),
  "Socket.make": ({ task }) => handle.Socket.make(task, 1, 1),
  "Socket.pair": ({ task }) => handle.Socket.pair(task),
  refuseFds: (w) => handle.refuseFds(w.task, [w.fd(handle.Socket), w.fd(handle.Socket)]),
  writeAll: (w) =>
    handle.writeAll(
      5000,
      (done) => w.fd().writeBytes(new Uint8Array(5000 - done)),
      handle.nothingWritten("write", "fd 9"),
    ),
  "Socket#refuseFds": (w) => w.fd(handle.Socket).refuseFds(),
  "Socket.from": (w) => handle.Socket.from(w.fd()),
  "Socket#bind": (w) => w.fd(handle.Socket).bind(inet),
  "Socket#connect": (w) => w.fd(handle.Socket).connect(inet),
  "Socket#address": (w) => w.fd(handle.Socket).address(),
  "Socket#peerAddress": (w) => w.fd(handle.Socket).peerAddress(),
  "Socket#getOption": (w) => w.fd(handle.Socket).getOption(1, 1),
  "Socket#setOption": (w) => w.fd(handle.Socket).setOption(1, 1, 1),
  "Socket#listen": (w) => w.fd(handle.Socket).listen(1),
  "Socket#bindFree": (w) => w.fd(handle.Socket).bindFree(inet),
  "Socket#acceptFrom": (w) => w.fd(handle.Socket).acceptFrom(),
  "Socket#sendBytes": (w) => w.fd(handle.Socket).sendBytes(text),
  "Socket#sendAllBytes": (w) => w.fd(handle.Socket).sendAllBytes(text),
  "Socket#recvBytes": (w) => w.fd(handle.Socket).recvBytes(20),
  "Socket#sendTo": (w) => w.fd(handle.Socket).sendTo(text, inet),
  "Socket#receiveFrom": (w) => w.fd(handle.Socket).receiveFrom(20),
  "Socket#sendMessage": (w) =>
    w.fd(handle.Socket).sendMessage({ bytes: [text, text], fds: [w.fd()], control }),
  "Socket#sendMessages": (w) =>
    w.fd(handle.Socket).sendMessages([{ bytes: text }, { bytes: text, address: inet }]),
  "Socket#receiveMessage": (w) =>
    w.fd(handle.Socket).receiveMessage({ size: [3, 4], fds: 2, control: 100 }),
  "Socket#receiveMessages": (w) =>
    w.fd(handle.Socket).receiveMessages([{ size: 5, fds: 1 }, { size: 6 }]),
  "Socket#peerPidfd": (w) => w.fd(handle.Socket).peerPidfd(),
  "Socket#ifreq": (w) => w.fd(handle.Socket).ifreq(SIOC.GIFFLAGS, "lo", ifreqs.flags),
  "Socket#accept": (w) => w.fd(handle.Socket).accept(),
  "Socket#shutdown": (w) => w.fd(handle.Socket).shutdown(2),
  "Socket#send": memory((buffer, w) => w.fd(handle.Socket).send(buffer)),
  "Socket#recv": memory((buffer, w) => w.fd(handle.Socket).recv(buffer)),
  "Socket#sendFds": (w) => w.fd(handle.Socket).sendFds(text, [w.fd()]),
  "Socket#receiveFds": (w) => w.fd(handle.Socket).receiveFds(10, 3),
  "Socket#peerCredentials": (w) => w.fd(handle.Socket).peerCredentials(),
  "Task#leave": ({ task }) => task.leave(),
  "Task#malloc": ({ task, random }) => task.malloc(Bytes, random.below(2 ** 20)),
  "Task#ptr": ({ task }) => task.ptr("text"),
  "Task#withMemory": ({ task }) => task.withMemory(10, 1, () => Effect.void),
  "Task#withBytes": ({ task }) => task.withBytes(text, () => Effect.void),
  "Task#withValue": ({ task }) => task.withValue(Int32, 1, () => Effect.void),
  "Task#withResult": ({ task }) => handle.prctl.getPdeathsig(task),
  "Task#withPath": ({ task }) => task.withPath("open", "a", () => Effect.void),
  "Terminal#winsize": (w) => w.fd(handle.Terminal).winsize(),
  "Terminal#setWinsize": (w) =>
    w.fd(handle.Terminal).setWinsize({ rows: 1, columns: 1, width: 1, height: 1 }),
  "Terminal#tcgetattr": (w) => w.fd(handle.Terminal).tcgetattr(),
  "Terminal#tcsetattr": (w) =>
    w.fd(handle.Terminal).tcsetattr({
      iflag: 0,
      oflag: 0,
      cflag: 0,
      lflag: 0,
      line: 0,
      cc: Array.from({ length: 19 }, () => 0),
    }),
  "Terminal#tcflush": (w) => w.fd(handle.Terminal).tcflush(0),
  "Terminal#tcgetsid": (w) => w.fd(handle.Terminal).tcgetsid(),
  "Terminal#giveUpControlling": (w) => w.fd(handle.Terminal).giveUpControlling(),
  "Terminal#makeControlling": (w) => w.fd(handle.Terminal).makeControlling(),
  "Terminal#foreground": (w) => w.fd(handle.Terminal).foreground(),
  "Terminal#setForeground": (w) => w.fd(handle.Terminal).setForeground(Pid(1)),
  "Timerfd.make": ({ task }) => handle.Timerfd.make(task, CLOCK.MONOTONIC),
  "Timerfd#settime": (w) => w.fd(handle.Timerfd).settime({ value: zero }),
  "Timerfd#disarm": (w) => w.fd(handle.Timerfd).disarm(),
  "Timerfd#gettime": (w) => w.fd(handle.Timerfd).gettime(),
  "Timerfd#readExpirations": (w) => w.fd(handle.Timerfd).readExpirations(),
};

const {
  AsyncEventfd,
  AsyncFanotify,
  AsyncInotify,
  AsyncPidfd,
  AsyncPty,
  AsyncSignalfd,
  AsyncTimerfd,
} = epoller;

const rtnetlink =
  (use: (links: handle.Rtnetlink) => Effect.Effect<unknown, unknown, Scope.Scope>): Operation =>
  ({ task }) =>
    Effect.flatMap(handle.Rtnetlink.make(task), use);

const networkOperations: Record<string, Operation> = {
  netlinkRequest: (w) =>
    handle.netlinkRequest(w.fd(handle.Socket), { type: 18, payload: text, name: "RTM_GETLINK" }),
  "Rtnetlink.make": rtnetlink(() => Effect.void),
  "Rtnetlink#links": rtnetlink((links) => links.links()),
  "Rtnetlink#link": rtnetlink((links) => links.link("lo")),
  "Rtnetlink#addLink": rtnetlink((links) =>
    links.addLink({ name: "a", kind: "veth", peer: { name: "b", master: "c" } }),
  ),
  "Rtnetlink#setLink": rtnetlink((links) => links.setLink("lo", { up: true })),
  "Rtnetlink#deleteLink": rtnetlink((links) => links.deleteLink(2)),
  "Rtnetlink#addresses": rtnetlink((links) => links.addresses()),
  "Rtnetlink#addAddress": rtnetlink((links) => links.addAddress(2, network)),
  "Rtnetlink#deleteAddress": rtnetlink((links) => links.deleteAddress(2, network)),
  "Rtnetlink#routes": rtnetlink((links) => links.routes()),
  "Rtnetlink#addRoute": rtnetlink((links) =>
    links.addRoute({ destination: network, interface: 2 }),
  ),
  "Rtnetlink#deleteRoute": rtnetlink((links) => links.deleteRoute({ destination: network })),
  "Tun.make": ({ task }) => handle.Tun.make(task),
  "Tun#name": (w) => w.fd(handle.Tun).name(),
};

const epollerOperations: Record<string, Operation> = {
  "AsyncEventfd.make": withMade(handle.Eventfd, AsyncEventfd.make, () => Effect.void),
  "AsyncEventfd#wait": withMade(handle.Eventfd, AsyncEventfd.make, (made) => made.wait()),
  "AsyncEventfd#counts": withMade(handle.Eventfd, AsyncEventfd.make, ({ counts }) => some(counts)),
  "AsyncEventfd#add": withMade(handle.Eventfd, AsyncEventfd.make, (made) => made.add(3)),
  "AsyncEventfd#close": withMade(handle.Eventfd, AsyncEventfd.make, (made) => made.close()),
  "AsyncFileDescriptor.make": socketAfd(() => Effect.void),
  "AsyncFileDescriptor#readInto": socketAfd((afd, { task }) =>
    task.withMemory(64, 1, (at) => afd.readInto(at, 64)),
  ),
  "AsyncFileDescriptor#writeFrom": socketAfd((afd, { task }) =>
    task.withMemory(64, 1, (at) => afd.writeFrom(at, 64)),
  ),
  "AsyncFileDescriptor#sendFrom": socketAfd((afd, { task }) =>
    task.withMemory(64, 1, (at) => afd.sendFrom(at, 64)),
  ),
  "AsyncFileDescriptor#read": socketAfd((afd, w) =>
    Effect.flatMap(w.task.malloc(Bytes, 100), (buffer) => afd.read(buffer)),
  ),
  "AsyncFileDescriptor#readBytes": socketAfd((afd) => afd.readBytes()),
  "AsyncFileDescriptor#takeBytes": socketAfd((afd) => afd.takeBytes(10, (bytes) => bytes.length)),
  "AsyncFileDescriptor#writeAllFrom": socketAfd((afd, { task }) =>
    task.withMemory(64, 1, (at) => afd.writeAllFrom(at, 64)),
  ),
  "AsyncFileDescriptor#writeAllBytes": socketAfd((afd) => afd.writeAllBytes(text)),
  "AsyncFileDescriptor#sendAllBytes": socketAfd((afd) => afd.sendAllBytes(text)),
  "AsyncFileDescriptor#accept": socketAfd((afd) => afd.accept()),
  "AsyncFileDescriptor#acceptFrom": socketAfd((afd) => afd.acceptFrom()),
  "AsyncFileDescriptor#connect": socketAfd((afd) => afd.connect(inet)),
  "AsyncFileDescriptor#acceptHandle": socketAfd((afd) => afd.acceptHandle()),
  "AsyncFileDescriptor#sendBytes": socketAfd((afd) => afd.sendBytes(text)),
  "AsyncFileDescriptor#sendTo": socketAfd((afd) => afd.sendTo(text, inet)),
  "AsyncFileDescriptor#sendFds": socketAfd((afd, w) => afd.sendFds(text, [w.fd()])),
  "AsyncFileDescriptor#sendMessage": socketAfd((afd) => afd.sendMessage({ bytes: text, control })),
  "AsyncFileDescriptor#sendMessages": socketAfd((afd) =>
    afd.sendMessages([{ bytes: text }, { bytes: text, address: inet }]),
  ),
  "AsyncFileDescriptor#receiveFrom": socketAfd((afd) => afd.receiveFrom(20)),
  "AsyncFileDescriptor#receiveMessage": socketAfd((afd) => afd.receiveMessage({ fds: 2 })),
  "AsyncFileDescriptor#receiveMessages": socketAfd((afd) =>
    afd.receiveMessages([{ size: 5, fds: 1 }, { size: 6 }]),
  ),
  "AsyncFileDescriptor#recvBytes": socketAfd((afd) => afd.recvBytes()),
  "AsyncFileDescriptor#receiveFds": socketAfd((afd) => afd.receiveFds(10, 2)),
  "AsyncFileDescriptor#close": socketAfd((afd) => afd.close()),
  "AsyncFileDescriptor#stream": socketAfd((afd) => some(afd.stream())),
  "AsyncFileDescriptor#sink": socketAfd((afd) => Stream.run(Stream.make(text), afd.sink)),
  "AsyncFileDescriptor#sendSink": socketAfd((afd) => Stream.run(Stream.make(text), afd.sendSink())),
  "AsyncFileDescriptor#spliceTo": socketAfd((afd, w) =>
    Effect.flatMap(w.afd(handle.Socket), (to) => afd.spliceTo(to)),
  ),
  "AsyncFileDescriptor#sendFile": socketAfd((afd, w) => afd.sendFile(w.fd())),
  "AsyncFileDescriptor#whenReady": socketAfd((afd) =>
    afd.whenReady(EPOLL.IN, Effect.succeed("ready")),
  ),
  "AsyncFileDescriptor#waitForRdhup": socketAfd((afd) => afd.waitForRdhup()),
  "AsyncFanotify.make": withMade(handle.Fanotify, AsyncFanotify.make, () => Effect.void),
  "AsyncFanotify#readEvents": withMade(handle.Fanotify, AsyncFanotify.make, (made) =>
    made.readEvents(),
  ),
  "AsyncFanotify#close": withMade(handle.Fanotify, AsyncFanotify.make, (made) => made.close()),
  "AsyncInotify.make": withMade(handle.Inotify, AsyncInotify.make, () => Effect.void),
  "AsyncInotify#watch": withMade(handle.Inotify, AsyncInotify.make, (made) => made.watch("a", 1)),
  "AsyncInotify#events": withMade(handle.Inotify, AsyncInotify.make, (made) =>
    some(made.events("a", 1)),
  ),
  "AsyncInotify#close": withMade(handle.Inotify, AsyncInotify.make, (made) => made.close()),
  "AsyncPidfd.make": withMade(handle.Pidfd, AsyncPidfd.make, () => Effect.void),
  "AsyncPidfd#ended": withMade(handle.Pidfd, AsyncPidfd.make, (made) => made.ended()),
  "AsyncPidfd#exit": withMade(handle.Pidfd, AsyncPidfd.make, (made) => made.exit()),
  "AsyncPidfd#close": withMade(handle.Pidfd, AsyncPidfd.make, (made) => made.close()),
  "AsyncPty.make": withMade(handle.PtyMaster, AsyncPty.make, () => Effect.void),
  "AsyncPty#readBytes": withMade(handle.PtyMaster, AsyncPty.make, (made) => made.readBytes()),
  "AsyncPty#stream": withMade(handle.PtyMaster, AsyncPty.make, (made) => some(made.stream())),
  "AsyncPty#writeAllBytes": withMade(handle.PtyMaster, AsyncPty.make, (made) =>
    made.writeAllBytes(text),
  ),
  "AsyncPty#sink": withMade(handle.PtyMaster, AsyncPty.make, (made) =>
    Stream.run(Stream.make(text), made.sink),
  ),
  "AsyncPty#close": withMade(handle.PtyMaster, AsyncPty.make, (made) => made.close()),
  "AsyncReadBuffer#readLength": reader((buffer) => buffer.readLength(5)),
  "AsyncReadBuffer#readStruct": reader((buffer) => buffer.readStruct(Timespec)),
  "AsyncReadBuffer#readLengthPrefixed": reader((buffer) => buffer.readLengthPrefixed(100)),
  "AsyncReadBuffer#readLengthPrefixedArray": reader((buffer) =>
    buffer.readLengthPrefixedArray(3, 100),
  ),
  "AsyncReadBuffer#readEnvp": reader((buffer) => buffer.readEnvp(3, 100)),
  "AsyncReadBuffer#readUntilDelimiter": reader((buffer) =>
    buffer.readUntilDelimiter(Uint8Array.of(1, 2)),
  ),
  "AsyncReadBuffer#readNetstring": reader((buffer) => buffer.readNetstring()),
  "AsyncReadBuffer#readLine": reader((buffer) => buffer.readLine()),
  "AsyncSignalfd.make": withMade(handle.Signalfd, AsyncSignalfd.make as never, () => Effect.void),
  "AsyncSignalfd#wait": withMade(
    handle.Signalfd,
    AsyncSignalfd.make as never,
    (made: epoller.AsyncSignalfd) => made.wait(),
  ),
  "AsyncSignalfd#stream": withMade(
    handle.Signalfd,
    AsyncSignalfd.make as never,
    ({ stream }: epoller.AsyncSignalfd) => some(stream),
  ),
  "AsyncSignalfd#close": withMade(
    handle.Signalfd,
    AsyncSignalfd.make as never,
    (made: epoller.AsyncSignalfd) => made.close(),
  ),
  "AsyncTimerfd.make": withMade(handle.Timerfd, AsyncTimerfd.make, () => Effect.void),
  "AsyncTimerfd#expirations": withMade(handle.Timerfd, AsyncTimerfd.make, (made) =>
    Effect.timeout(made.expirations() as never, "1 second"),
  ),
  "AsyncTimerfd#stream": withMade(handle.Timerfd, AsyncTimerfd.make, (made) => some(made.stream)),
  "AsyncTimerfd#close": withMade(handle.Timerfd, AsyncTimerfd.make, (made) => made.close()),
  "Epoller.makeRoot": (w) => w.epoller,
  "Epoller#watch": (w) => Effect.flatMap(w.epoller, (one) => one.watch(w.fd(), () => {})),
  "Epoller#register": (w) => Effect.flatMap(w.epoller, (one) => one.register(w.fd())),
  "Epoller#registerLater": (w) =>
    Effect.flatMap(w.epoller, (one) =>
      Effect.flatMap(Effect.scope, (scope) => one.registerLater(w.fd(), scope).wait(1)),
    ),
  "Epoller#waitFor": (w) => Effect.flatMap(w.epoller, (one) => one.waitFor(w.fd(), 1)),
  "Epoller#holding": (w) => Effect.flatMap(w.epoller, (one) => one.holding(Effect.void)),
};

const threadOperations: Record<string, Operation> = {
  "ChildProcess.watch": child(() => Effect.void),
  "ChildProcess#wait": child(({ process }) => process.wait()),
  "ChildProcess#ended": child(({ process }) => process.ended()),
  "ChildProcess#check": child(({ process }) => process.check()),
  "ChildProcess#waitFor": child(({ process }) => process.waitFor(2)),
  "ChildProcess#kill": child(({ process }) => process.kill()),
  "ChildProcess#killAndWait": child(({ process }) => process.killAndWait()),
  "ChildProcess#killpg": child(({ process }) => process.killpg()),
  "ChildProcess#pidIn": child(({ process }, { task }) => process.pidIn(task)),
  "ChildProcess#signalling": child(({ process }) => process.signalling()),
  "ChildProcess#pgid": child(({ process }) => process.pgid()),
  "ChildProcess#setpgid": child(({ process }) => process.setpgid()),
  "ChildThread#exec": child((child) => child.exec(program)),
  "Thread#epoller": (w) => w.thread.epoller(),
  "Thread#ptr": (w) => w.thread.ptr("a"),
  "Thread#malloc": (w) => w.thread.malloc(CString, 10),
  "Thread#open": (w) => w.thread.open("a"),
  "Thread#socket": (w) => w.thread.socket(1, 1),
  "Thread#pipe": (w) => w.thread.pipe(),
  "Thread#makeAfd": (w) => w.thread.makeAfd(w.fd()),
  "Thread#readToEof": (w) => w.thread.readToEof(w.fd()),
  "Thread#stream": (w) => some(w.thread.stream(w.fd())),
  "Thread#writeAll": (w) => w.thread.writeAll(w.fd(), text),
  "Thread#sink": (w) => Stream.run(Stream.make(text), w.thread.sink(w.fd())),
  "Thread#readTextToEof": (w) => w.thread.readTextToEof(w.fd()),
  "Thread#spit": (w) => w.thread.spit("a", "text"),
  "Thread#slurp": (w) => w.thread.slurp("a"),
  "Thread#exit": (w) => w.thread.exit(0),
  "Thread#raise": (w) => w.thread.raise(10),
  "Thread#clone": (w) => w.thread.clone(w.random.of([0, CLONE.FILES, CLONE.NEWUSER, CLONE.NEWPID])),
  "Thread#fork": (w) => w.thread.fork(),
  "Thread#which": (w) => w.thread.which("true"),
  "Thread#mkdtemp": (w) => w.thread.mkdtemp(),
  "Thread#mkstemp": (w) => w.thread.mkstemp(),
  "Thread#spawn": (w) => w.thread.spawn(program),
  "Thread#run": (w) => w.thread.run(program, { cwd: "/", stdout: w.fd() }),
  "Thread#exec": (w) => w.thread.exec(program),
  "Thread#execve": (w) => w.thread.execve("a", ["a"]),
  "Thread#execveat": (w) => w.thread.execveat(w.fd(), "a", ["a"]),
  "Thread#unshare": (w) => w.thread.unshare(CLONE.NEWUSER | CLONE.FILES | CLONE.NEWNS),
  "Thread#chroot": (w) => w.thread.chroot("a"),
  "Thread#unshareFiles": (w) => w.thread.unshareFiles(),
  makeEpoller: (w) => thread.makeEpoller(w.task, w.thread.connection),
  mkdtemp: (w) => thread.mkdtemp(w.task, w.thread.environ),
  mkstemp: (w) => thread.mkstemp(w.task, w.thread.environ),
  whichAll: (w) => thread.whichAll(w.task, w.thread.environ, "true"),
  which: (w) => thread.which(w.task, w.thread.environ, "true"),
};

const fs =
  (use: (fs: FileSystem.FileSystem) => Effect.Effect<unknown, unknown, Scope.Scope>): Operation =>
  ({ thread }) =>
    use(platform.ThreadFileSystem.make(thread));

const file = (use: (file: FileSystem.File) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
  fs((fs) => Effect.flatMap(fs.open("a", { flag: "r+" }), use));

const spawner =
  (
    use: (
      spawner: ChildProcessSpawner.ChildProcessSpawner["Service"],
    ) => Effect.Effect<unknown, unknown, Scope.Scope>,
  ): Operation =>
  ({ thread }) =>
    use(platform.ThreadChildProcessSpawner.make(thread));

const command = ChildProcess.make("/bin/true", ["x"]);

const stdio =
  (use: (stdio: Stdio.Stdio) => Effect.Effect<unknown, unknown, Scope.Scope>): Operation =>
  ({ call }) =>
    Effect.provide(Effect.flatMap(Stdio.Stdio, use), platform.StubStdio.layer(call));

const terminal =
  (use: (terminal: Terminal.Terminal) => Effect.Effect<unknown, unknown, Scope.Scope>): Operation =>
  ({ call }) =>
    Effect.flatMap(platform.StubTerminal.make(call), use);

const platformOperations: Record<string, Operation> = {
  "FileSystem#access": fs((fs) => fs.access("a")),
  "FileSystem#chmod": fs((fs) => fs.chmod("a", 0o600)),
  "FileSystem#chown": fs((fs) => fs.chown("a", 1, 1)),
  "FileSystem#copy": fs((fs) => fs.copy("a", "b")),
  "FileSystem#copyFile": fs((fs) => fs.copyFile("a", "b")),
  "FileSystem#exists": fs((fs) => fs.exists("a")),
  "FileSystem#glob": fs((fs) => fs.glob("*", { cwd: "/" } as never)),
  "FileSystem#link": fs((fs) => fs.link("a", "b")),
  "FileSystem#lstat": fs((fs) => fs.lstat("a")),
  "FileSystem#makeDirectory": fs((fs) => fs.makeDirectory("a/b", { recursive: true })),
  "FileSystem#makeTempDirectory": fs((fs) => fs.makeTempDirectory()),
  "FileSystem#makeTempDirectoryScoped": fs((fs) => fs.makeTempDirectoryScoped()),
  "FileSystem#makeTempFile": fs((fs) => fs.makeTempFile()),
  "FileSystem#makeTempFileScoped": fs((fs) => fs.makeTempFileScoped()),
  "FileSystem#open": fs((fs) => fs.open("a")),
  "FileSystem#readDirectory": fs((fs) => fs.readDirectory("a", { recursive: true })),
  "FileSystem#readDirectoryEntries": fs((fs) => fs.readDirectoryEntries("a")),
  "FileSystem#readFile": fs((fs) => fs.readFile("a")),
  "FileSystem#readFileString": fs((fs) => fs.readFileString("a")),
  "FileSystem#readLink": fs((fs) => fs.readLink("a")),
  "FileSystem#realPath": fs((fs) => fs.realPath("a/../b")),
  "FileSystem#remove": fs((fs) => fs.remove("a", { recursive: true })),
  "FileSystem#rename": fs((fs) => fs.rename("a", "b")),
  "FileSystem#sink": fs((fs) => Stream.run(Stream.make(text), fs.sink("a"))),
  "FileSystem#stat": fs((fs) => fs.stat("a")),
  "FileSystem#stream": fs((fs) => some(fs.stream("a"))),
  "FileSystem#symlink": fs((fs) => fs.symlink("a", "b")),
  "FileSystem#truncate": fs((fs) => fs.truncate("a", 1)),
  "FileSystem#utimes": fs((fs) => fs.utimes("a", 1, 2)),
  "FileSystem#watch": fs((fs) => some(fs.watch("a", { recursive: true }))),
  "FileSystem#writeFile": fs((fs) => fs.writeFile("a", text)),
  "FileSystem#writeFileString": fs((fs) => fs.writeFileString("a", "text")),
  "File#stat": file((file) => file.stat),
  "File#sync": file((file) => file.sync),
  "File#seek": file((file) => file.seek(1n as never, "start")),
  "File#read": file((file) => file.read(new Uint8Array(100))),
  "File#readAlloc": file((file) => file.readAlloc(100 as never)),
  "File#truncate": file((file) => file.truncate(1 as never)),
  "File#write": file((file) => file.write(text)),
  "File#writeAll": file((file) => file.writeAll(text)),
  "Spawner#spawn": spawner((spawner) => spawner.spawn(command)),
  "Spawner#exitCode": spawner((spawner) => spawner.exitCode(command)),
  "Spawner#lines": spawner((spawner) => spawner.lines(command)),
  "Spawner#streamLines": spawner((spawner) => some(spawner.streamLines(command))),
  "Spawner#streamString": spawner((spawner) => some(spawner.streamString(command))),
  "Spawner#string": spawner((spawner) => spawner.string(ChildProcess.pipeTo(command, command))),
  "Stdio#args": stdio((stdio) => stdio.args),
  "Stdio#stdin": stdio((stdio) => some(stdio.stdin)),
  "Stdio#stdout": stdio((stdio) => Stream.run(Stream.make("text"), stdio.stdout())),
  "Stdio#stderr": stdio((stdio) => Stream.run(Stream.make("text"), stdio.stderr())),
  "Stdio#stdinIsTerminal": stdio((stdio) => stdio.stdinIsTerminal),
  "Stdio#stdoutIsTerminal": stdio((stdio) => stdio.stdoutIsTerminal),
  "Stdio#stderrIsTerminal": stdio((stdio) => stdio.stderrIsTerminal),
  "Terminal#columns": terminal((terminal) => terminal.columns),
  "Terminal#rows": terminal((terminal) => terminal.rows),
  "Terminal#size": terminal((terminal) => terminal.size),
  "Terminal#readInput": terminal((terminal) => terminal.readInput),
  "Terminal#readLine": terminal((terminal) => terminal.readLine),
  "Terminal#display": terminal((terminal) => terminal.display("text")),
};

/** What a process may be asked for, by the name of the package and of the operation. */
export const operations: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  handle: { ...handleOperations, ...networkOperations },
  epoller: epollerOperations,
  thread: threadOperations,
  platform: platformOperations,
};

/** Public names that ask no process for anything, or that other operations are made of. */
const passive: ReadonlySet<string> = new Set([
  "encode",
  "execStrings",
  "fieldsOf",
  "inPieces",
  "namespaceKindsOf",
  "checkKernel",
  "nothingWritten",
  "once",
  "platformError",
  "Eventfd.encodeCount",
  "ChildState.from",
  "Pointer.make",
  "Pointer#borrow",
  "Pointer#writeEncoded",
  "Epoll#use",
  "FileDescriptor#borrow",
  "FileDescriptor#number",
  "FileDescriptor.opened",
  "FileDescriptor.releaseAll",
  "FileDescriptor.releaseNow",
  "FileDescriptor#use",
  "FileDescriptor#useWhenReady",
  "FileDescriptor#narrow",
  "FileDescriptor#disown",
  "FdTable#add",
  "FdTable#remove",
  "FdTable#opened",
  "FdTable#disown",
  "FdTable#join",
  "FdTable#isOnlyOf",
  "FdTable#copy",
  "FdTable#inherited",
  "FdTable#closedOnFork",
  "FdTable#notOf",
  "FdTable#closable",
  "FdTable#closed",
  // Of this process.
  "LocalTask.make",
  "Task#atLeave",
  "Task#decorate",
  "Task#namespaces",
  "Task#childNamespaces",
  "Thread#trace",
  "tracing",
  "Epoller.makeSubsidiary",
  "Epoller#nested",
  // For descriptors of this process; undefined for others.
  "Epoller#watchNow",
  "Epoller#hold",
  "Epoller#letGo",
  "ChildProcess#executes",
  "Thread#with",
  "NativeLoader.makeFromSymbols",
]);

/** Classes that are values, or of which nothing is a task's. */
const passiveClasses: ReadonlySet<string> = new Set([
  "ChildState",
  "Command",
  "Environment",
  "LocalThread",
  "NativeFunction",
  "ProgramSignals",
  "Readiness",
]);

/** Getters that give what is known already. */
const isValue = (name: string): boolean =>
  /#(is[A-Z]\w*|invalidError|address|near|length|abi|sysif|inheritedDecorators|state|task|command|ancestor|toString|toJSON)$/.test(
    name,
  ) && name !== "Socket#address";

/** The public operations of a package, by what it exports. */
const exported = (module: object): ReadonlyArray<string> =>
  Object.entries(module).flatMap(([name, value]) => {
    if (typeof value === "object")
      return name === "prctl" ? Object.keys(value).map((key) => `${name}.${key}`) : [];
    if (typeof value !== "function") return [];
    if (!/^class\b/.test(Function.prototype.toString.call(value))) return [name];
    if (value.prototype instanceof Error || passiveClasses.has(name)) return [];
    const statics = Object.getOwnPropertyNames(value)
      .filter((key) => typeof value[key] === "function")
      .map((key) => `${name}.${key}`);
    const methods = Object.getOwnPropertyNames(value.prototype)
      .filter((key) => key !== "constructor")
      .map((key) => `${name}#${key}`);
    return [...statics, ...methods];
  });

/** The methods of Effect's services, as they are made. */
const service = (name: string, value: object): ReadonlyArray<string> =>
  Object.keys(value)
    .filter((key) => !key.startsWith("~"))
    .map((key) => `${name}#${key}`);

/** Public operations that are not in the table, by package. */
export const missing = (world: World): Effect.Effect<ReadonlyArray<string>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { call } = world;
    const services = [
      ...service("FileSystem", platform.ThreadFileSystem.make(world.thread)),
      ...service("Spawner", platform.ThreadChildProcessSpawner.make(world.thread)),
      ...service("Terminal", yield* platform.StubTerminal.make(call)),
      ...service(
        "Stdio",
        yield* Effect.provide(
          Effect.flatMap(Stdio.Stdio, Effect.succeed),
          platform.StubStdio.layer(call),
        ),
      ),
    ];
    const all = {
      handle: exported(handle),
      epoller: exported(epoller),
      thread: exported(thread),
      platform: [...exported(platform), ...services],
    };
    return Object.entries(all).flatMap(([name, known]) =>
      known
        .filter((key) => !passive.has(key) && !isValue(key))
        .filter((key) => operations[name]?.[key] === undefined)
        .map((key) => `${name}: ${key}`),
    );
  });
