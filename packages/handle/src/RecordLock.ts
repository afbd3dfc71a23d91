import { F, Flock, SEEK } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { HandleFailure, MallocFailure } from "./errors.ts";
import type { FileDescriptor } from "./FileDescriptor.ts";
import { argument, checked, encoded, exactly, type Rule } from "./internal/checked.ts";
import { restarted } from "./internal/restarted.ts";
import { heldLock, locking, type Restore, waiting } from "./internal/waiting.ts";
import type { Task } from "./Task.ts";

/** A range of a file. Default: all of it. */
export interface FileRange {
  /** Where `start` counts from, of `SEEK`. Default: `SEEK.SET`. */
  readonly whence?: number;
  /** The first byte. Default 0. */
  readonly start?: number | bigint;
  /** Bytes; 0, the default: to the end, however far the file grows. */
  readonly length?: number | bigint;
}

/**
 * What has a record lock: the open file (`"ofd"`: F_OFD_SETLK), so that all its descriptors in all processes share
 * it until the last is closed; or the process (`"process"`: F_SETLK), which loses all its locks of a file as soon as
 * it closes any descriptor of it.
 */
export type LockOwner = "ofd" | "process";

const commands = {
  ofd: { get: F.OFD_GETLK, set: F.OFD_SETLK, wait: F.OFD_SETLKW },
  process: { get: F.GETLK, set: F.SETLK, wait: F.SETLKW },
} as const;

/** The value for the kernel. It must have no pid. */
const flockOf = (
  type: number,
  { whence = SEEK.SET, start = 0, length = 0 }: FileRange,
): Effect.Effect<Uint8Array, near.InvalidArgumentError> =>
  Effect.flatMap(
    Effect.try({
      try: () => ({ start: exactly(start), length: exactly(length) }),
      catch: (cause) =>
        new near.InvalidArgumentError({
          syscall: "fcntl",
          argument: "range",
          value: { start, length },
          expected: "whole numbers, as bigints from 2^53 on",
          cause,
        }),
    }),
    (range) => encoded("fcntl", "range", Flock, { type, whence, pid: 0, ...range }),
  );

/** F_OFD_SETLK or F_SETLK. See `FileDescriptor.setRecordLock`. */
export const setRecordLock = (
  task: Task,
  fd: near.Fd,
  type: number,
  range: FileRange,
  owner: LockOwner,
): Effect.Effect<void, HandleFailure> =>
  withFlock(task, type, range, (address) => setLock(task, fd, commands[owner].set, address));

const setLock = (
  task: Task,
  fd: near.Fd,
  command: number,
  address: near.Address,
): Effect.Effect<void, near.SyscallFailure> =>
  restarted(Effect.asVoid(near.fcntl(task.sysif, fd, command, address)));

/** F_OFD_SETLKW or F_SETLKW, in two parts: see `waiting`. */
const waitForRecordLock = (
  task: Task,
  fd: near.Fd,
  type: number,
  range: FileRange,
  owner: LockOwner,
  restore: Restore,
): Effect.Effect<void, HandleFailure> =>
  withFlock(task, type, range, (address) => {
    const { set, wait } = commands[owner];
    const lock = (command: number) => setLock(task, fd, command, address);
    return waiting(
      task,
      {
        now: lock(set),
        later: { syscall: "fcntl", subject: `fd ${fd}`, words: () => [fd, wait, address] },
        inTask: lock(wait),
        undo: setRecordLock(task, fd, F.UNLCK, range, owner),
      },
      restore,
    );
  });

/** F_OFD_SETLKW or F_SETLKW. See `FileDescriptor.setRecordLock`. */
export const awaitRecordLock = (
  task: Task,
  fd: near.Fd,
  type: number,
  range: FileRange,
  owner: LockOwner,
): Effect.Effect<void, HandleFailure> =>
  locking(setRecordLock(task, fd, F.UNLCK, range, owner), (restore) =>
    waitForRecordLock(task, fd, type, range, owner, restore),
  );

const withFlock = <A, E>(
  task: Task,
  type: number,
  range: FileRange,
  use: (address: near.Address) => Effect.Effect<A, E>,
): Effect.Effect<A, E | MallocFailure> =>
  Effect.flatMap(flockOf(type, range), (bytes) => task.withBytes(bytes, use, Flock.alignment));

/** F_OFD_GETLK or F_GETLK. See `FileDescriptor.getRecordLock`. */
export const getRecordLock = (
  task: Task,
  fd: near.Fd,
  type: number,
  range: FileRange,
  owner: LockOwner,
): Effect.Effect<Flock | undefined, MallocFailure> =>
  withFlock(task, type, range, (address) =>
    Effect.flatMap(
      near.batchThen(
        [near.fcntl(task.sysif, fd, commands[owner].get, address)],
        task.sysif.read(address, Flock.size),
      ),
      ([, bytes]) =>
        near.decoded("fcntl", `fd ${fd}`, () => {
          const lock = Flock.decode(bytes);
          return lock.type === F.UNLCK ? undefined : lock;
        }),
    ),
  );

/** What locks a range. F.UNLCK would make a lock that excludes no other. */
const recordLock: Rule<number> = {
  expected: "F.WRLCK or F.RDLCK",
  has: (type) => type === F.WRLCK || type === F.RDLCK,
};

/** Options of {@link RecordLock.make}. */
export interface RecordLockOptions extends FileRange {
  /** `F.WRLCK`, the default, or `F.RDLCK`, which others may share. */
  readonly type?: number;
  /** Whether to wait until no other has a lock that conflicts. Default true; else EAGAIN. */
  readonly wait?: boolean;
}

/**
 * A lock of a range of a file, as a resource: F_OFD_SETLK of fcntl_locking(2). The open file has it; it does not
 * keep others from reading and writing, but from locking.
 */
export class RecordLock {
  /** The lock's own handle of the file, which stays open until the lock is released. */
  readonly fd: FileDescriptor;
  readonly #range: FileRange;

  private constructor(fd: FileDescriptor, range: FileRange) {
    this.fd = fd;
    this.#range = range;
  }

  /**
   * Locks a range of an open file until the scope closes. The wait holds up no other call, and can be interrupted.
   * EBADF if the file is not open for writing, or for `F.RDLCK` for reading.
   */
  static make(
    fd: FileDescriptor,
    { type = F.WRLCK, wait = true, ...range }: RecordLockOptions = {},
  ): Effect.Effect<RecordLock, HandleFailure, Scope.Scope> {
    const lock = Effect.flatMap(fd.forTask(fd.task), (own) => {
      const { task, near: number } = own;
      const held = heldLock(own.setRecordLock(F.UNLCK, range), (restore) =>
        wait
          ? waitForRecordLock(task, number, type, range, "ofd", restore)
          : own.setRecordLock(type, range),
      );
      return Effect.as(held, new RecordLock(own, range));
    });
    return checked("fcntl", [argument("type", type, recordLock)], lock);
  }

  /** Unlocks the range before the scope does. */
  release(): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(this.fd.setRecordLock(F.UNLCK, this.#range), this.fd.close());
  }
}

near.oneLine(RecordLock, ({ fd }) => `record lock of ${fd}`);
