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
 * To the kernel, user and group ids belong to a task, which is one thread. That a whole process
 * changes them is the work of C libraries, which make every thread repeat the call; nothing does so
 * here. In a process with other threads, such as Node, those keep their ids.
 *
 * What the kernel takes away with them, the parent-death signal (`prctl.setPdeathsig`), is put back. That
 * the process is no longer dumpable stays so: processes of the new user could trace it otherwise, and with
 * it all that share its memory. For a child of Node's that is Node itself: it leaves no core, only root can
 * trace it, and its files in /proc are root's, until `prctl.setDumpable` says otherwise, which is safe once
 * the child has executed a program or has ended.
 */

/** The user ids of a task, or its group ids. */
export interface Ids {
  /** Who started it. */
  readonly real: number;
  /** As whom it acts. */
  readonly effective: number;
  /** What it may become again. */
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

/** Whether the task acts as the user and group who started it: then access(2) is about what it may do. */
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
 * setuid(2), of this one task: with CAP_SETUID all three user ids, or else the effective one, to the
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

/** What leaves an id as it is. */
const SAME = -1;

const idOrSame = optional(id);

const areIds = ({ real, effective, saved }: Partial<Ids>) => [
  argument("real", real, idOrSame),
  argument("effective", effective, idOrSame),
  argument("saved", saved, idOrSame),
];

/**
 * setresuid(2), of this one task; ids that are left out stay. What `getresuid` gave can be set again,
 * if the task may still do so.
 */
export const setresuid = (
  { task }: TaskLike,
  ids: Partial<Ids>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME, saved = SAME } = ids;
  const call = near.setresuid(task.sysif, real, effective, saved);
  return checked("setresuid", areIds(ids), keepDeathSignal(task, call));
};

/** setresgid(2), of this one task; ids that are left out stay. */
export const setresgid = (
  { task }: TaskLike,
  ids: Partial<Ids>,
): Effect.Effect<void, MallocFailure> => {
  const { real = SAME, effective = SAME, saved = SAME } = ids;
  const call = near.setresgid(task.sysif, real, effective, saved);
  return checked("setresgid", areIds(ids), keepDeathSignal(task, call));
};

/**
 * setreuid(2), of this one task; ids that are left out stay. The saved id becomes the effective one if
 * the real one is set, or if the effective one is set to something else than the real one was.
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

/** setgroups(2), of this one task: the supplementary groups, which are no others then. At most 65536. */
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
 * setsid(2): a new session and process group without a terminal, led by the task's process. EPERM for
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
