import type { SyscallFailure, SyscallInterface } from "@rsyscall/near";
import { Address } from "@rsyscall/near";
import { Effect } from "effect";
import type { OutOfSpaceError } from "./errors.ts";
import { FreeList } from "./FreeList.ts";
import { Mappings, type Reserve } from "./Mappings.ts";
import { type Stack, StackPool } from "./StackPool.ts";

/** One mapping that allocations are cut from. */
interface Chunk {
  readonly address: Address;
  readonly list: FreeList;
  /** It is not ours to unmap. */
  readonly stays?: boolean;
}

/** A range of a task's memory that nobody else has, until it is freed. */
export class Allocation {
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
  #release: Effect.Effect<void> | undefined;

  constructor(address: Address, size: number, release: Effect.Effect<void>) {
    this.address = address;
    this.size = size;
    this.#release = release;
  }

  get isFreed(): boolean {
    return this.#release === undefined;
  }

  /** Gives the range back. Doing it again does nothing. */
  readonly free: Effect.Effect<void> = Effect.suspend(() => {
    const release = this.#release ?? Effect.void;
    this.#release = undefined;
    return release;
  });
}

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
  readonly #mappings: Mappings;
  readonly #chunkSize: number;
  readonly #chunks: Set<Chunk>;
  readonly #stacks: StackPool;

  constructor(sysif: SyscallInterface, pageSize: number, options?: AllocatorOptions);
  constructor(sysif: SyscallInterface, from: Allocator);
  constructor(
    sysif: SyscallInterface,
    from: Allocator | number,
    { chunkSize = 256 * 1024, limit = 1024 ** 3, reserve, window }: AllocatorOptions = {},
  ) {
    if (from instanceof Allocator) {
      this.#mappings = from.#mappings.share(sysif);
      this.#chunkSize = from.#chunkSize;
      this.#chunks = from.#chunks;
      this.#stacks = from.#stacks;
    } else {
      this.#mappings = Mappings.make(sysif, from, limit, reserve);
      this.#chunkSize = this.#roundToPages(chunkSize);
      this.#chunks = new Set(
        window && [{ address: window.address, list: new FreeList(window.size), stays: true }],
      );
      this.#stacks = new StackPool();
    }
  }

  /** The same memory, for another task of the address space. */
  share(sysif: SyscallInterface): Allocator {
    return new Allocator(sysif, this);
  }

  /** The task has left the address space; what it allocated stays until it is freed. */
  leave(): void {
    this.#mappings.leave();
  }

  /** Bytes that are mapped now. */
  get mapped(): number {
    return this.#mappings.mapped;
  }

  /** A stack for a child, with room for `extra` bytes on top, and a guard below. */
  takeStack(extra: number): Effect.Effect<Stack, OutOfSpaceError | SyscallFailure> {
    return this.#stacks.take(this.#mappings, extra);
  }

  /** Gives a stack back that nobody runs on any more. */
  giveBackStack(stack: Stack): Effect.Effect<void> {
    return this.#stacks.giveBack(this.#mappings, stack);
  }

  /** Takes `size` bytes (0 is as good as 1) at an address that is a multiple of `alignment`. */
  malloc(size: number, alignment = 1): Effect.Effect<Allocation, OutOfSpaceError | SyscallFailure> {
    return Effect.suspend((): Effect.Effect<Allocation, OutOfSpaceError | SyscallFailure> => {
      const length = Math.max(size, 1);
      if (length <= this.#chunkSize / 4) {
        for (const chunk of this.#chunks) {
          const offset = chunk.list.allocate(length, alignment);
          if (offset !== undefined) return Effect.succeed(this.#allocation(chunk, offset, length));
        }
        return Effect.map(this.#mappings.map(this.#chunkSize, size), (address) => {
          const chunk = { address, list: new FreeList(this.#chunkSize) };
          this.#chunks.add(chunk);
          return this.#allocation(chunk, chunk.list.allocate(length, alignment) as number, length);
        });
      }
      // Mappings begin at a page, which is alignment enough for anything but huge pages.
      const mapped = this.#roundToPages(length);
      return Effect.map(
        this.#mappings.map(mapped, size),
        (address) => new Allocation(address, length, this.#mappings.unmap(address, mapped)),
      );
    });
  }

  #allocation(chunk: Chunk, offset: number, size: number): Allocation {
    const release = Effect.suspend(() => {
      chunk.list.release(offset, size);
      return chunk.list.used === 0 ? this.#releaseChunk(chunk) : Effect.void;
    });
    return new Allocation(Address(chunk.address + offset), size, release);
  }

  /** Keeps one empty chunk, so that a task at its edge does not map and unmap all the time. */
  #releaseChunk(chunk: Chunk): Effect.Effect<void> {
    if (chunk.stays) return Effect.void;
    for (const other of this.#chunks)
      if (other !== chunk && other.list.used === 0 && !other.stays) {
        this.#chunks.delete(chunk);
        return this.#mappings.unmap(chunk.address, chunk.list.size);
      }
    return Effect.void;
  }

  /** Unmaps the chunks, for a task that lives on. Every allocation must be gone. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const chunks = [...this.#chunks].filter(({ stays }) => !stays);
    this.#chunks.clear();
    return Effect.andThen(
      Effect.forEach(chunks, (chunk) => this.#mappings.unmap(chunk.address, chunk.list.size), {
        discard: true,
      }),
      this.#stacks.clear(this.#mappings),
    );
  });

  #roundToPages(length: number): number {
    return Math.ceil(length / this.#mappings.pageSize) * this.#mappings.pageSize;
  }
}
