import { Directory, type HandleFailure, type Task } from "@rsyscall/handle";
import { catchErrno, Fd, type Path, Pid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/** A descriptor that is open in a process. */
export interface OpenDescriptor {
  /** Its number in the process. */
  readonly fd: Fd;
  /** Its target in /proc: a path, `pipe:[12345]`, `anon_inode:[eventpoll]`. */
  readonly target: Path;
}

/** A child of a process. */
export interface ChildDescription {
  /** The child's number in the pid namespace of the process. */
  readonly pid: Pid;
  /** Its arguments, as ps(1) shows them; the name of the program in brackets if there are none. */
  readonly command: string;
  /** Whether it has ended. Its status is kept until it is waited for. */
  readonly hasEnded: boolean;
}

/** The maximum number of calls of one listing that are in flight together. */
const AT_ONCE = 32;

const skipMissing = catchErrno(["ENOENT", "ESRCH"], () => Effect.succeed(undefined));

const isKnown = <A>(value: A | undefined): value is A => value !== undefined;

/** Lists the descriptors of a task's process, except for private ones. */
export const openDescriptors = (
  task: Task,
): Effect.Effect<ReadonlyArray<OpenDescriptor>, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* Directory.make(task, "/proc/self/fd");
      const target = (fd: number) => directory.readlinkat(String(fd));
      const hidden = new Set(task.fdTable.closedOnFork([]).map(({ first }) => first));
      const fds = (yield* directory.entries())
        .map(({ name }) => Number(name))
        .filter((fd) => fd !== directory.near && !hidden.has(fd));
      const found = yield* Effect.forEach(
        fds.sort((a, b) => a - b),
        (fd) => skipMissing(Effect.map(target(fd), (target) => ({ fd: Fd(fd), target }))),
        { concurrency: AT_ONCE },
      );
      return found.filter(isKnown);
    }),
  );

const text = (thread: Thread, path: string): Effect.Effect<string, HandleFailure> =>
  Effect.map(thread.slurp(path), (bytes) => new TextDecoder().decode(bytes));

/** Lists the children of all threads of a Thread's process. */
export const childrenOf = Effect.fnUntraced(function* (
  thread: Thread,
): Effect.fn.Return<ReadonlyArray<ChildDescription>, HandleFailure> {
  const threads = yield* Effect.scoped(
    Effect.flatMap(Directory.make(thread.task, "/proc/self/task"), (directory) =>
      directory.entries(),
    ),
  );
  const lists = yield* Effect.forEach(threads, ({ name }) =>
    skipMissing(text(thread, `/proc/self/task/${name}/children`)),
  );
  const pids = lists.flatMap((list) => list?.match(/\d+/g) ?? []).map(Number);
  const children = yield* Effect.forEach(
    pids.sort((a, b) => a - b),
    (pid) => skipMissing(describe(thread, pid)),
    { concurrency: AT_ONCE },
  );
  return children.filter(isKnown);
});

/** Returns the value of a line `NAME:\t...` of proc_pid_status(5). */
const field = (status: string, name: string): string | undefined =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];

/** Returns the numbers of a process, from the namespace of /proc down to its own. */
const numbers = (status: string): ReadonlyArray<number> =>
  (field(status, "NSpid") ?? "").match(/\d+/g)?.map(Number) ?? [];

/**
 * @param number the number in /proc, whose pid namespace may not be the Thread's
 */
const describe = (thread: Thread, number: number): Effect.Effect<ChildDescription, HandleFailure> =>
  Effect.map(
    Effect.all([
      text(thread, "/proc/self/status"),
      text(thread, `/proc/${number}/status`),
      text(thread, `/proc/${number}/cmdline`),
    ]),
    ([own, status, line]) => {
      const words = line.split("\0").slice(0, -1).join(" ");
      return {
        pid: Pid(numbers(status)[numbers(own).length - 1] ?? number),
        command: words === "" ? `[${field(status, "Name") ?? ""}]` : words,
        hasEnded: /^[ZX]/.test(field(status, "State") ?? ""),
      };
    },
  );
