import { readdirSync, readFileSync } from "node:fs";
import { AF, CLOCK, EPOLL, EPOLL_CTL, O, RLIMIT, SIG, SigHow, SOCK, Utsname } from "@rsyscall/abi";
import {
  connectUnix,
  Epoll,
  getcwd,
  getrlimit,
  Memfd,
  mkdir,
  open,
  rename,
  rmdir,
  Signalfd,
  Socket,
  sigprocmask,
  stat,
  symlink,
  Timerfd,
  unlink,
} from "@rsyscall/handle";
import {
  describeUnless,
  execute,
  it,
  missing,
  start,
  tempDirectory,
  wires,
} from "@rsyscall/harness";
import { getpid, straceLine, uname } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";

/** Why nothing can be traced here: a program is missing, or the kernel does not let it. */
const noStrace =
  missing("strace") ??
  ((await Effect.runPromise(execute("strace", ["-qq", "-o", "/dev/null", "true"]))).status === 0
    ? undefined
    : "ptrace(2) is not permitted");

/** A line of either trace without what differs by its nature: times, padding, and the order of flags. */
const comparable = (line: string): string =>
  line
    .replace(/^(\d+ +)?\d\d:\d\d:\d\d\.\d+ /, "")
    .replace(/ <\d+\.\d+( behind \d+)?>$/, "")
    .replace(/\) += /, ") = ")
    .replace(/, si_utime=.*si_stime=[^}]*}/, ", ...}")
    .replace(/[A-Z0-9_]+(\|[A-Z0-9_]+)+/g, (flags) => flags.split("|").sort().join("|"))
    .trimEnd();

const some = (thread: Thread, directory: string) =>
  Effect.gen(function* () {
    const { task } = thread;
    yield* getpid(task.sysif);
    const file = yield* open(task, "/etc/hostname", O.RDONLY);
    yield* file.readBytes(65_536);
    yield* file.readBytes(10);
    yield* stat(task, "/etc/hostname");
    yield* Effect.flip(
      open(task, `${directory}/none\x1b`, O.RDWR | O.CREAT | O.EXCL | O.DIRECTORY),
    );
    const [reader, writer] = yield* thread.pipe();
    yield* writer.writeBytes(new Uint8Array([9, 0, 1, 0x31, 0xff, 34, 92, 127, 0xc3, 0xa4]));
    yield* writer.writeBytes(new TextEncoder().encode("long".repeat(20)));
    yield* reader.readBytes(1000);
    yield* Effect.flip(reader.writeBytes(new Uint8Array(1)));
    const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
    yield* Effect.flip(connectUnix(socket, `${directory}/nowhere`));
    const [one, two] = yield* Socket.pair(task);
    yield* one.sendFds(new TextEncoder().encode("fds"), [reader, writer]);
    yield* two.receiveFds(100, 5);
    const inet = yield* Socket.make(task, AF.INET6, SOCK.STREAM);
    yield* inet.bind({ family: "inet6", address: "::1", port: 0 });
    yield* inet.address();
    yield* inet.listen(5);
    yield* mkdir(task, `${directory}/a`, 0o700);
    yield* rename(task, `${directory}/a`, `${directory}/b`);
    yield* rmdir(task, `${directory}/b`);
    yield* symlink(task, "to", `${directory}/link`);
    yield* unlink(task, `${directory}/link`);
    yield* Memfd.make(task, "name");
    yield* Timerfd.make(task, CLOCK.MONOTONIC);
    yield* getcwd(task);
    yield* task.withResult(Utsname, (buffer) => uname(task.sysif, buffer));
    yield* getrlimit(task, RLIMIT.NOFILE);
    yield* sigprocmask(task, SigHow.BLOCK, new Set([SIG.USR1, SIG.TERM]));
    yield* Signalfd.make(task, new Set([SIG.USR1]));
    const epoll = yield* Epoll.make(task);
    yield* epoll.set(EPOLL_CTL.ADD, reader, { events: EPOLL.IN | EPOLL.ET, data: 5 });
    yield* file.close();
  });

describeUnless(noStrace, "beside strace", () => {
  for (const [wire, launchStub] of wires)
    it(`a stub makes the same calls, with the same arguments and results, ${wire}`, function* () {
      const { call } = yield* launchStub;
      const { thread } = call;
      // A stub that has answered has done all that it does by itself.
      yield* getpid(thread.task.sysif);
      // What it has open for its server.
      const own = readdirSync(`/proc/${call.pid}/fd`)
        .map(Number)
        .filter((fd) => fd > 2);
      const directory = yield* tempDirectory;
      const file = `${directory}/strace`;
      const strace = yield* start("sh", [
        ...["-c", 'exec strace "$@" 2>&1', "strace"],
        ...["-f", "-tt", "-T", "-o", file, "-p", String(call.pid)],
      ]);
      // A process has its tracer (TracerPid) before it is stopped, and until then its calls are not seen.
      yield* strace.line((line) => line.endsWith(" attached"));
      const lines: Array<string> = [];
      yield* Effect.scoped(
        Effect.andThen(
          thread.trace(({ _tag, call }) => {
            if (_tag === "Ended") lines.push(straceLine(call));
          }),
          // The last call comes behind the descriptors that the scope closes.
          Effect.andThen(
            Effect.scoped(some(thread, directory)),
            Effect.suspend(() => getpid(thread.task.sysif)),
          ),
        ),
      );
      yield* strace.kill("SIGINT");
      yield* strace.ended;
      const ours = lines.map(comparable);
      const theirs = readFileSync(file, "utf8").trimEnd().split("\n").map(comparable);
      const fds = [thread.task.sysif.activityFd, ...own];
      const isPlumbing = (line: string, i: number) =>
        fds.some((fd) => new RegExp(String.raw`^[a-z]+\((\[\{fd=)?${fd}\b`).test(line)) ||
        /^(---|clock_gettime|sched_getaffinity|process_vm_readv)/.test(line) ||
        // To copy its own memory, the server asks for its own pid.
        theirs[i + 1]?.startsWith("process_vm_readv");
      assert.deepEqual(
        ours,
        theirs.filter((line, i) => !isPlumbing(line, i)),
      );
    });
});
