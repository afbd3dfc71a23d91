import {
  CLONE,
  CloneArgs,
  cloneFlagNames,
  Int32,
  SIG,
  Sigset,
  type SyscallName,
} from "@rsyscall/abi";
import type { Stack } from "@rsyscall/memory";
import * as near from "@rsyscall/near";
import {
  Child,
  ChildOutcome,
  encodeRequest,
  FdRange,
  REQUEST_SIZE,
  RING_SIZE,
  setWord,
} from "@rsyscall/wire";
import { Effect, Exit, Scope } from "effect";
import type { MallocFailure } from "./errors.ts";
import { FileDescriptor } from "./FileDescriptor.ts";
import { flagSet } from "./internal/checked.ts";
import { decodeFds } from "./internal/decodeFds.ts";
import { explainDenied } from "./internal/explainDenied.ts";
import { Pidfd } from "./sys/pidfd.ts";
import type { Task } from "./Task.ts";
import type { TaskLike } from "./TaskLike.ts";

/** Flags that make sense for a child that serves system calls: what it shares, and what it gets anew. */
const ALLOWED =
  CLONE.FS |
  CLONE.FILES |
  CLONE.IO |
  CLONE.SYSVSEM |
  CLONE.UNTRACED |
  CLONE.NEWNS |
  CLONE.NEWCGROUP |
  CLONE.NEWUTS |
  CLONE.NEWIPC |
  CLONE.NEWUSER |
  CLONE.NEWPID |
  CLONE.NEWNET;

/** Bytes of the two words with which a child begins. */
const ENTRY_SIZE = 16;

/** How a child is made: see `clone`. */
export interface CloneOptions<E = never, R = never> {
  /** Of `CLONE`: FILES, FS and the namespaces. */
  readonly flags: number;
  /** The socket on which the child serves, as it numbers it; undefined if it does not serve. */
  readonly serverFd?: near.Fd | undefined;
  /** Whether its requests come through a ring on its stack; else they come over the socket. */
  readonly hasRing?: boolean;
  /**
   * Runs when all is ready for the child, and the child is not there yet. Gets the address of the ring, if there is one,
   * whose content is undefined: the caller makes it zeros.
   */
  readonly before?: (ring: near.Address) => Effect.Effect<void, E, R>;
  /** Descriptors that the child needs, whether or not they are private. */
  readonly kept: ReadonlyArray<near.Fd>;
  /** The signal that the child gets when this process dies; undefined for none. */
  readonly deathSignal: number | undefined;
  /** The system calls that the child makes by itself, in this order. If one fails, the child exits. */
  readonly steps?: ReadonlyArray<Step>;
  /** Memory that the steps use: its size, and its content at an address. */
  readonly image?: { readonly size: number; readonly at: (base: number) => Uint8Array };
}

/** A system call of the child. */
export interface Step {
  /** The system call. */
  readonly syscall: SyscallName;
  /** What the call is about, for its error: a path. */
  readonly subject?: string | undefined;
  /**
   * Makes the arguments, at most six.
   *
   * @param image the address of the image
   */
  readonly words: (image: near.Address) => ReadonlyArray<near.Word>;
}

/** A child of a task's process, and what it runs on. */
export interface Cloned {
  /** Its number in the parent's pid namespace. */
  readonly pid: near.Pid;
  /** The descriptor by which the child is watched and signalled. */
  readonly pidfd: Pidfd;
  /** The address of the ring, if there is one: the start of a page. */
  readonly ring: near.Address;
  /**
   * The error of the step that has failed, if one has so far. It is read from the stack, which must not be freed
   * yet; in this process at once.
   */
  readonly failure: () => Effect.Effect<near.SyscallError | undefined, near.SyscallFailure>;
  /** Frees the stack, at most once. Only for a child that has left the memory, by exec or exit. */
  readonly freeStack: () => Effect.Effect<void>;
}

/**
 * clone3(2), or clone(2) if that is refused (seccomp profiles answer ENOSYS, and old ones EPERM): makes a child
 * in the same memory that serves system calls on a socket. It runs none of the parent's code and handlers. EAGAIN
 * at the limit of processes, EPERM for namespaces without the right to them.
 */
export const clone = <E = never, R = never>(
  { task }: TaskLike,
  options: CloneOptions<E, R>,
): Effect.Effect<Cloned, MallocFailure | E, R | Scope.Scope> => {
  const { flags } = options;
  if (!flagSet.has(flags) || (flags & ~ALLOWED) !== 0)
    return Effect.fail(
      new near.InvalidArgumentError({
        syscall: "clone",
        argument: "flags",
        value: flagSet.has(flags) ? cloneFlagNames(flags) : flags,
        expected: `0 or flags of ${cloneFlagNames(ALLOWED)}`,
      }),
    );
  return Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) => {
      const ranges = flags & CLONE.FILES ? [] : task.fdTable.closedOnFork(options.kept);
      const area = layOut(ranges.length, task.pageSize, options);
      const idle = task.allocator.takeIdleStack(area.size);
      return idle !== undefined
        ? makeOn(idle, area, task, options, ranges, scope)
        : Effect.flatMap(task.allocator.takeStack(area.size), (stack) =>
            makeOn(stack, area, task, options, ranges, scope),
          );
    }),
  );
};

/** Makes a child on a stack. The scope closes its pidfd. */
const makeOn = <E, R>(
  stack: Stack,
  area: Area,
  task: Task,
  options: CloneOptions<E, R>,
  ranges: ReadonlyArray<FdRange>,
  scope: Scope.Scope,
): Effect.Effect<Cloned, MallocFailure | E, R> => {
  const { flags, before, steps = [] } = options;
  const { sysif } = task;
  const base = near.Address(stack.address + stack.size - area.size);
  const at = (offset: number) => near.Address(base + offset);
  let taken = true;
  const freeStack = Effect.suspend(() => {
    if (!taken) return Effect.void;
    taken = false;
    return task.allocator.releaseStack(stack) ?? Effect.void;
  });
  const local = near.LocalSyscallInterface.of(sysif);
  // In this process that is plain code: Effects take as long as the calls.
  const isHere = local !== undefined && sysif === local;
  const call = near.clone(sysif, at(area.args), at(area.child));
  if (flags !== 0) call.about(() => cloneFlagNames(flags));
  const makeIt: Effect.Effect<readonly [near.Pid, Uint8Array], near.SyscallFailure> = isHere
    ? Effect.suspend(() =>
        Exit.map(
          call.exit(call.submit() as near.Word),
          (pid) => [pid, local.readNow(at(area.pidfd), Int32.size)] as const,
        ),
      )
    : Effect.map(
        near.batchThen([call], sysif.read(at(area.pidfd), Int32.size)),
        ([[pid], fd]) => [pid, fd] as const,
      );
  const own = ([pid, fd]: readonly [near.Pid, Uint8Array]) =>
    Effect.flatMap(
      near.decoded("clone", `pid ${pid}`, () => decodeFds(fd)),
      ([number]) => {
        const pidfd = FileDescriptor.opened(Pidfd, task, number as near.Fd);
        pidfd.closeOnFork = true;
        const outcome = at(area.child + Child.offsets.failed);
        const failure = (bytes: Uint8Array) =>
          near.decoded("clone", `pid ${pid}`, () => {
            const { failed, result } = ChildOutcome.decode(bytes);
            const step = steps[failed - 1];
            if (step === undefined) return undefined;
            if (!near.isError(result))
              throw new RangeError(`${step.syscall} failed with ${result}`);
            return near.SyscallError.from(step.syscall, result, step.subject);
          });
        return Effect.as(
          Scope.addFinalizerExit(
            scope,
            (exit) => FileDescriptor.releaseNow(pidfd, exit) ?? Effect.void,
          ),
          {
            pid,
            pidfd,
            ring: at(area.ring),
            failure: () =>
              isHere
                ? failure(local.readNow(outcome, ChildOutcome.size))
                : Effect.flatMap(sysif.read(outcome, ChildOutcome.size), failure),
            freeStack: () => freeStack,
          },
        );
      },
    );
  const write = sysif.write(base, contents(task, options, stack, area, base, ranges));
  const ready =
    before === undefined
      ? write
      : Effect.andThen(
          write,
          Effect.suspend(() => before(at(area.ring))),
        );
  const made = Effect.andThen(ready, explainDenied(task, flags)(makeIt));
  return Effect.flatMap(
    Effect.tapError(made, () => freeStack),
    own,
  );
};

/** The layout of the data at the top of the stack, by offsets from its start. */
interface Area {
  readonly size: number;
  readonly args: number;
  readonly child: number;
  readonly ranges: number;
  readonly requests: number;
  readonly pidfd: number;
  readonly image: number;
  /** Begins a page of the machine, the last ones of the stack: a controller maps it by whole pages. */
  readonly ring: number;
}

const layOut = (
  rangeCount: number,
  pageSize: number,
  { steps = [], image, hasRing }: CloneOptions<unknown, unknown>,
): Area => {
  const args = ENTRY_SIZE;
  const child = args + CloneArgs.size;
  const ranges = child + Child.size;
  const requests = ranges + FdRange.size * rangeCount;
  const pidfd = requests + REQUEST_SIZE * steps.length;
  const imageAt = pidfd + 8;
  const ring = Math.ceil((imageAt + (image?.size ?? 0)) / 16) * 16;
  const size = ring + (hasRing ? Math.ceil(RING_SIZE / pageSize) * pageSize : 0);
  return { args, child, ranges, requests, pidfd, image: imageAt, ring, size };
};

const contents = (
  task: Task,
  { flags, serverFd, hasRing, deathSignal, steps = [], image }: CloneOptions<unknown, unknown>,
  stack: Stack,
  area: Area,
  base: number,
  ranges: ReadonlyArray<FdRange>,
): Uint8Array => {
  const bytes = new Uint8Array(area.ring);
  const view = new DataView(bytes.buffer);
  const shared = CLONE.VM | CLONE.PIDFD | CLONE.CHILD_SETTID | CLONE.CHILD_CLEARTID;
  // Word by word, among zeros: the codecs of the two structs would take some microseconds of every child.
  const { args, child } = area;
  const arg = CloneArgs.offsets;
  setWord(view, args + arg.flags, ((flags | shared) >>> 0) + CLONE.CLEAR_SIGHAND);
  setWord(view, args + arg.pidfd, base + area.pidfd);
  setWord(view, args + arg.childTid, base + child + Child.offsets.tid);
  setWord(view, args + arg.exitSignal, SIG.CHLD);
  setWord(view, args + arg.stack, stack.address);
  // The child's stack pointer: the child first takes the two words of the entry.
  setWord(view, args + arg.stackSize, base - stack.address);
  const field = Child.offsets;
  view.setInt32(child + field.fd, serverFd ?? -1, true);
  const parent = flags & CLONE.NEWPID || task.isOutsideOfChildren ? 0 : task.pid;
  view.setInt32(child + field.parent, parent, true);
  view.setUint32(child + field.deathSignal, deathSignal ?? 0, true);
  Sigset.encode(task.programSignals.defaulted, bytes.subarray(child + field.defaultSignals));
  view.setUint32(child + field.rangeCount, ranges.length, true);
  view.setUint32(child + field.requestCount, steps.length, true);
  setWord(view, child + field.ranges, base + area.ranges);
  setWord(view, child + field.requests, base + area.requests);
  if (hasRing) setWord(view, child + field.ring, base + area.ring);
  for (const [i, { first, last }] of ranges.entries()) {
    view.setUint32(area.ranges + FdRange.size * i + FdRange.offsets.first, first, true);
    view.setUint32(area.ranges + FdRange.size * i + FdRange.offsets.last, last, true);
  }
  const imageAddress = near.Address(base + area.image);
  for (const [i, { syscall, words }] of steps.entries()) {
    // The child gets ENOSYS for a number that no system call has.
    const number = task.abi.syscallNumber(syscall) ?? NO_SYSCALL;
    const at = area.requests + REQUEST_SIZE * i;
    encodeRequest(view, at, number, 0, words(imageAddress));
  }
  if (image !== undefined) bytes.set(image.at(imageAddress), area.image);
  return bytes;
};

const NO_SYSCALL = 0x7ffe_ffff;
