import { fixedCString, Int32, PR, PR_CAP_AMBIENT, TASK_COMM_LEN } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import { argument, between, checked, encoded, int } from "../internal/checked.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/*
 * Operations of prctl(2) by their names: PR_SET_NAME is setName. They act on one task, that is on one thread of
 * the process, unless their comments say that they act on the process.
 */

/** The kernel takes these as longs, which are not cut; but a value that is not a number would be 0. */
const long = between("a whole number", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

const prctl = (
  task: Task,
  operation: keyof typeof PR,
  a = 0,
  b = 0,
): Effect.Effect<number, near.SyscallFailure> => {
  const name = `PR_${operation}`;
  const call = near.prctl(task.sysif, PR[operation], a, b);
  return checked("prctl", [argument(name, a, long), argument(name, b, int)], call);
};

/** An operation that writes its result. */
const getting = (task: Task, operation: keyof typeof PR, at: near.Address) =>
  near.prctl(task.sysif, PR[operation], at);

const get = (task: Task, operation: keyof typeof PR): Effect.Effect<number, MallocFailure> =>
  task.withResult(Int32, (at) => getting(task, operation, at));

const set = (
  task: Task,
  operation: keyof typeof PR,
  value: number,
): Effect.Effect<void, near.SyscallFailure> => Effect.asVoid(prctl(task, operation, value));

const isTrue = (value: number): boolean => value !== 0;

const Name = fixedCString(TASK_COMM_LEN);

/** PR_GET_NAME: the name of the task, as /proc/PID/comm shows it. */
export const getName = ({ task }: TaskLike): Effect.Effect<string, MallocFailure> =>
  task.withResult(Name, (at) => getting(task, "GET_NAME", at));

/** PR_SET_NAME: at most 15 bytes. EINVAL for more, of which the kernel would take the first 15. */
export const setName = ({ task }: TaskLike, name: string): Effect.Effect<void, MallocFailure> =>
  Effect.flatMap(encoded("prctl", "name", Name, name), (bytes) =>
    task.withBytes(bytes, (at) => set(task, "SET_NAME", at)),
  );

/** PR_GET_PDEATHSIG: the signal that the task gets when its parent ends; 0 for none. */
export const getPdeathsig = ({ task }: TaskLike): Effect.Effect<number, MallocFailure> =>
  get(task, "GET_PDEATHSIG");

/**
 * PR_SET_PDEATHSIG: sets the signal that the task's process gets when its parent ends; 0 for none. The parent is
 * the *thread* that made the process. If it has ended before, there is no signal: check `getppid` afterwards.
 *
 * The kernel clears it at a change of the effective ids; the functions of this package that change ids set it
 * again. The kernel also clears it at an exec that gives privileges or is in secure mode: a set-user-ID program,
 * or any program if the effective ids are not the real ones. Nothing can set it again there.
 */
export const setPdeathsig = (
  { task }: TaskLike,
  signal: number,
): Effect.Effect<void, near.SyscallFailure> => set(task, "SET_PDEATHSIG", signal);

/** PR_GET_NO_NEW_PRIVS */
export const getNoNewPrivs = ({ task }: TaskLike): Effect.Effect<boolean, near.SyscallFailure> =>
  Effect.map(prctl(task, "GET_NO_NEW_PRIVS"), isTrue);

/** PR_SET_NO_NEW_PRIVS: no exec gives privileges from now on. For good, and for all children. */
export const setNoNewPrivs = ({ task }: TaskLike): Effect.Effect<void, near.SyscallFailure> =>
  set(task, "SET_NO_NEW_PRIVS", 1);

/**
 * PR_GET_DUMPABLE: 1 if the process dumps core, may be traced by its user, and has its files in /proc owned by
 * its user; 0 if not; 2 if it dumps core for root alone. All processes that share the memory have the same value.
 */
export const getDumpable = ({ task }: TaskLike): Effect.Effect<number, near.SyscallFailure> =>
  prctl(task, "GET_DUMPABLE");

/**
 * PR_SET_DUMPABLE: 0 or 1; 2 is EINVAL. A change of the effective ids sets it to the value of
 * /proc/sys/fs/suid_dumpable, for all processes that share the memory: such a change in a child of Node's sets it
 * for Node.
 */
export const setDumpable = (
  { task }: TaskLike,
  dumpable: number,
): Effect.Effect<void, near.SyscallFailure> => set(task, "SET_DUMPABLE", dumpable);

/** PR_GET_KEEPCAPS */
export const getKeepcaps = ({ task }: TaskLike): Effect.Effect<boolean, near.SyscallFailure> =>
  Effect.map(prctl(task, "GET_KEEPCAPS"), isTrue);

/**
 * PR_SET_KEEPCAPS: whether the permitted capabilities stay when the last user id that was 0 changes. The
 * effective ones are cleared all the same. An exec clears the setting.
 */
export const setKeepcaps = (
  { task }: TaskLike,
  keep: boolean,
): Effect.Effect<void, near.SyscallFailure> => set(task, "SET_KEEPCAPS", keep ? 1 : 0);

/** PR_GET_CHILD_SUBREAPER, which belongs to the process. */
export const getChildSubreaper = ({ task }: TaskLike): Effect.Effect<boolean, MallocFailure> =>
  Effect.map(get(task, "GET_CHILD_SUBREAPER"), isTrue);

/**
 * PR_SET_CHILD_SUBREAPER: whether the process becomes the parent of descendants whose own parents
 * end, as init otherwise does. It then has to wait for them.
 */
export const setChildSubreaper = (
  { task }: TaskLike,
  subreaper: boolean,
): Effect.Effect<void, near.SyscallFailure> => set(task, "SET_CHILD_SUBREAPER", subreaper ? 1 : 0);

/** PR_CAPBSET_READ: whether an exec may give this capability (`CAP`). EINVAL if the kernel does not know it. */
export const capbsetRead = (
  { task }: TaskLike,
  capability: number,
): Effect.Effect<boolean, near.SyscallFailure> =>
  Effect.map(prctl(task, "CAPBSET_READ", capability), isTrue);

/** PR_CAPBSET_DROP: no exec gives this capability from now on. Needs CAP_SETPCAP. */
export const capbsetDrop = (
  { task }: TaskLike,
  capability: number,
): Effect.Effect<void, near.SyscallFailure> => set(task, "CAPBSET_DROP", capability);

const ambient = (
  task: Task,
  operation: keyof typeof PR_CAP_AMBIENT,
  capability = 0,
): Effect.Effect<number, near.SyscallFailure> =>
  prctl(task, "CAP_AMBIENT", PR_CAP_AMBIENT[operation], capability);

/** PR_CAP_AMBIENT_IS_SET: whether an exec of an ordinary program keeps this capability. */
export const capAmbientIsSet = (
  { task }: TaskLike,
  capability: number,
): Effect.Effect<boolean, near.SyscallFailure> =>
  Effect.map(ambient(task, "IS_SET", capability), isTrue);

/** PR_CAP_AMBIENT_RAISE. EPERM unless the capability is permitted and inheritable. */
export const capAmbientRaise = (
  { task }: TaskLike,
  capability: number,
): Effect.Effect<void, near.SyscallFailure> => Effect.asVoid(ambient(task, "RAISE", capability));

/** PR_CAP_AMBIENT_LOWER */
export const capAmbientLower = (
  { task }: TaskLike,
  capability: number,
): Effect.Effect<void, near.SyscallFailure> => Effect.asVoid(ambient(task, "LOWER", capability));

/** PR_CAP_AMBIENT_CLEAR_ALL */
export const capAmbientClearAll = ({ task }: TaskLike): Effect.Effect<void, near.SyscallFailure> =>
  Effect.asVoid(ambient(task, "CLEAR_ALL"));
