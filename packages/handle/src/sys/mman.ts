import { type Codec, type FixedCodec, MAP, MREMAP, MSYNC, O, PROT } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import {
  type BorrowFailure,
  type InvalidHandleError,
  type MallocFailure,
  SizeError,
  UseAfterFreeError,
} from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import {
  argument,
  between,
  bytes as byteArray,
  checked,
  encoded,
  type Misread,
  size as someSize,
} from "../internal/checked.ts";
import { readMemory, writeMemory } from "../internal/copyMemory.ts";
import { MappedRegion } from "../internal/MappedRegion.ts";
import type { Task } from "../Task.ts";
import type { TaskLike } from "../TaskLike.ts";

/** What is mapped, and how. */
export interface MmapOptions {
  /** Of `PROT`. Default: PROT.READ | PROT.WRITE. */
  readonly protection?: number;
  /**
   * Of `MAP`, and of `MAP_HUGE` with MAP.HUGETLB. Default: MAP.SHARED with a descriptor, MAP.PRIVATE without one.
   * Without a descriptor, MAP.ANONYMOUS is added.
   */
  readonly flags?: number;
  /** The file, device or memfd. Default: none, and the memory is zeros. */
  readonly fd?: FileDescriptor;
  /** Where the mapping begins in the file, in bytes: whole pages. Default: 0. */
  readonly offset?: number | bigint;
  /** The address of the mapping, which must be free (MAP.FIXED_NOREPLACE). Default: the kernel chooses one. */
  readonly address?: near.Address;
}

/** Errors of an operation on a part of a mapping. */
export type MappingFailure = MallocFailure | InvalidHandleError | SizeError;

/**
 * Memory that a task has mapped: mmap(2) of a file, of a memfd or of no file. The scope that made the handle unmaps
 * it, if it is the last handle of the memory.
 *
 * Reads and writes are checked against the bounds, and made by the kernel: a page without the right, or behind the
 * end of a file that was truncated, is EFAULT, never a signal that ends the process. The task of a child that shares
 * the memory, as all children of `Thread.clone` do, gets its own handle by `forTask`. Other processes map the same
 * memfd.
 *
 * When the task executes a program or ends, its memory is gone: operations fail with a SyscallSendError then.
 *
 * @example
 * ```ts
 * import { CString, MAP, Uint32 } from "@rsyscall/abi";
 * import { MemoryMapping } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const shared = yield* MemoryMapping.make(thread, 4096, { flags: MAP.SHARED });
 *   const child = yield* thread.fork();
 *   const theirs = yield* shared.forTask(child);
 *   yield* theirs.write(Uint32, 4711, 8);
 *   yield* theirs.write(CString, "from the child", 100);
 *   console.log(yield* shared.read(Uint32, 8)); // 4711
 *   console.log(yield* shared.read(CString, 100, 50)); // from the child
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class MemoryMapping {
  /** The task through which the handle is used. */
  readonly task: Task;
  readonly #region: MappedRegion;
  #valid = true;

  private constructor(task: Task, region: MappedRegion) {
    this.task = task;
    this.#region = region;
    region.handles++;
  }

  /**
   * mmap(2): maps `length` bytes, which the kernel rounds up to pages of the task. InvalidArgumentError for
   * MAP.FIXED, which would replace memory that is in use, and for MAP.GROWSDOWN, which would grow beyond what the
   * handle unmaps. Errors of the kernel: EACCES, EPERM and ENODEV for the descriptor, EINVAL for a part of the file
   * that does not begin at a page, EEXIST where the address is not free, EAGAIN for MAP.LOCKED above RLIMIT_MEMLOCK,
   * ENOMEM.
   */
  static make(
    { task }: TaskLike,
    length: number,
    options: MmapOptions = {},
  ): Effect.Effect<MemoryMapping, near.SyscallFailure | BorrowFailure, Scope.Scope> {
    return near.acquire(
      checked(
        "mmap",
        [argument("length", length, someSize), flagsProblem(options.flags)],
        Effect.map(
          map(task, length, options),
          (address) => new MemoryMapping(task, new MappedRegion(address, wholePages(task, length))),
        ),
      ),
      (mapping) => mapping.#release(),
    );
  }

  /** The address of the first byte. A caller that uses it directly bypasses the checks of the handle; see `borrow`. */
  get near(): near.Address {
    return this.#region.address;
  }

  /** In bytes: whole pages of the task. A page may be unmapped since. `mremap` changes it. */
  get length(): number {
    return this.#region.length;
  }

  /** Whether the handle was not given up, and some page is still mapped. */
  get isValid(): boolean {
    return this.#valid && !this.#region.isEmpty;
  }

  /**
   * The address of a part, for a system call of a task in the same memory, while the handle is valid. UseAfterFreeError
   * if a page of the part was unmapped, SizeError if the part is not within the mapping.
   *
   * @param offset in bytes. Default: 0
   * @param length in bytes. Default: the rest
   */
  borrow(
    { task }: TaskLike,
    offset = 0,
    length = this.length - offset,
  ): Effect.Effect<near.Address, BorrowFailure | SizeError | near.InvalidArgumentError> {
    return Effect.andThen(
      this.#isReachedBy(task),
      Effect.suspend(() => this.#part("borrow", offset, length)),
    );
  }

  /** Another handle for the same memory, used through a task in the same address space, such as a child. */
  forTask({ task }: TaskLike): Effect.Effect<MemoryMapping, BorrowFailure, Scope.Scope> {
    return near.acquire(
      Effect.andThen(
        this.#isReachedBy(task),
        Effect.suspend(() =>
          this.isValid
            ? Effect.succeed(new MemoryMapping(task, this.#region))
            : Effect.fail(this.#invalidError),
        ),
      ),
      (mapping) => mapping.#release(),
    );
  }

  /**
   * Reads bytes. EFAULT if a page is inaccessible.
   *
   * @param offset in bytes. Default: 0
   * @param length in bytes. Default: the rest
   */
  readBytes(offset = 0, length = this.length - offset): Effect.Effect<Uint8Array, MappingFailure> {
    return this.#use("memory read", offset, length, (address) =>
      readMemory(this.task, address, length, this.#subject),
    );
  }

  /** Writes bytes. EFAULT if a page is inaccessible; some may be written then. */
  writeBytes(bytes: Uint8Array, offset = 0): Effect.Effect<void, MappingFailure> {
    return Effect.suspend(() =>
      checked(
        "memory write",
        [argument("bytes", bytes, byteArray)],
        this.#use("memory write", offset, bytes.length, (address) =>
          writeMemory(this.task, address, bytes, this.#subject),
        ),
      ),
    );
  }

  /** Reads a value. EPROTO if the memory has none of the type; EFAULT if a page is inaccessible. */
  read<A>(type: FixedCodec<A>, offset?: number): Effect.Effect<A, MappingFailure>;
  /** Reads a value of a type whose values differ in size, from `length` bytes. */
  read<A>(type: Codec<A>, offset: number, length: number): Effect.Effect<A, MappingFailure>;
  read<A>(
    type: Codec<A>,
    offset = 0,
    length = type.size ?? this.length - offset,
  ): Effect.Effect<A, MappingFailure> {
    return Effect.flatMap(this.readBytes(offset, length), (bytes) =>
      near.decoded("memory read", this.#subject, () => type.decode(bytes)),
    );
  }

  /** Writes a value. InvalidArgumentError for a value that the type cannot have; EFAULT if a page is inaccessible. */
  write<A>(type: Codec<A>, value: A, offset = 0): Effect.Effect<void, MappingFailure> {
    return Effect.flatMap(encoded("memory write", "value", type, value), (bytes) =>
      this.writeBytes(bytes, offset),
    );
  }

  /**
   * mprotect(2): changes the protection of pages. EACCES for what the file was not opened for. EINVAL for an offset
   * within a page; the kernel rounds the length up to pages.
   *
   * @param protection of `PROT`
   * @param offset in bytes. Default: 0
   * @param length in bytes. Default: the rest
   */
  mprotect(
    protection: number,
    offset = 0,
    length = this.length - offset,
  ): Effect.Effect<void, MappingFailure> {
    return this.#use("mprotect", offset, length, (address) =>
      near.mprotect(this.task.sysif, address, length, protection),
    );
  }

  /** madvise(2), with an advice of `MADV`. Offset and length as of `mprotect`. */
  madvise(
    advice: number,
    offset = 0,
    length = this.length - offset,
  ): Effect.Effect<void, MappingFailure> {
    return this.#use("madvise", offset, length, (address) =>
      near.madvise(this.task.sysif, address, length, advice),
    );
  }

  /**
   * msync(2): writes changed pages of a shared mapping to their file, and waits for the disk.
   *
   * @param flags of `MSYNC`. Default: MSYNC.SYNC
   */
  msync(
    flags: number = MSYNC.SYNC,
    offset = 0,
    length = this.length - offset,
  ): Effect.Effect<void, MappingFailure> {
    return this.#use("msync", offset, length, (address) =>
      near.msync(this.task.sysif, address, length, flags),
    );
  }

  /**
   * mlock2(2): keeps pages in memory. ENOMEM or EPERM above RLIMIT_MEMLOCK without CAP_IPC_LOCK.
   *
   * @param flags of `MLOCK`. Default: none, which reads all pages now
   */
  mlock(offset = 0, length = this.length - offset, flags = 0): Effect.Effect<void, MappingFailure> {
    return this.#use("mlock", offset, length, (address) =>
      flags === 0
        ? near.mlock(this.task.sysif, address, length)
        : near.mlock2(this.task.sysif, address, length, flags),
    );
  }

  /** munlock(2). Offset and length as of `mprotect`. */
  munlock(offset = 0, length = this.length - offset): Effect.Effect<void, MappingFailure> {
    return this.#use("munlock", offset, length, (address) =>
      near.munlock(this.task.sysif, address, length),
    );
  }

  /** mincore(2): whether each page is in memory. Of a file that the task may not write, the kernel says yes. */
  mincore(
    offset = 0,
    length = this.length - offset,
  ): Effect.Effect<ReadonlyArray<boolean>, MappingFailure> {
    const { sysif, pageSize } = this.task;
    return this.#use("mincore", offset, length, (address) => {
      const pages = Math.ceil(length / pageSize);
      return this.task.withMemory(pages, 1, (at) =>
        Effect.map(
          near.batchThen([near.mincore(sysif, address, length, at)], sysif.read(at, pages)),
          ([, states]) => Array.from(states, (state) => (state & 1) === 1),
        ),
      );
    });
  }

  /**
   * mremap(2): changes the length, and the address if MREMAP.MAYMOVE allows it and there is no room. It holds for all
   * handles of the memory; operations that are under way are waited for. InvalidStateError if a page was unmapped,
   * InvalidArgumentError for MREMAP.FIXED and DONTUNMAP.
   *
   * @param length in bytes
   * @param flags of `MREMAP`. Default: MREMAP.MAYMOVE
   */
  mremap(
    length: number,
    flags: number = MREMAP.MAYMOVE,
  ): Effect.Effect<void, MappingFailure | near.InvalidStateError> {
    const region = this.#region;
    const problems = [
      argument("length", length, someSize),
      argument("flags", flags, {
        expected:
          "0 or MREMAP.MAYMOVE: the others would replace memory that is in use, or leave some behind",
        has: (value) => value === 0 || value === MREMAP.MAYMOVE,
      }),
    ];
    const change = Effect.suspend(
      (): Effect.Effect<void, near.SyscallFailure | UseAfterFreeError | near.InvalidStateError> => {
        if (!this.isValid) return Effect.fail(this.#invalidError);
        if (!region.isWhole)
          return Effect.fail(
            new near.InvalidStateError({
              syscall: "mremap",
              subject: this.#subject,
              problem: "has a hole, where pages were unmapped",
              remedy: "make a new mapping",
            }),
          );
        return Effect.map(
          near.mremap(this.task.sysif, region.address, region.length, length, flags),
          (address) => region.moved(address, wholePages(this.task, length)),
        );
      },
    );
    return checked("mremap", problems, region.alone(change));
  }

  /**
   * munmap(2), now. Without arguments it gives up the handle, and unmaps all if no other handle of the memory is left.
   * With an offset it unmaps these pages for all handles: their use is a UseAfterFreeError then.
   *
   * @param offset in bytes, at a page
   * @param length in bytes, rounded up to pages. Default: the rest
   */
  munmap(offset?: number, length?: number): Effect.Effect<void, MappingFailure> {
    return Effect.suspend((): Effect.Effect<void, MappingFailure> => {
      if (offset === undefined && length === undefined)
        return this.#valid ? this.#release() : Effect.fail(this.#invalidError);
      const from = offset ?? 0;
      const count = length ?? this.length - from;
      const region = this.#region;
      return region.alone(
        Effect.flatMap(this.#part("munmap", from, count), (address) =>
          Effect.map(near.munmap(this.task.sysif, address, count), () =>
            region.unmapped(from, wholePages(this.task, count)),
          ),
        ),
      );
    });
  }

  /** Gives up the handle, in any state. */
  #release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.#valid) return Effect.void;
      this.#valid = false;
      return --this.#region.handles === 0 ? this.#region.unmapAll(this.task) : Effect.void;
    });
  }

  /** Runs an operation on a part, which is not moved or unmapped meanwhile by another handle. */
  #use<A, E>(
    syscall: string,
    offset: number,
    length: number,
    operation: (address: near.Address) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | MappingFailure> {
    return this.#region.during(
      Effect.suspend(() => Effect.flatMap(this.#part(syscall, offset, length), operation)),
    );
  }

  /** The address of a part, if it is valid. */
  #part(
    syscall: string,
    offset: number,
    length: number,
  ): Effect.Effect<near.Address, UseAfterFreeError | SizeError | near.InvalidArgumentError> {
    const region = this.#region;
    if (!this.#valid) return Effect.fail(this.#invalidError);
    const problems = [
      argument("offset", offset, between("a number of bytes", 0, region.length)),
      argument("length", length, someSize),
    ];
    return checked<near.Address, UseAfterFreeError | SizeError, never>(
      syscall,
      problems,
      offset + length > region.length
        ? Effect.fail(
            new SizeError({
              subject: `${this.#subject} from ${offset} on`,
              needed: length,
              available: region.length - offset,
            }),
          )
        : region.has(offset, length)
          ? Effect.succeed(near.Address(region.address + offset))
          : Effect.fail(new UseAfterFreeError({ subject: `a page of ${this.#subject}` })),
    );
  }

  /** Whether a task has the memory. */
  #isReachedBy(task: Task): Effect.Effect<void, NamespaceMismatchError> {
    return task.addressSpace === this.task.addressSpace
      ? Effect.void
      : Effect.fail(
          new NamespaceMismatchError({ namespace: "address space", subject: this.#subject }),
        );
  }

  get #invalidError(): UseAfterFreeError {
    return new UseAfterFreeError({ subject: this.#subject });
  }

  get #subject(): string {
    return `mapping at 0x${this.near.toString(16)}`;
  }

  /** Shows size, address and process, for messages. */
  toString(): string {
    return `${this.length} bytes at 0x${this.near.toString(16)} of process ${this.task.pid}`;
  }
}

near.oneLine(MemoryMapping);

const wholePages = ({ pageSize }: Task, length: number): number =>
  Math.ceil(length / pageSize) * pageSize;

const flagsProblem = (flags: number | undefined): Misread | undefined =>
  argument("flags", flags, {
    expected:
      "without MAP.FIXED, which would replace memory that is in use (give an `address` that is free), and without MAP.GROWSDOWN",
    has: (value) => value === undefined || (value & (MAP.FIXED | MAP.GROWSDOWN)) === 0,
  });

const map = (
  task: Task,
  length: number,
  { protection = PROT.READ | PROT.WRITE, flags, fd, offset = 0, address }: MmapOptions,
): Effect.Effect<near.Address, near.SyscallFailure | BorrowFailure> => {
  const kind = flags ?? (fd === undefined ? MAP.PRIVATE : MAP.SHARED);
  const all = near.withFlags(
    kind,
    (fd === undefined ? MAP.ANONYMOUS : 0) | (address === undefined ? 0 : MAP.FIXED_NOREPLACE),
  );
  const call = (number: near.Fd | -1) =>
    near
      .mmap(task.sysif, address ?? near.NULL, length, protection, all, number, offset)
      .about(fd === undefined ? `${length} bytes` : `fd ${number}`);
  const mapped = fd === undefined ? call(-1) : Effect.flatMap(fd.borrow(task), call);
  if (address === undefined) return mapped;
  // A kernel before 4.17 takes the address as a hint.
  return Effect.flatMap(mapped, (at) =>
    at === address
      ? Effect.succeed(at)
      : Effect.andThen(
          near.munmap(task.sysif, at, length),
          Effect.fail(near.SyscallError.of("mmap", "EEXIST", `0x${address.toString(16)}`)),
        ),
  );
};

/** Memory that only the processes that have mapped it can reach, and not the kernel: memfd_secret(2). */
export class MemfdSecret extends FileDescriptor {
  /**
   * memfd_secret(2), close-on-exec. Its size is 0: `truncate` sets it once, and then it can be mapped, MAP.SHARED; all
   * its pages count for RLIMIT_MEMLOCK. It can be neither read nor written by read(2) and write(2). ENOSYS before
   * Linux 5.14, and on a kernel that was started without secretmem.enable.
   */
  static make({ task }: TaskLike): Effect.Effect<MemfdSecret, near.SyscallFailure, Scope.Scope> {
    return FileDescriptor.acquire(MemfdSecret, task, near.memfdSecret(task.sysif, O.CLOEXEC));
  }
}
