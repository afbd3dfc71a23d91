import { AT, CLONE, CString, IOCTL, type IoctlRequest, O } from "@rsyscall/abi";
import { Namespace, type NamespaceKind, type Namespaces } from "@rsyscall/far";
import * as near from "@rsyscall/near";
import { Effect, Exit, type Scope } from "effect";
import { encode } from "./encode.ts";
import type { BorrowFailure, FdFailure, IoFailure, MallocFailure } from "./errors.ts";
import { unshareFiles } from "./exec.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { argument, checked, flagSet } from "./internal/checked.ts";
import { explainDenied } from "./internal/explainDenied.ts";
import { keepDeathSignal } from "./internal/keepDeathSignal.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/*
 * The namespaces of a task: sched.h. The functions here update the task's `namespaces` and `childNamespaces`, and
 * leave them unchanged if the kernel refuses.
 */

/** The flag that stands for each kind of namespace. */
export const namespaceFlags: Readonly<Record<NamespaceKind, number>> = {
  cgroup: CLONE.NEWCGROUP,
  ipc: CLONE.NEWIPC,
  mnt: CLONE.NEWNS,
  net: CLONE.NEWNET,
  pid: CLONE.NEWPID,
  time: CLONE.NEWTIME,
  user: CLONE.NEWUSER,
  uts: CLONE.NEWUTS,
};

const ALL = Object.values(namespaceFlags).reduce((flags, flag) => flags | flag, 0);

/** The kinds of namespaces that flags stand for. */
export const namespaceKindsOf = (flags: number): ReadonlyArray<NamespaceKind> =>
  (Object.keys(namespaceFlags) as Array<NamespaceKind>).filter(
    (kind) => (flags & namespaceFlags[kind]) !== 0,
  );

/** Whether a change of this kind of namespace applies to the children of a task, and not to the task itself. */
const ofChildren = (kind: NamespaceKind): boolean => kind === "pid" || kind === "time";

/** A descriptor of a namespace: see namespaces(7). */
export class NamespaceFd extends FileDescriptor {
  /**
   * Opens a namespace of a process by /proc; by default, of the task itself.
   *
   * @param pid the number of the process in the task's /proc, as `ChildProcess.pidIn(task)` gives it
   */
  static make(
    { task }: TaskLike,
    kind: NamespaceKind,
    pid: near.Pid | number | "self" = "self",
  ): Effect.Effect<NamespaceFd, MallocFailure, Scope.Scope> {
    const path = `/proc/${pid}/ns/${kind}`;
    return FileDescriptor.acquire(
      NamespaceFd,
      task,
      task.withPath("openat", path, (address) =>
        near.openat(task.sysif, AT.FDCWD, address, O.RDONLY | O.CLOEXEC, 0),
      ),
    );
  }

  /**
   * NS_GET_USERNS of ioctl_nsfs(2): the user namespace whose privileges count for this namespace. EPERM if it is
   * outside of the task's own user namespace.
   */
  userns(): Effect.Effect<NamespaceFd, FdFailure, Scope.Scope> {
    return this.#opened(IOCTL.NS_GET_USERNS);
  }

  /**
   * NS_GET_PARENT of ioctl_nsfs(2): the namespace in which this user or pid namespace was made. EPERM if that is
   * outside of the task's own, EINVAL for other kinds.
   */
  parent(): Effect.Effect<NamespaceFd, FdFailure, Scope.Scope> {
    return this.#opened(IOCTL.NS_GET_PARENT);
  }

  #opened({
    name,
    number,
  }: IoctlRequest<void, number>): Effect.Effect<NamespaceFd, FdFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      NamespaceFd,
      this.task,
      this.use((fd) =>
        Effect.map(
          near.ioctl(this.task.sysif, fd, number).about(() => `fd ${fd}, ${name}`),
          near.Fd,
        ),
      ),
    );
  }

  /** NS_GET_NSTYPE of ioctl_nsfs(2): the flag of `CLONE` that makes such namespaces. */
  nstype(): Effect.Effect<number, IoFailure> {
    return Effect.map(this.ioctl(IOCTL.NS_GET_NSTYPE), (flag) => flag >>> 0);
  }

  /** NS_GET_OWNER_UID of ioctl_nsfs(2): the user that has made this user namespace. EINVAL for other kinds. */
  ownerUid(): Effect.Effect<number, IoFailure> {
    return this.ioctl(IOCTL.NS_GET_OWNER_UID);
  }
}

/**
 * Makes a call, and asks /proc for the namespaces of some kinds right behind it, in the same round trip. A
 * namespace that /proc does not show is unknown.
 */
const changing = (
  task: Task,
  kinds: ReadonlyArray<NamespaceKind>,
  whose: "self" | "children",
  operation?: near.Syscall<void>,
): Effect.Effect<Partial<Namespaces>, MallocFailure> => {
  const { size } = task.abi.stat;
  const paths = kinds.map((kind) =>
    encode(
      CString,
      `/proc/self/ns/${kind}${whose === "children" && ofChildren(kind) ? "_for_children" : ""}`,
    ),
  );
  const bytes = new Uint8Array(paths.reduce((sum, path) => sum + path.length, 0));
  const offsets: Array<number> = [];
  let end = 0;
  for (const path of paths) {
    offsets.push(end);
    bytes.set(path, end);
    end += path.length;
  }
  return task.withMemory(size * kinds.length + bytes.length, 8, (status) => {
    const text = near.Address(status + size * kinds.length);
    const stats = kinds.map((_, i) =>
      near.fstatat(
        task.sysif,
        AT.FDCWD,
        near.Address(text + (offsets[i] as number)),
        near.Address(status + size * i),
        0,
      ),
    );
    const see = near.batchExitsThen(
      [...(operation === undefined ? [] : [operation]), ...stats],
      task.sysif.read(status, size * kinds.length),
    );
    return Effect.flatMap(Effect.andThen(task.sysif.write(text, bytes), see), ([exits, read]) => {
      const [changed, ...seen] = operation === undefined ? [undefined, ...exits] : exits;
      if (changed !== undefined && Exit.isFailure(changed)) return Exit.failCause(changed.cause);
      const known: Partial<Namespaces> = Object.fromEntries(
        kinds.map((kind, i) => {
          const stat = near.decoded("newfstatat", undefined, () =>
            task.abi.stat.decode(read.subarray(size * i, size * (i + 1))),
          );
          const isKnown = seen[i]?._tag === "Success" && Exit.isSuccess(stat);
          return [kind, new Namespace(kind, isKnown ? stat.value.ino : undefined)];
        }),
      );
      return Exit.succeed(known);
    });
  });
};

/** Updates what is known of a task that has just changed some of its namespaces. */
const follow = (task: Task, changed: Partial<Namespaces>): void => {
  const own = Object.fromEntries(
    Object.entries(changed).filter(([kind]) => !ofChildren(kind as NamespaceKind)),
  );
  task.namespaces = { ...task.namespaces, ...own };
  task.childNamespaces = { ...task.childNamespaces, ...changed };
};

/**
 * unshare(2): gives the task new namespaces of the kinds in the flags. With CLONE.NEWPID and NEWTIME its future
 * children get them; with CLONE.FILES the task gets a descriptor table of its own. EPERM without the right to do
 * so, ENOSPC at a limit of namespaces(7).
 */
export const unshare = ({ task }: TaskLike, flags: number): Effect.Effect<void, IoFailure> => {
  if (!flagSet.has(flags))
    return checked("unshare", [argument("flags", flags, flagSet)], Effect.void);
  const kinds = namespaceKindsOf(flags);
  const files = flags & CLONE.FILES ? unshareFiles(task) : Effect.void;
  const rest = flags & ~CLONE.FILES;
  if (rest === 0) return files;
  return Effect.uninterruptible(
    Effect.andThen(
      files,
      Effect.map(changing(task, kinds, "children", near.unshare(task.sysif, rest)), (changed) =>
        follow(task, changed),
      ).pipe(explainDenied(task, rest)),
    ),
  );
};

/**
 * setns(2): the task joins a namespace, or its future children do if it is a pid or time namespace.
 *
 * @param fd of a namespace; or a `Pidfd`, to join the namespaces of its process, of the kinds in the flags
 * @param flags the kind that it must be; 0 for any
 */
export const setns = (
  { task }: TaskLike,
  fd: FileDescriptor,
  flags = 0,
): Effect.Effect<void, MallocFailure | BorrowFailure> =>
  Effect.uninterruptible(
    Effect.flatMap(fd.borrow(task), (near_) =>
      Effect.andThen(
        // The task gains capabilities in another user namespace, and the kernel clears its death signal then.
        keepDeathSignal(task, near.setns(task.sysif, near_, flags)),
        Effect.map(
          changing(task, namespaceKindsOf(flags === 0 ? ALL : flags), "children"),
          (changed) => follow(task, changed),
        ),
      ),
    ),
  );

/** Asks a task which namespaces it is in: all, or those of the kinds in the flags. */
export const learnNamespaces = (
  { task }: TaskLike,
  flags: number = ALL,
): Effect.Effect<void, MallocFailure> => {
  const kinds = namespaceKindsOf(flags);
  if (kinds.length === 0) return Effect.void;
  return Effect.map(changing(task, kinds, "self"), (changed) => {
    task.namespaces = { ...task.namespaces, ...changed };
    task.childNamespaces = { ...task.childNamespaces, ...changed };
  });
};
