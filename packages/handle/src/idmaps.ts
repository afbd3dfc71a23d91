import { AT, CLONE, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { IoFailure, MallocFailure } from "./errors.ts";
import { explainMapping } from "./internal/explainDenied.ts";
import { unshare } from "./namespaces.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/** The user id and the group id that a process has in a user namespace of its own. */
export interface UserMapping {
  /** The user and group id outside, in the parent namespace. */
  readonly outside: { readonly uid: number; readonly gid: number };
  /** The ids inside. Default: the same as outside. */
  readonly inside?: { readonly uid?: number | undefined; readonly gid?: number | undefined };
}

/** Writes a file of /proc, which takes its content in one write(2). */
const writeProc = (task: Task, path: string, text: string): Effect.Effect<void, MallocFailure> =>
  task.withPath("openat", path, (pathAt) =>
    Effect.acquireUseRelease(
      near.openat(task.sysif, AT.FDCWD, pathAt, O.WRONLY | O.CLOEXEC, 0),
      (fd) => {
        const bytes = new TextEncoder().encode(text);
        return task.withBytes(bytes, (address) =>
          Effect.asVoid(near.write(task.sysif, fd, address, bytes.length)).pipe(
            Effect.mapError((error) =>
              error instanceof near.SyscallError
                ? near.SyscallError.of("write", error.errno, path)
                : error,
            ),
          ),
        );
      },
      (fd) => Effect.ignore(near.close(task.sysif, fd)),
    ),
  );

/**
 * Maps the ids of a task in the user namespace that it has just got: user_namespaces(7). Denies setgroups(2) for
 * good, as the kernel requires of a process that maps its group without privileges. The kernel refuses a process
 * that is not dumpable (after a change of ids, `prctl.setDumpable`) with EACCES.
 */
export const writeUserMapping = (
  { task }: TaskLike,
  { outside, inside = {} }: UserMapping,
): Effect.Effect<void, MallocFailure> =>
  Effect.andThen(
    writeProc(task, "/proc/self/uid_map", `${inside.uid ?? outside.uid} ${outside.uid} 1\n`),
    Effect.andThen(
      writeProc(task, "/proc/self/setgroups", "deny"),
      writeProc(task, "/proc/self/gid_map", `${inside.gid ?? outside.gid} ${outside.gid} 1\n`),
    ),
  ).pipe(explainMapping(task));

/** The effective ids of a task: the ids outside, for a mapping in a new user namespace. */
export const effectiveIds = ({
  task,
}: TaskLike): Effect.Effect<UserMapping["outside"], near.SyscallFailure> =>
  Effect.map(near.batch([near.geteuid(task.sysif), near.getegid(task.sysif)]), ([uid, gid]) => ({
    uid,
    gid,
  }));

/**
 * unshare(2) with CLONE_NEWUSER; maps the task's effective ids to themselves, or to the given ids. The task has
 * all capabilities in the new namespace.
 */
export const unshareUser = (
  { task }: TaskLike,
  inside: UserMapping["inside"] = {},
): Effect.Effect<void, IoFailure> =>
  Effect.flatMap(effectiveIds(task), (outside) =>
    Effect.andThen(
      unshare(task, CLONE.NEWUSER),
      writeUserMapping(task, { outside, ...(inside && { inside }) }),
    ),
  );
