import { readSync, writeSync } from "node:fs";
import { F_SEAL, MAP, PROT } from "@rsyscall/abi";
import { type BorrowFailure, FileDescriptor, SizeError } from "@rsyscall/handle";
import { readMemory, uninitialized, unviewMemory, viewMemory } from "@rsyscall/native";
import {
  Address,
  acquire,
  call,
  isError,
  mmap,
  munmap,
  NULL,
  oneLine,
  type SyscallFailure,
} from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { LocalCalls } from "./LocalCalls.ts";
import { type MappedMemory, type SharedMemory, view } from "./SharedMemory.ts";

/** Bytes at the beginning that are an array here, so that small things are copied by JavaScript. */
const WINDOW_SIZE = 64 * 1024;

/**
 * Bytes at the beginning that are mapped here at most: allocations begin there, and pages that are kept are there. All of
 * it would leave no room for thousands of arenas where addresses have 39 bits.
 */
const MAPPED_AT_MOST = 16 * 1024 * 1024;

/** fallocate(2): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE gives pages back. */
const PUNCH_HOLE = 0x3;

/** `f_type` of statfs(2). */
const TMPFS_MAGIC = 0x01021994n;

/** What a stub offers at most. */
const ARENA_AT_MOST = 2 ** 30;

/** The size never changes: a process that made the file smaller could end us by a SIGBUS. */
const FIXED = F_SEAL.SHRINK | F_SEAL.GROW;

/**
 * The size of sealed memory, in bytes; 0 for anything else, or for more than a stub offers. An access to memory waits
 * while another process punches a hole into it (fallocate(2)), and that takes longer the larger it is. The seals are
 * asked for first: the kernel answers that without the file system, and a FUSE server may never answer. Memory of huge
 * pages can be sealed as well, but an access to a hole in it may be a SIGBUS.
 */
const sealedSize = (local: LocalCalls, memfd: FileDescriptor): number => {
  const seals = local.seals(memfd);
  if (seals < 0 || (seals & FIXED) !== FIXED || local.fileSystemType(memfd) !== TMPFS_MAGIC)
    return 0;
  const size = Number(local.endOf(memfd));
  return size < 0 || size > ARENA_AT_MOST ? 0 : size;
};

/**
 * Memory that another process on this host has mapped, and that we reach by its memfd. We map its beginning. Copies
 * in the window need no system call, and copies out of what is mapped need none either: pread(2) takes three times as
 * long. But larger bytes are written by pwrite(2), which finds the pages of the memfd without a page fault for each, and
 * does not fill new ones with zeros first.
 */
export class Arena implements SharedMemory {
  /** Where the other process has it. */
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
  /** Its first `windowSize` bytes. */
  readonly window: MappedMemory;
  readonly #local: LocalCalls;
  readonly #memfd: FileDescriptor;
  readonly #bytes: Uint8Array;
  /** Bytes that are mapped here: 0 once they are unmapped. */
  #mapped: number;
  /** How many keep it. */
  #kept = 1;

  private constructor(
    local: LocalCalls,
    memfd: FileDescriptor,
    address: Address,
    size: number,
    window: MappedMemory,
    mapped: number,
  ) {
    this.#local = local;
    this.#memfd = memfd;
    this.address = address;
    this.size = size;
    this.window = window;
    this.#bytes = new Uint8Array(window.buffer);
    this.#mapped = mapped;
  }

  /**
   * Takes on memory that another process says it has mapped. Plain code: every call of a server does this. Undefined if
   * it is not what the process says, and if this process cannot write it as a file (RLIMIT_FSIZE).
   *
   * @param local the calls of this process
   * @param memfd the memory, at most 1 GiB of it, sealed against shrinking and growing. If it is taken, the arena owns
   *   it from now on.
   * @param address where the other process has mapped its beginning
   * @param size in bytes
   */
  static take(
    local: LocalCalls,
    memfd: FileDescriptor,
    address: Address,
    size: number,
  ): Arena | undefined {
    if (!memfd.isValid || memfd.task !== local.task) return undefined;
    if (size < WINDOW_SIZE || size > sealedSize(local, memfd)) return undefined;
    // What is not in the window is written by pwrite(2), as a file.
    if (local.fileSizeLimit() < BigInt(size)) return undefined;
    const mapped = Math.min(size, MAPPED_AT_MOST);
    const start = local.map(memfd, mapped);
    if (isError(start)) return undefined;
    const window = { buffer: viewMemory(start, WINDOW_SIZE), address: Address(start) };
    memfd.disown();
    const own = FileDescriptor.opened(FileDescriptor, local.task, memfd.near);
    own.closeOnFork = true;
    return new Arena(local, own, address, size, window, mapped);
  }

  /** Gives it up. It stays as long as a part that `map` has given. */
  release(): void {
    if (--this.#kept > 0) return;
    unviewMemory(this.window.buffer);
    this.#local.unmap(this.window.address, this.#mapped);
    this.#mapped = 0;
    this.#local.close(this.#memfd);
  }

  /** Bytes from the start of the arena that this process has mapped: reads and writes there cost no system call. */
  get windowSize(): number {
    return WINDOW_SIZE;
  }

  has(address: Address, length: number): boolean {
    return address >= this.address && address + length <= this.address + this.size;
  }

  read(address: Address, length: number, into?: Uint8Array): Uint8Array {
    const offset = address - this.address;
    const end = offset + length;
    if (into === undefined && end <= WINDOW_SIZE) return this.#bytes.slice(offset, end);
    const bytes = into ?? uninitialized(length);
    if (end <= this.#mapped) return readMemory(this.window.address + offset, length, bytes);
    for (let at = 0; at < length; ) {
      const count = readSync(this.#memfd.near, bytes, at, length - at, offset + at);
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
        at += writeSync(this.#memfd.near, bytes, at, bytes.length - at, offset + at);
  }

  map(
    address: Address,
    length: number,
  ): Effect.Effect<MappedMemory, SyscallFailure | BorrowFailure | SizeError, Scope.Scope> {
    const { task } = this.#local;
    const { sysif } = task;
    return Effect.gen({ self: this }, function* () {
      // Past the end every use is a SIGBUS.
      if (!this.has(address, length))
        return yield* new SizeError({ subject: "an arena", needed: length, available: 0 });
      const fd = yield* this.#memfd.borrow(task);
      yield* acquire(
        Effect.sync(() => {
          this.#kept++;
        }),
        () => Effect.sync(() => this.release()),
      );
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
      call(
        this.#local.task.sysif,
        "fallocate",
        this.#memfd.near,
        PUNCH_HOLE,
        address - this.address,
        length,
      ),
    );
  }
}

oneLine(Arena, ({ address, size }) => `${size} bytes at 0x${address.toString(16)}`);
