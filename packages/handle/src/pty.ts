import { IOCTL, O, TCSA, type Termios, TIOC, type Winsize } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { BorrowFailure, FdFailure, IoFailure, PtrFailure } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { open } from "./fcntl.ts";
import type { Pointer, ReadablePointer } from "./Pointer.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * A terminal: ioctl_tty(2). All operations are ENOTTY for a descriptor of another kind.
 *
 * For an inherited one, `yield* thread.stdin.reclassify(Terminal)`. The kernel does not confirm the kind, because a file
 * system of an untrusted user could leave an ioctl(2) unanswered.
 */
export class Terminal extends FileDescriptor {
  /** TIOCGWINSZ(2const): the size of the window, which is zeros until a process sets it. */
  winsize(): Effect.Effect<Winsize, IoFailure> {
    return this.ioctl(IOCTL.TIOCGWINSZ);
  }

  /**
   * TIOCSWINSZ(2const): sets the size of the window. The programs in the foreground get SIGWINCH. EINVAL for
   * numbers that do not fit into 16 bits.
   */
  setWinsize(size: Winsize): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TIOCSWINSZ, size));
  }

  /** tcgetattr(3): the settings. */
  tcgetattr(): Effect.Effect<Termios, IoFailure> {
    return this.ioctl(IOCTL.TCGETS);
  }

  /**
   * tcsetattr(3): changes the settings; see `cfmakeraw`. A task in the background gets SIGTTOU, unless it blocks or
   * ignores that.
   *
   * @param when of `TCSA`: at once, or once all output has been written. That may be never, and the task waits.
   */
  tcsetattr(termios: Termios, when: number = TCSA.NOW): Effect.Effect<void, IoFailure> {
    const request = [IOCTL.TCSETS, IOCTL.TCSETSW, IOCTL.TCSETSF][when];
    return request === undefined
      ? Effect.fail(
          new near.InvalidArgumentError({
            syscall: "tcsetattr",
            argument: "when",
            value: when,
            expected: "one of TCSA",
          }),
        )
      : Effect.asVoid(this.ioctl(request, termios));
  }

  /**
   * tcflush(3): discards what was typed and not read, or written and not shown.
   *
   * @param queue of `TCFLUSH`
   */
  tcflush(queue: number): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TCFLSH, queue));
  }

  /** tcgetsid(3): the session whose terminal it is. ENOTTY if it is not that of the task's session. */
  tcgetsid(): Effect.Effect<near.Pid, IoFailure> {
    return Effect.map(this.ioctl(IOCTL.TIOCGSID), near.Pid);
  }

  /**
   * TIOCSCTTY(2const): the terminal becomes the controlling terminal of the task's session. EPERM for a
   * task that does not lead a session or has a terminal already, and for the terminal of another session.
   */
  makeControlling(): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TIOCSCTTY, 0));
  }

  /**
   * TIOCNOTTY(2const): the task gives up its controlling terminal, which must be this one. If it leads the session,
   * all processes of the session lose it, and those in the foreground get SIGHUP and SIGCONT.
   */
  giveUpControlling(): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TIOCNOTTY));
  }

  /**
   * tcgetpgrp(3): the process group in the foreground. ENOTTY if the terminal is not that of the task's session,
   * except through a `PtyMaster`.
   */
  foreground(): Effect.Effect<near.Pid, IoFailure> {
    return Effect.map(this.ioctl(IOCTL.TIOCGPGRP), near.Pid);
  }

  /**
   * tcsetpgrp(3): sets the process group in the foreground. A task in the background gets SIGTTOU, unless it
   * blocks or ignores that.
   */
  setForeground(group: near.Pid): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TIOCSPGRP, group));
  }
}

/**
 * The end of a pseudo-terminal at which its user would be: pty(7). Programs at the other end read what is written
 * here as typed input, and what they write is read here. When no process has the other end open any more, reads
 * give the end of the file until a process opens it again.
 */
export class PtyMaster extends Terminal {
  /** posix_openpt(3), close-on-exec: a new pseudo-terminal, locked. `flags` may have O.NONBLOCK. */
  static make({ task }: TaskLike, flags = 0): Effect.Effect<PtyMaster, IoFailure, Scope.Scope> {
    return Effect.flatMap(open(task, "/dev/ptmx", near.withFlags(flags, O.RDWR | O.NOCTTY)), (fd) =>
      fd.reclassify(PtyMaster),
    );
  }

  /** unlockpt(3): allows the other end to be opened. */
  unlock(): Effect.Effect<void, IoFailure> {
    return Effect.asVoid(this.ioctl(IOCTL.TIOCSPTLCK, 0));
  }

  /** ptsname(3): the path of the other end, where devpts is mounted as usual. */
  ptsname(): Effect.Effect<near.Path, IoFailure> {
    return Effect.map(this.ioctl(IOCTL.TIOCGPTN), (number) => near.Path.make(`/dev/pts/${number}`));
  }

  /**
   * TIOCGPTPEER(2const): opens the other end, close-on-exec, independently of what is mounted in the task. It
   * does not become the controlling terminal of any process. EIO while it is locked.
   */
  openPeer(flags: number = O.RDWR): Effect.Effect<Terminal, FdFailure, Scope.Scope> {
    const { sysif, abi } = this.task;
    const ours = abi.openFlagsToTarget(near.withFlags(flags, O.NOCTTY | O.CLOEXEC));
    return this.use((fd) =>
      FileDescriptor.acquire(
        Terminal,
        this.task,
        Effect.map(near.ioctl(sysif, fd, TIOC.GPTPEER, ours), near.Fd),
      ),
    );
  }

  override read(
    buffer: Pointer<Uint8Array>,
  ): Effect.Effect<
    [used: ReadablePointer<Uint8Array>, rest: Pointer<Uint8Array>],
    PtrFailure | BorrowFailure
  > {
    return super.read(buffer).pipe(near.catchErrno("EIO", () => buffer.readableSplit(0)));
  }

  override readBytes(size?: number): Effect.Effect<Uint8Array, IoFailure> {
    return super
      .readBytes(size)
      .pipe(near.catchErrno("EIO", () => Effect.succeed(new Uint8Array(0))));
  }
}

/** openpty(3): makes both ends of a new pseudo-terminal, close-on-exec. */
export const openpty: (
  task: TaskLike,
  winsize?: Winsize,
) => Effect.Effect<[master: PtyMaster, terminal: Terminal], IoFailure, Scope.Scope> =
  Effect.fnUntraced(function* ({ task }, winsize) {
    const master = yield* PtyMaster.make(task);
    yield* master.unlock();
    const terminal = yield* master.openPeer();
    if (winsize !== undefined) yield* master.setWinsize(winsize);
    return [master, terminal];
  });

/**
 * login_tty(3): makes the terminal's task the leader of a new session, of which this is the controlling terminal,
 * and makes these descriptors of the task, usually 0, 1 and 2, duplicates of the terminal. EPERM for a task that
 * leads a process group already.
 */
export const loginTty = (
  terminal: Terminal,
  stdio: ReadonlyArray<FileDescriptor>,
): Effect.Effect<void, IoFailure | BorrowFailure> =>
  Effect.andThen(
    Effect.flatMap(terminal.borrow(terminal.task), () =>
      Effect.andThen(near.setsid(terminal.task.sysif), terminal.makeControlling()),
    ),
    Effect.forEach(
      stdio,
      (fd) => (fd.near === terminal.near ? terminal.setCloexec(false) : terminal.dup3(fd)),
      { discard: true },
    ),
  );
