import { MAP, PROT } from "@rsyscall/abi";
import type { SyscallFailure, SyscallInterface } from "@rsyscall/near";
import { Address, catchErrno, mmap, munmap, NULL } from "@rsyscall/near";
import { Effect } from "effect";
import { OutOfSpaceError } from "./errors.ts";
import { FreeList } from "./FreeList.ts";

/** One mapping that allocations are cut from. */
interface Chunk {
  readonly address: Address;
  readonly list: FreeList;
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
}

/**
 * Memory in one address space, mapped there as needed and unmapped again. Ranges are aligned and do
 * not overlap; their content is undefined.
 *
 * Mapping and unmapping are system calls of the task, so they keep their place among its reads and
 * writes: a page that is given back is never one that a later allocation already uses.
 */
export class Allocator {
  readonly #sysif: SyscallInterface;
  readonly #pageSize: number;
  readonly #chunkSize: number;
  readonly #limit: number;
  readonly #chunks = new Set<Chunk>();
  #mapped = 0;

  constructor(sysif: SyscallInterface, pageSize: number, options: AllocatorOptions = {}) {
    this.#sysif = sysif;
    this.#pageSize = pageSize;
    this.#chunkSize = this.#roundToPages(options.chunkSize ?? 256 * 1024);
    this.#limit = options.limit ?? 1024 ** 3;
  }

  /** Bytes that are mapped now. */
  get mapped(): number {
    return this.#mapped;
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
        return Effect.map(this.#map(this.#chunkSize, size), (address) => {
          const chunk = { address, list: new FreeList(this.#chunkSize) };
          this.#chunks.add(chunk);
          return this.#allocation(chunk, chunk.list.allocate(length, alignment) as number, length);
        });
      }
      // Mappings begin at a page, which is alignment enough for anything but huge pages.
      const mapped = this.#roundToPages(length);
      return Effect.map(
        this.#map(mapped, size),
        (address) => new Allocation(address, length, this.#unmap(address, mapped)),
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
    for (const other of this.#chunks)
      if (other !== chunk && other.list.used === 0) {
        this.#chunks.delete(chunk);
        return this.#unmap(chunk.address, chunk.list.size);
      }
    return Effect.void;
  }

  #map(
    length: number,
    requested: number,
  ): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> {
    const outOfSpace = (cause?: unknown) =>
      Effect.fail(new OutOfSpaceError({ requested, limit: this.#limit, cause }));
    if (this.#mapped + length > this.#limit) return outOfSpace();
    this.#mapped += length;
    return mmap(
      this.#sysif,
      NULL,
      length,
      PROT.READ | PROT.WRITE,
      MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE,
      -1,
      0,
    ).pipe(
      Effect.tapError(() => Effect.sync(() => (this.#mapped -= length))),
      catchErrno("ENOMEM", outOfSpace),
    );
  }

  /** In a task that is gone there is nothing to unmap. */
  #unmap(address: Address, length: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#mapped -= length;
      return Effect.ignore(munmap(this.#sysif, address, length));
    });
  }

  /** Unmaps the chunks, for a task that lives on. Every allocation must be gone. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const chunks = [...this.#chunks];
    this.#chunks.clear();
    return Effect.forEach(chunks, (chunk) => this.#unmap(chunk.address, chunk.list.size), {
      discard: true,
    });
  });

  #roundToPages(length: number): number {
    return Math.ceil(length / this.#pageSize) * this.#pageSize;
  }
}
