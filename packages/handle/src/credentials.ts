import { listOf, struct, Uint32 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "./errors.ts";
import { argument, checked, id, int, optional } from "./internal/checked.ts";
import { keepDeathSignal } from "./internal/keepDeathSignal.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/*
 * Ids of a task: unistd.h, and grp.h for setgroups. See credentials(7).
 *
 * To the kernel, user and group ids belong to a task, which is one thread. C libraries change them for a whole
 * process by making every thread repeat the call; nothing here does so. In a process with other threads, such as
 * Node, those threads keep their ids.
 *
 * The kernel clears the parent-death signal (`prctl.setPdeathsig`) at such a change; the functions here set it
 * again. The change also makes the process undumpable, and that stays so: otherwise processes of the new user
 * could trace the process, and with it all processes that share its memory. A child of Node's shares Node's
 * memory, so Node itself becomes undumpable: it leaves no core, only root can trace it, and root owns its files
 * in /proc, until `prctl.setDumpable` changes that. To do so is safe once the child has executed a program or has
 * ended.
 */

/** The user ids of a task, or its group ids. */
export interface Ids {
  /** The id of the user or group that started the process. */
  readonly real: number;
  /** The id whose rights the task has. */
  readonly effective: number;
  /** An id that the effective one may become again. */
  readonly saved: number;
}

const Ids = struct("ids", { real: Uint32, effective: Uint32, saved: Uint32 });

/** getpid(2): in the task's own pid namespace. */
export const getpid = ({ task }: TaskLike): Effect.Effect<near.Pid, near.SyscallFailure> =>
  near.getpid(task.sysif);

/** getppid(2): 0 when the parent is outside of the task's pid namespace. */
export const getppid = ({ task }: TaskLike): Effect.Effect<near.Pid, near.SyscallFailure> =>
  near.getppid(task.sysif);

/** gettid(2) */
export const gettid = ({ task }: TaskLike): Effect.Effect<near.Pid, near.SyscallFailure> =>
  near.gettid(task.sysif);

/** getuid(2) */
export const getuid = ({ task }: TaskLike): Effect.Effect<number, near.SyscallFailure> =>
  near.getuid(task.sysif);

/** geteuid(2) */
export const geteuid = ({ task }: TaskLike): Effect.Effect<number, near.SyscallFailure> =>
  near.geteuid(task.sysif);

/** getgid(2) */
export const getgid = ({ task }: TaskLike): Effect.Effect<number, near.SyscallFailure> =>
  near.getgid(task.sysif);

/** getegid(2) */
export const getegid = ({ task }: TaskLike): Effect.Effect<number, near.SyscallFailure> =>
  near.getegid(task.sysif);

/** Whether the effective ids are the real ones: then access(2) checks the rights that the task acts with. */
export const actsWithRealIds = ({
  task: { sysif },
}: TaskLike): Effect.Effect<boolean, near.SyscallFailure> =>
  Effect.map(
    near.batch([near.getuid(sysif), near.geteuid(sysif), near.getgid(sysif), near.getegid(sysif)]),
    ([uid, euid, gid, egid]) => uid === euid && gid === egid,
  );

type GetIds = typeof near.getresuid;

const getIds = (task: Task, call: GetIds): Effect.Effect<Ids, MallocFailure> =>
  task.withResult(Ids, (at) => call(task.sysif, at, near.Address(at + 4), near.Address(at + 8)));

/** getresuid(2) */
export const getresuid = ({ task }: TaskLike): Effect.Effect<Ids, MallocFailure> =>
  getIds(task, near.getresuid);

/** getresgid(2) */
export const getresgid = ({ task }: TaskLike): Effect.Effect<Ids, MallocFailure> =>
  getIds(task, near.getresgid);

/**
 * setuid(2), of this one task: sets all three user ids with CAP_SETUID; without it, sets the effective id to the
 * real or the saved one.
 */
export const setuid = ({ task }: TaskLike, uid: number): Effect.Effect<void, MallocFailure> =>
  checked(
    "setuid",
    [argument("uid", uid, id)],
    keepDeathSignal(task, near.setuid(task.sysif, uid)),
  );

/** setgid(2), of this one task: as `setuid`, with CAP_SETGID. */
export const setgid = ({ task }: TaskLike, gid: number): Effect.Effect<void, MallocFailure> =>
  checked(
    "setgid",
    [argument("gid", gid, id)],
    keepDeathSignal(task, near.setgid(task.sysif, gid)),
  );

/** The value that leaves an id unchanged. */
const SAME = -1;

const idOrSame = optional(id);

const areIds = ({ real, effective, saved }: Partial<Ids>) => [
  argument("real", real, idOrSame),
  argument("effective", effective, idOrSame),
  argument("saved", saved, idOrSame),
];

/**
 * setresuid(2), of this one task; ids that are left out stay as they are. The result of `getresuid` can be set
 * again, if the task still has the right to do so.
 */
export const setresuid = (
  { task }: TaskLike,
  ids: Partial<Ids>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME, saved = SAME } = ids;
  const call = near.setresuid(task.sysif, real, effective, saved);
  return checked("setresuid", areIds(ids), keepDeathSignal(task, call));
};

/** setresgid(2), of this one task; ids that are left out stay as they are. */
export const setresgid = (
  { task }: TaskLike,
  ids: Partial<Ids>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME, saved = SAME } = ids;
  const call = near.setresgid(task.sysif, real, effective, saved);
  return checked("setresgid", areIds(ids), keepDeathSignal(task, call));
};

/**
 * setreuid(2), of this one task; ids that are left out stay as they are. The saved id becomes the effective one
 * if the real one is set, or if the effective one is set to another id than the old real one.
 */
export const setreuid = (
  { task }: TaskLike,
  ids: Partial<Pick<Ids, "real" | "effective">>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME } = ids;
  return checked(
    "setreuid",
    areIds(ids),
    keepDeathSignal(task, near.setreuid(task.sysif, real, effective)),
  );
};

/** setregid(2), of this one task: as `setreuid`. */
export const setregid = (
  { task }: TaskLike,
  ids: Partial<Pick<Ids, "real" | "effective">>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME } = ids;
  return checked(
    "setregid",
    areIds(ids),
    keepDeathSignal(task, near.setregid(task.sysif, real, effective)),
  );
};

const Groups = listOf(Uint32);

/** getgroups(2): the supplementary groups, in ascending order. */
export const getgroups = ({
  task,
}: TaskLike): Effect.Effect<ReadonlyArray<number>, MallocFailure> =>
  Effect.flatMap(
    near.getgroups(task.sysif, 0, near.NULL),
    (count): Effect.Effect<ReadonlyArray<number>, MallocFailure> =>
      count === 0
        ? Effect.succeed([])
        : task.withMemory(4 * count, 4, (groups) =>
            Effect.map(
              near.batchThen(
                [near.getgroups(task.sysif, count, groups)],
                task.sysif.read(groups, 4 * count),
              ),
              ([[written], bytes]) => Groups.decode(bytes.subarray(0, 4 * written)),
            ),
          ),
  );

/** setgroups(2), of this one task: replaces the supplementary groups. At most 65536. */
export const setgroups = (
  { task }: TaskLike,
  groups: ReadonlyArray<number>,
): Effect.Effect<void, MallocFailure> =>
  checked(
    "setgroups",
    groups.map((gid, i) => argument(`groups[${i}]`, gid, id)),
    Effect.suspend(() =>
      task.withValue(Groups, groups, (at) => near.setgroups(task.sysif, groups.length, at)),
    ),
  );

/**
 * setsid(2): makes the task's process the leader of a new session and process group without a terminal. EPERM for
 * a process that leads a group already.
 */
export const setsid = ({ task }: TaskLike): Effect.Effect<near.Pid, near.SyscallFailure> =>
  near.setsid(task.sysif);

/** getsid(2): the session of a process; 0 stands for the task's own. */
export const getsid = (
  { task }: TaskLike,
  pid: near.Pid | number = 0,
): Effect.Effect<near.Pid, near.SyscallFailure> =>
  checked("getsid", [argument("pid", pid, int)], near.getsid(task.sysif, pid));

/** getpgrp(2): the process group of the task's process. */
export const getpgrp = ({ task }: TaskLike): Effect.Effect<near.Pid, near.SyscallFailure> =>
  near.getpgid(task.sysif, 0);

/** getpgid(2): the process group of a process; 0 stands for the task's own. */
export const getpgid = (
  { task }: TaskLike,
  pid: near.Pid | number = 0,
): Effect.Effect<near.Pid, near.SyscallFailure> =>
  checked("getpgid", [argument("pid", pid, int)], near.getpgid(task.sysif, pid));

/**
 * setpgid(2): moves the task's process, or a child of its that has not exec'd, to a process group of
 * the session, or to a new one that it leads. As `pid`, 0 stands for the task's process; as `pgid`, for
 * a group of its own.
 */
export const setpgid = (
  { task }: TaskLike,
  pid: near.Pid | number,
  pgid: near.Pid | number,
): Effect.Effect<void, near.SyscallFailure> =>
  checked(
    "setpgid",
    [argument("pid", pid, int), argument("pgid", pgid, int)],
    near.setpgid(task.sysif, pid, pgid),
  );
