import { readSync, writeSync } from "node:fs";
import { F, F_SEAL, MAP, PROT, SEEK, Uint64 } from "@rsyscall/abi";
import {
  type BorrowFailure,
  type FileDescriptor,
  type HandleFailure,
  type MallocFailure,
  SizeError,
  type Task,
} from "@rsyscall/handle";
import {
  type Address,
  acquire,
  batchThen,
  call,
  type Fd,
  isError,
  mmap,
  munmap,
  NULL,
  oneLine,
  type SyscallFailure,
  type Word,
} from "@rsyscall/near";
import { Effect, Exit, Scope } from "effect";
import { type MappedMemory, type SharedMemory, view } from "./SharedMemory.ts";

/** Bytes at the beginning that are mapped here, so that small things are copied without a system call. */
const WINDOW_SIZE = 64 * 1024;

/** fallocate(2): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE gives pages back. */
const PUNCH_HOLE = 0x3;

/** `f_type` of statfs(2), the first of its words: 8 bytes on both machines. */
const TMPFS_MAGIC = 0x01021994;
const STATFS_SIZE = 120;

/** What a stub offers at most. */
const ARENA_AT_MOST = 2 ** 30;

/** The size never changes: a process that made the file smaller could end us by a SIGBUS. */
const FIXED = F_SEAL.SHRINK | F_SEAL.GROW;

/**
 * The size of sealed memory, in bytes; 0 for anything else, or for more than a stub offers. An access to memory waits
 * while another process punches a hole into it (fallocate(2)), and that takes longer the larger it is. The seals are
 * asked for first: the kernel answers that without the file system, and a FUSE server may never answer.
 */
const sealedSize = Effect.fnUntraced(function* (
  memfd: FileDescriptor,
): Effect.fn.Return<Word, HandleFailure> {
  const seals = yield* memfd.fcntl(F.GET_SEALS);
  if ((seals & FIXED) !== FIXED || !(yield* isTmpfs(memfd))) return 0;
  const { sysif } = memfd.task;
  const fd = yield* memfd.borrow(memfd.task);
  // A size may be more than a number holds exactly, and so more than fstat(2) tells here.
  const size = yield* sysif.syscall(sysif.abi.syscallNumber("lseek") as number, fd, 0, SEEK.END);
  return isError(size) || size > ARENA_AT_MOST ? 0 : size;
});

/** Memory of huge pages can be sealed as well, but an access to a hole in it may be a SIGBUS. */
const isTmpfs = (memfd: FileDescriptor): Effect.Effect<boolean, MallocFailure | BorrowFailure> => {
  const { task } = memfd;
  return Effect.flatMap(memfd.borrow(task), (fd) =>
    task.withMemory(STATFS_SIZE, 8, (status) =>
      Effect.map(
        batchThen([call(task.sysif, "fstatfs", fd, status)], task.sysif.read(status, 8)),
        ([, bytes]) => Uint64.decode(bytes) === BigInt(TMPFS_MAGIC),
      ),
    ),
  );
};

/**
 * Memory that another process on this host has mapped, and that we reach by its memfd. We map the window at its
 * beginning, where copies need no system call. In the rest a copy is one pread(2) or pwrite(2).
 */
export class Arena implements SharedMemory {
  /** Where the other process has it. */
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
  /** Its first `windowSize` bytes. */
  readonly window: MappedMemory;
  readonly #local: Task;
  readonly #memfd: FileDescriptor;
  readonly #fd: Fd;
  readonly #bytes: Uint8Array;
  readonly #scope: Scope.Closeable;
  #retained = 0;

  private constructor(
    local: Task,
    memfd: FileDescriptor,
    fd: Fd,
    address: Address,
    size: number,
    window: MappedMemory,
    scope: Scope.Closeable,
  ) {
    this.#local = local;
    this.#memfd = memfd;
    this.#fd = fd;
    this.address = address;
    this.size = size;
    this.window = window;
    this.#bytes = new Uint8Array(window.buffer);
    this.#scope = scope;
  }

  /**
   * Takes on memory that another process says it has mapped, for the scope; see `retain`.
   *
   * @param local the task of this process
   * @param memfd the memory, at most 1 GiB of it, sealed against shrinking and growing. The arena owns it from
   *   now on.
   * @param address where the other process has mapped its beginning
   * @param size in bytes
   */
  static make(
    local: Task,
    memfd: FileDescriptor,
    address: Address,
    size: number,
  ): Effect.Effect<Arena, HandleFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.gen(function* () {
        const scope = yield* Scope.make();
        const arena = yield* Effect.gen(function* () {
          const own = yield* memfd.move(local);
          own.closeOnFork = true;
          const available = yield* sealedSize(own);
          if (size < WINDOW_SIZE || size > available)
            return yield* new SizeError({
              subject: "an arena",
              needed: size,
              available: Number(available),
            });
          const fd = yield* own.borrow(local);
          const { sysif } = local;
          const start = yield* acquire(
            mmap(sysif, NULL, WINDOW_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 0),
            (mapped) => Effect.ignore(munmap(sysif, mapped, WINDOW_SIZE)),
          );
          const window = yield* view(start, WINDOW_SIZE);
          return new Arena(local, own, fd, address, size, window, scope);
        }).pipe(
          Scope.provide(scope),
          Effect.onError(() => Scope.close(scope, Exit.void)),
        );
        yield* arena.retain();
        return arena;
      }),
    );
  }

  /** Keeps the arena for one more scope. */
  retain(): Effect.Effect<void, never, Scope.Scope> {
    return acquire(
      Effect.sync(() => {
        this.#retained++;
      }),
      (_, exit) =>
        Effect.suspend(() =>
          --this.#retained === 0 ? Scope.close(this.#scope, exit) : Effect.void,
        ),
    );
  }

  /** Bytes from the start of the arena that this process has mapped: reads and writes there cost no system call. */
  get windowSize(): number {
    return WINDOW_SIZE;
  }

  has(address: Address, length: number): boolean {
    return address >= this.address && address + length <= this.address + this.size;
  }

  read(address: Address, length: number): Uint8Array {
    const offset = address - this.address;
    if (offset + length <= WINDOW_SIZE) return this.#bytes.slice(offset, offset + length);
    // Without zeros, which cost as much as the rest: all of it is written.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    for (let at = 0; at < length; ) {
      const count = readSync(this.#fd, bytes, at, length - at, offset + at);
      if (count === 0) throw new Error(`the arena ends at ${offset + at}, in spite of its seal`);
      at += count;
    }
    return bytes;
  }

  /** Writes bytes that are wholly in the arena: see `has`. */
  write(address: Address, bytes: Uint8Array): void {
    const offset = address - this.address;
    if (offset + bytes.length <= WINDOW_SIZE) this.#bytes.set(bytes, offset);
    else
      for (let at = 0; at < bytes.length; )
        at += writeSync(this.#fd, bytes, at, bytes.length - at, offset + at);
  }

  map(
    address: Address,
    length: number,
  ): Effect.Effect<MappedMemory, SyscallFailure | BorrowFailure | SizeError, Scope.Scope> {
    const { sysif } = this.#local;
    return Effect.gen({ self: this }, function* () {
      // Past the end every use is a SIGBUS.
      if (!this.has(address, length))
        return yield* new SizeError({ subject: "an arena", needed: length, available: 0 });
      yield* this.retain();
      const fd = yield* this.#memfd.borrow(this.#local);
      const start = yield* acquire(
        mmap(sysif, NULL, length, PROT.READ | PROT.WRITE, MAP.SHARED, fd, address - this.address),
        (mapped) => Effect.ignore(munmap(sysif, mapped, length)),
      );
      return yield* view(start, length);
    });
  }

  /** Gives pages back to the kernel: they are zeros from now on. */
  discard(address: Address, length: number): Effect.Effect<void> {
    if (!this.#memfd.isValid) return Effect.void;
    return Effect.ignore(
      call(this.#local.sysif, "fallocate", this.#fd, PUNCH_HOLE, address - this.address, length),
    );
  }
}

oneLine(Arena, ({ address, size }) => `${size} bytes at 0x${address.toString(16)}`);
