import {
  AT,
  decodeFanotifyEvents,
  EPOLL,
  FAN,
  FAN_EVENT,
  FAN_MARK,
  FAN_RESPONSE,
  type FanotifyInfo,
  type FanotifyRecord,
  FanotifyResponse,
  O,
} from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Exit, type Scope } from "effect";
import { encode } from "../encode.ts";
import { type BorrowFailure, type IoFailure, UseAfterFreeError } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { argument, checked, flagSet } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";
import { Pidfd } from "./pidfd.ts";

/** What happened to a file: fanotify(7). */
export interface FanotifyEvent {
  /** Of `FAN_EVENT`; never negative. */
  readonly mask: number;
  /** The process, or the thread with FAN.REPORT_TID; 0 if it is not in the reader's pid namespace. */
  readonly pid: number;
  /**
   * The file, open with the flags of the group. It belongs to the scope of the read. Undefined for a group of
   * FAN.REPORT_FID, and for FAN_EVENT.Q_OVERFLOW.
   */
  readonly fd: FileDescriptor | undefined;
  /** The process, with FAN.REPORT_PIDFD; undefined also if it is gone. It belongs to the scope of the read. */
  readonly pidfd: Pidfd | undefined;
  /** What else the kernel says, such as the names and file handles of FAN.REPORT_FID. */
  readonly infos: ReadonlyArray<FanotifyInfo>;
}

/** The events that need an answer. */
const PERMISSIONS =
  FAN_EVENT.OPEN_PERM | FAN_EVENT.ACCESS_PERM | FAN_EVENT.OPEN_EXEC_PERM | FAN_EVENT.PRE_ACCESS;

/** What is marked: an object besides the path. */
export interface FanotifyMarkOptions {
  /** Where a relative path begins, or the object itself if there is no path. Default: the working directory. */
  readonly directory?: FileDescriptor;
}

/**
 * A group that reports what happens to files, and may decide it: sys/fanotify.h, fanotify(7). Where inotify(7) knows
 * a directory, it knows whole mounts and file systems, the process that did it, and permission events: the process
 * waits in its open(2) or read(2) until the group has answered with `respond`.
 *
 * A permission event also stops the process that answers: do not mark what this process or the task itself opens or
 * reads. If the group is closed, all that wait are allowed.
 *
 * All of it needs CAP_SYS_ADMIN. Since Linux 5.13 a group without it can watch files and directories of its own, if it
 * has FAN.REPORT_FID and is of FAN.CLASS_NOTIF: then events have file handles in place of descriptors.
 */
export class Fanotify extends FileDescriptor {
  /** Permission events that were read. */
  readonly #unanswered = new Set<FanotifyEvent>();

  /**
   * fanotify_init(2), close-on-exec. EPERM without CAP_SYS_ADMIN, EMFILE at the limit of groups.
   *
   * @param flags of `FAN`, such as FAN.CLASS_CONTENT for permission events
   * @param eventFlags of `O`, of the descriptors that events have. They are close-on-exec
   */
  static make(
    { task }: TaskLike,
    flags: number = FAN.CLASS_NOTIF,
    eventFlags: number = O.RDONLY,
  ): Effect.Effect<Fanotify, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Fanotify,
      task,
      near.fanotifyInit(
        task.sysif,
        near.withFlags(flags, FAN.CLOEXEC),
        near.withFlags(eventFlags, O.CLOEXEC | O.LARGEFILE),
      ),
    );
  }

  /**
   * fanotify_mark(2): adds events to what the group hears of a file or directory; with FAN_MARK.MOUNT of the whole
   * mount, with FAN_MARK.FILESYSTEM of the whole file system. With FAN_MARK.REMOVE it takes them away. ENOSPC at the
   * limit of marks, EPERM without CAP_SYS_ADMIN, EINVAL for what does not go together.
   *
   * @param path undefined for `directory` itself
   * @param mask of `FAN_EVENT`
   * @param flags of `FAN_MARK`. Default: FAN_MARK.ADD
   */
  mark(
    path: near.PathLike | undefined,
    mask: number,
    flags: number = FAN_MARK.ADD,
    { directory }: FanotifyMarkOptions = {},
  ): Effect.Effect<void, IoFailure | BorrowFailure> {
    const { task } = this;
    const call = (from: near.DirectoryFd, at: near.Address) =>
      this.use((fd) => near.fanotifyMark(task.sysif, fd, flags, mask, from, at));
    const markFrom = (from: near.DirectoryFd): Effect.Effect<void, IoFailure> =>
      path === undefined
        ? call(from, near.NULL)
        : task.withPath("fanotify_mark", path, (at) => call(from, at));
    return checked(
      "fanotify_mark",
      // 2^32 - 1 and its like would be cut by JavaScript's operators, not by the kernel.
      [argument("mask", mask, flagSet)],
      directory === undefined
        ? markFrom(AT.FDCWD)
        : Effect.flatMap(directory.borrow(task), markFrom),
    );
  }

  /**
   * FAN_MARK.FLUSH: takes away all marks of files and directories; of mounts or file systems with FAN_MARK.MOUNT or
   * FILESYSTEM.
   */
  flush(flags = 0): Effect.Effect<void, IoFailure | BorrowFailure> {
    return this.mark("/", 0, near.withFlags(flags, FAN_MARK.FLUSH));
  }

  /**
   * read(2) of as many events as fit into `size` bytes; EINVAL if none fits. Descriptors of events belong to this
   * scope: none is lost, also if the fiber is interrupted. A permission event that has no answer when the scope closes
   * is denied. If there are no events, it waits, or fails with EAGAIN if
   * the group is non-blocking. A task that waits makes no other calls.
   */
  readEvents(
    size = 16 * 1024,
  ): Effect.Effect<ReadonlyArray<FanotifyEvent>, IoFailure, Scope.Scope> {
    const { task } = this;
    return this.useWhenReady(EPOLL.IN, (fd) =>
      near.acquire(
        Effect.flatMap(
          task.withMemory(size, 8, (at) =>
            Effect.flatMap(near.read(task.sysif, fd, at, size), (count) =>
              task.sysif.read(at, count),
            ),
          ),
          (bytes) =>
            Effect.map(
              near.decoded("read", `fd ${fd}`, () => decodeFanotifyEvents(bytes)),
              (records) => records.map((record) => this.#event(record)),
            ),
        ),
        (events, exit) => this.#release(events, exit),
      ),
    );
  }

  #event({ mask, pid, fd, pidfd, infos }: FanotifyRecord): FanotifyEvent {
    const { task } = this;
    const event: FanotifyEvent = {
      mask,
      pid,
      infos,
      fd: fd < 0 ? undefined : FileDescriptor.opened(FileDescriptor, task, near.Fd(fd)),
      pidfd:
        pidfd === undefined || pidfd < 0
          ? undefined
          : FileDescriptor.opened(Pidfd, task, near.Fd(pidfd)),
    };
    if (fd >= 0 && mask & PERMISSIONS) this.#unanswered.add(event);
    return event;
  }

  #release(
    events: ReadonlyArray<FanotifyEvent>,
    exit: Exit.Exit<unknown, unknown>,
  ): Effect.Effect<void> {
    const handles = events.flatMap(({ fd, pidfd }) =>
      [fd, pidfd].filter((handle) => handle !== undefined),
    );
    return Effect.andThen(
      Effect.forEach(
        events.filter((event) => this.#unanswered.has(event)),
        // The group may be closed: then the kernel has allowed all.
        (event) => Effect.ignore(this.deny(event)),
        { discard: true },
      ),
      FileDescriptor.releaseAll(handles, exit),
    );
  }

  /**
   * Answers a permission event: the process that waits goes on, or its call fails with EPERM. The event's descriptor
   * must be open. An event has one answer: UseAfterFreeError for a second one.
   *
   * @param response of `FAN_RESPONSE`
   */
  respond(event: FanotifyEvent, response: number): Effect.Effect<void, IoFailure | BorrowFailure> {
    const { fd, mask } = event;
    if (fd === undefined || !(mask & PERMISSIONS))
      return Effect.fail(
        new near.InvalidArgumentError({
          syscall: "write",
          argument: "event",
          value: `an event with the mask 0x${mask.toString(16)}`,
          expected: "a permission event: OPEN_PERM, ACCESS_PERM, OPEN_EXEC_PERM or PRE_ACCESS",
        }),
      );
    if (!this.#unanswered.has(event))
      return Effect.fail(new UseAfterFreeError({ subject: `the event of fd ${fd.near}` }));
    const problems = [argument("response", response, flagSet)];
    // It never waits, although poll(2) does not say that the group can be written.
    const answer = Effect.flatMap(fd.borrow(this.task), (number) =>
      Effect.suspend(() =>
        this.task.withBytes(encode(FanotifyResponse, { fd: number, response }), (at) =>
          this.use((group) => near.write(this.task.sysif, group, at, FanotifyResponse.size)),
        ),
      ),
    );
    return checked(
      "write",
      problems,
      Effect.uninterruptible(
        Effect.map(answer, () => {
          this.#unanswered.delete(event);
        }),
      ),
    );
  }

  /** FAN_RESPONSE.ALLOW: the process goes on. See `respond`. */
  allow(event: FanotifyEvent): Effect.Effect<void, IoFailure | BorrowFailure> {
    return this.respond(event, FAN_RESPONSE.ALLOW);
  }

  /** FAN_RESPONSE.DENY: the process's call fails with EPERM. See `respond`. */
  deny(event: FanotifyEvent): Effect.Effect<void, IoFailure | BorrowFailure> {
    return this.respond(event, FAN_RESPONSE.DENY);
  }
}
