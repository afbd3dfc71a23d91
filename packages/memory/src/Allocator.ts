import type { SyscallFailure, SyscallInterface } from "@rsyscall/near";
import { Address, InvalidArgumentError, oneLine } from "@rsyscall/near";
import { Effect } from "effect";
import type { OutOfSpaceError } from "./errors.ts";
import { FreeList } from "./FreeList.ts";
import { Mappings, type Reserve } from "./Mappings.ts";
import { type Stack, StackPool } from "./StackPool.ts";

/** What an allocation is a part of. */
interface Owner {
  /** Takes a range back; an effect, if that is more than a note. */
  readonly release: (address: Address, size: number) => Effect.Effect<void> | undefined;
}

/** One mapping that allocations are cut from. */
interface Chunk extends Owner {
  readonly address: Address;
  readonly list: FreeList;
}

/** A range of a task's memory, which no other allocation has a part of until it is freed. */
export class Allocation {
  /** The first address of the range. */
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
  readonly #sysif: SyscallInterface;
  #owner: Owner | undefined;

  constructor(address: Address, size: number, sysif: SyscallInterface, owner: Owner) {
    this.address = address;
    this.size = size;
    this.#sysif = sysif;
    this.#owner = owner;
  }

  /** Whether the range was given back. */
  get isFreed(): boolean {
    return this.#owner === undefined;
  }

  /** Gives the range back. Doing it again does nothing. */
  free(): Effect.Effect<void> {
    return Effect.suspend(() => this.release() ?? Effect.void);
  }

  /**
   * As `free`, and gives an effect only where something is left to do. What was written there may still be
   * on its way, because the fiber that was to use the range was interrupted. Then it is given back behind the write.
   */
  release(): Effect.Effect<void> | undefined {
    const owner = this.#owner;
    if (owner === undefined) return undefined;
    this.#owner = undefined;
    const write = this.#sysif.lastWrite;
    if (write === undefined) return owner.release(this.address, this.size);
    write.whenDone(() => {
      const rest = owner.release(this.address, this.size);
      if (rest !== undefined) Effect.runFork(rest);
    });
    return undefined;
  }
}

oneLine(Allocation, ({ address, size }) => `${size} bytes at 0x${address.toString(16)}`);

/** Sizes and limits of an {@link Allocator}, in bytes. */
export interface AllocatorOptions {
  /** Bytes of one mapping; allocations larger than a quarter of it get their own. Default 256 KiB. */
  readonly chunkSize?: number;
  /** Bytes that may be mapped in all. Default 1 GiB. */
  readonly limit?: number;
  /** Memory that is there already: nothing is mapped besides. */
  readonly reserve?: Reserve | undefined;
  /** Memory that is there already, and stays: small allocations are made there first. */
  readonly window?: { readonly address: Address; readonly size: number } | undefined;
}

/**
 * Memory in one address space, mapped there as needed and unmapped again. Ranges are aligned and do
 * not overlap; their content is undefined.
 */
export class Allocator {
  #sysif: SyscallInterface;
  readonly #mappings: Mappings;
  /** Whether another task maps and unmaps for this one. */
  readonly #isLent: boolean;
  readonly #chunkSize: number;
  readonly #chunks: Set<Chunk>;
  readonly #window: Chunk | undefined;
  readonly #stacks: StackPool;

  constructor(sysif: SyscallInterface, pageSize: number, options?: AllocatorOptions);
  constructor(sysif: SyscallInterface, from: Allocator, isLent: boolean);
  constructor(
    sysif: SyscallInterface,
    from: Allocator | number,
    more: AllocatorOptions | boolean = {},
  ) {
    this.#sysif = sysif;
    this.#isLent = more === true;
    if (from instanceof Allocator) {
      this.#mappings = this.#isLent ? from.#mappings : from.#mappings.share(sysif);
      this.#chunkSize = from.#chunkSize;
      this.#window = from.#window;
      this.#chunks = from.#chunks;
      this.#stacks = from.#stacks;
    } else {
      const {
        chunkSize = 256 * 1024,
        limit = 1024 ** 3,
        reserve,
        window,
      } = more as AllocatorOptions;
      this.#mappings = Mappings.make(sysif, from, limit, reserve);
      this.#chunkSize = this.#roundToPages(chunkSize);
      this.#window = window && windowChunk(window);
      this.#chunks = new Set(this.#window && [this.#window]);
      this.#stacks = new StackPool();
    }
  }

  /** The same memory, for another task of the address space. */
  share(sysif: SyscallInterface): Allocator {
    return new Allocator(sysif, this, false);
  }

  /** As `share`, and this task maps and unmaps for the other one: because its calls are made at once. */
  lend(sysif: SyscallInterface): Allocator {
    return new Allocator(sysif, this, true);
  }

  /** Makes the system calls of this allocator through another interface of the same task from now on. */
  goThrough(sysif: SyscallInterface): void {
    this.#sysif = sysif;
    if (!this.#isLent) this.#mappings.goThrough(sysif);
  }

  /** The task has left the address space; what it allocated stays until it is freed. */
  leave(): void {
    this.#mappings.leave(this.#sysif);
  }

  /** Bytes that are mapped now. */
  get mapped(): number {
    return this.#mappings.mapped;
  }

  /** Makes a change to the memory through this task, or through another one of the address space if it is gone. */
  throughAny(
    change: (sysif: SyscallInterface) => Effect.Effect<void, SyscallFailure>,
  ): Effect.Effect<void> {
    return this.#mappings.throughAny(change);
  }

  /** A stack for a child, with room for `extra` bytes on top, and a guard below. */
  takeStack(extra: number): Effect.Effect<Stack, OutOfSpaceError | SyscallFailure> {
    return this.#stacks.take(this.#mappings, extra);
  }

  /** As `takeStack`, here and now: undefined if no such stack is idle. */
  takeIdleStack(extra: number): Stack | undefined {
    return this.#stacks.takeIdle(extra);
  }

  /** Gives a stack back. No child may run on it any more. */
  giveBackStack(stack: Stack): Effect.Effect<void> {
    return Effect.suspend(() => this.releaseStack(stack) ?? Effect.void);
  }

  /** As `giveBackStack`, and gives an effect only where something is left to do. */
  releaseStack(stack: Stack): Effect.Effect<void> | undefined {
    return this.#stacks.giveBack(this.#mappings, stack);
  }

  /**
   * Takes `size` bytes at an address that is a multiple of `alignment`: a power of two, at most a page. Not
   * even 0 bytes lie where others do. InvalidArgumentError for what is no size, such as -1 or 1.5, and no alignment.
   */
  malloc(size: number, alignment = 1): Effect.Effect<Allocation, OutOfSpaceError | SyscallFailure> {
    return Effect.suspend((): Effect.Effect<Allocation, OutOfSpaceError | SyscallFailure> => {
      if (!this.#canBe(size, alignment)) return Effect.fail(this.#invalid(size, alignment));
      const taken = this.take(size, alignment);
      if (taken !== undefined) return Effect.succeed(taken);
      if (this.#isSmall(size))
        return Effect.map(this.#mappings.take(this.#chunkSize, size), (address) => {
          const chunk = this.#chunk(address);
          this.#chunks.add(chunk);
          return this.#cut(chunk, size, alignment) as Allocation;
        });
      // Mappings begin at a page, which is alignment enough for anything but huge pages.
      const mapped = this.#roundToPages(size);
      const release = (address: Address) => this.#mappings.release(address, mapped);
      return Effect.map(
        this.#mappings.take(mapped, size),
        (address) => new Allocation(address, size, this.#sysif, { release }),
      );
    });
  }

  /** As `malloc`, here and now: undefined if there is no room in what is mapped. */
  take(size: number, alignment: number): Allocation | undefined {
    if (this.#canBe(size, alignment) && this.#isSmall(size))
      for (const chunk of this.#chunks) {
        const allocation = this.#cut(chunk, size, alignment);
        if (allocation !== undefined) return allocation;
      }
    return undefined;
  }

  /** A part of a chunk. */
  #cut(chunk: Chunk, size: number, alignment: number): Allocation | undefined {
    const offset = chunk.list.allocate(roomFor(size), forCopies(size, alignment));
    return offset === undefined
      ? undefined
      : new Allocation(Address(chunk.address + offset), size, this.#sysif, chunk);
  }

  #canBe(size: number, alignment: number): boolean {
    return isSize(size) && this.#canAlign(alignment);
  }

  #canAlign(alignment: number): boolean {
    return (
      alignment >= 1 && alignment <= this.#mappings.pageSize && (alignment & (alignment - 1)) === 0
    );
  }

  #invalid(size: number, alignment: number): InvalidArgumentError {
    return new InvalidArgumentError({
      syscall: "malloc",
      ...(isSize(size)
        ? {
            argument: "alignment",
            value: alignment,
            expected: `a power of two from 1 to ${this.#mappings.pageSize}`,
          }
        : {
            argument: "size",
            value: size,
            expected: `a number of bytes from 0 to ${Number.MAX_SAFE_INTEGER}`,
          }),
    });
  }

  #isSmall(length: number): boolean {
    return length <= this.#chunkSize / 4;
  }

  #chunk(address: Address): Chunk {
    const list = new FreeList(this.#chunkSize);
    const chunk: Chunk = {
      address,
      list,
      release: (from, size) => {
        list.release(from - address, roomFor(size));
        return list.used === 0 ? this.#releaseChunk(chunk) : undefined;
      },
    };
    return chunk;
  }

  /** Keeps one empty chunk, so that a task at its edge does not map and unmap all the time. */
  #releaseChunk(chunk: Chunk): Effect.Effect<void> | undefined {
    for (const other of this.#chunks)
      if (other !== chunk && other !== this.#window && other.list.used === 0) {
        this.#chunks.delete(chunk);
        return this.#mappings.release(chunk.address, chunk.list.size);
      }
    return undefined;
  }

  /** Unmaps the chunks, for a task that lives on. Every allocation must be gone. */
  close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const chunks = [...this.#chunks].filter((chunk) => chunk !== this.#window);
      this.#chunks.clear();
      return Effect.andThen(
        Effect.forEach(chunks, (chunk) => this.#mappings.unmap(chunk.address, chunk.list.size), {
          discard: true,
        }),
        Effect.andThen(this.#stacks.clear(this.#mappings), this.#mappings.giveBackKept()),
      );
    });
  }

  #roundToPages(length: number): number {
    return Math.ceil(length / this.#mappings.pageSize) * this.#mappings.pageSize;
  }
}

oneLine(Allocator, () => "memory of a task");
const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

/**
 * The alignment of bytes that will be copied. Copies to an address that is no multiple of 16 take up to 16 times as
 * long where the processor does them by one instruction (`rep movsb` of AMD), as the kernel does those of read(2).
 */
const forCopies = (size: number, alignment: number): number =>
  size < COPIED_IN_LINES ? alignment : Math.max(alignment, CACHE_LINE);

/** Bytes from which on an allocation begins at a cache line. */
const COPIED_IN_LINES = 256;
const CACHE_LINE = 64;

/** Bytes that an allocation takes: one of none has a place of its own. */
const roomFor = (size: number): number => Math.max(size, 1);

const windowChunk = ({ address, size }: { address: Address; size: number }): Chunk => {
  const list = new FreeList(size);
  const release = (from: Address, length: number) => {
    list.release(from - address, roomFor(length));
    return undefined;
  };
  return { address, list, release };
};
