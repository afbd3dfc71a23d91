import {
  listOf,
  SECCOMP,
  SECCOMP_FILTER_FLAG,
  SECCOMP_IOCTL_NOTIF,
  SeccompNotif,
  SeccompNotifResp,
  SockFilter,
  SockFprog,
  Uint64,
} from "@rsyscall/abi";
import {
  type FdFailure,
  FileDescriptor,
  type MallocFailure,
  type Task,
  type TaskLike,
} from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import { assemble, type FilterLine } from "./filter.ts";

const filterCodec = listOf(SockFilter);

/** Makes a call with a filter in the task's memory. */
const withFilter = <A, E>(
  task: Task,
  lines: ReadonlyArray<FilterLine>,
  use: (program: near.Address) => Effect.Effect<A, E>,
): Effect.Effect<A, E | MallocFailure> =>
  Effect.flatMap(
    Effect.try({
      try: () => assemble(lines),
      catch: (cause) =>
        new near.InvalidArgumentError({
          syscall: "seccomp",
          argument: "filter",
          value: lines,
          expected: "a program whose jumps go to labels below them",
          cause,
        }),
    }),
    (filter) =>
      task.withValue(filterCodec, filter, (at) =>
        task.withValue(SockFprog, { length: filter.length, filter: BigInt(at) }, use),
      ),
  );

/**
 * seccomp(2) with SECCOMP_SET_MODE_FILTER: each system call of the task passes the filter from now on, and so do
 * those of its children and of the programs that they execute. For good.
 *
 * EACCES unless the task has `prctl.setNoNewPrivs`, or CAP_SYS_ADMIN.
 *
 * @param flags of `SECCOMP_FILTER_FLAG`. For NEW_LISTENER see `SeccompListener.make`.
 */
export const setSeccompFilter: (
  task: TaskLike,
  filter: ReadonlyArray<FilterLine>,
  flags?: number,
) => Effect.Effect<void, MallocFailure> = ({ task }, filter, flags = 0) =>
  withFilter(task, filter, (program) =>
    Effect.asVoid(near.seccomp(task.sysif, SECCOMP.SET_MODE_FILTER, flags, program)),
  );

/**
 * The descriptor by which calls are answered that wait because of a filter: seccomp_unotify(2). It is readable while
 * calls wait that were not received, and hangs up (EPOLLHUP) when the last process with the filter has ended. When
 * all its descriptors are closed, the calls fail with ENOSYS.
 */
export class SeccompListener extends FileDescriptor {
  /** The name of the kind in errors. */
  static readonly kind = "seccomp listener";

  /** Asks for an impossible cookie: ENOENT from a listener. */
  static confirm(task: Task, fd: near.Fd): Effect.Effect<boolean, MallocFailure> {
    return task.withValue(Uint64, 0n, (at) =>
      near.ioctl(task.sysif, fd, SECCOMP_IOCTL_NOTIF.ID_VALID, at).pipe(
        Effect.as(true),
        near.catchErrno("ENOENT", () => Effect.succeed(true)),
        near.catchErrno(["EINVAL", "ENOTTY", "EBADF", "EPERM"], () => Effect.succeed(false)),
      ),
    );
  }

  /**
   * As `setSeccompFilter`, with SECCOMP_FILTER_FLAG_NEW_LISTENER; the listener is a descriptor of the task. The task
   * must not answer its own calls: pass the listener to another process before a call is to wait.
   *
   * EBUSY if the task has a filter with a listener already: there can be one only.
   */
  static make(
    { task }: TaskLike,
    filter: ReadonlyArray<FilterLine>,
    flags = 0,
  ): Effect.Effect<SeccompListener, MallocFailure, Scope.Scope> {
    const all = SECCOMP_FILTER_FLAG.NEW_LISTENER | flags;
    return FileDescriptor.acquire(
      SeccompListener,
      task,
      withFilter(task, filter, (program) =>
        Effect.map(
          near.seccomp(task.sysif, SECCOMP.SET_MODE_FILTER, all, program).about("new listener"),
          near.Fd,
        ),
      ),
    );
  }

  /**
   * SECCOMP_IOCTL_NOTIF_RECV: takes the next call that waits. ENOENT if its process was killed meanwhile. In the
   * task of this process, wait until the descriptor is readable first: the call blocks if no call waits.
   */
  receive(): Effect.Effect<SeccompNotif, MallocFailure | FdFailure> {
    const { task } = this;
    return this.use((fd) =>
      // The kernel insists on zeros.
      task.withBytes(
        new Uint8Array(SeccompNotif.size),
        (at) =>
          Effect.flatMap(near.ioctl(task.sysif, fd, SECCOMP_IOCTL_NOTIF.RECV, at), () =>
            Effect.map(task.sysif.read(at, SeccompNotif.size), SeccompNotif.decode),
          ),
        SeccompNotif.alignment,
      ),
    );
  }

  /** SECCOMP_IOCTL_NOTIF_SEND: answers a call. ENOENT if its process was killed meanwhile. */
  send(response: SeccompNotifResp): Effect.Effect<void, MallocFailure | FdFailure> {
    const { task } = this;
    return this.use((fd) =>
      task.withValue(SeccompNotifResp, response, (at) =>
        Effect.asVoid(near.ioctl(task.sysif, fd, SECCOMP_IOCTL_NOTIF.SEND, at)),
      ),
    );
  }

  /**
   * SECCOMP_IOCTL_NOTIF_ID_VALID: whether the call still waits. What was read of its process before is certainly of
   * that process then, and not of another that got its number.
   */
  idValid(id: bigint): Effect.Effect<boolean, MallocFailure | FdFailure> {
    const { task } = this;
    return this.use((fd) =>
      task.withValue(Uint64, id, (at) =>
        near.ioctl(task.sysif, fd, SECCOMP_IOCTL_NOTIF.ID_VALID, at).pipe(
          Effect.as(true),
          near.catchErrno("ENOENT", () => Effect.succeed(false)),
        ),
      ),
    );
  }
}
