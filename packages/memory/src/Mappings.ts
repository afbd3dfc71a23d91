import { MADV, MAP, PROT } from "@rsyscall/abi";
import type { SyscallFailure, SyscallInterface } from "@rsyscall/near";
import {
  Address,
  catchErrno,
  madvise,
  mmap,
  mprotect,
  munmap,
  NULL,
  oneLine,
  SyscallSendError,
} from "@rsyscall/near";
import { Effect } from "effect";
import { OutOfSpaceError } from "./errors.ts";
import { FreeList } from "./FreeList.ts";
import { KeptPages } from "./KeptPages.ts";

/** Memory that is already mapped in an address space. If there is a reserve, all allocations are parts of it. */
export interface Reserve {
  /** Whole pages. */
  readonly address: Address;
  /** In bytes, whole pages. */
  readonly size: number;
  /**
   * Gives the pages of a part back to the kernel. They can be used again, and are zeros then. Default: a task of the
   * address space calls madvise(2) with MADV_REMOVE, for a shared mapping of a memfd. Where it is there, pages are
   * given back late: see `Mappings.release`.
   */
  readonly discard?: (address: Address, length: number) => Effect.Effect<void>;
}

interface ReserveState {
  readonly memory: Reserve;
  readonly free: FreeList;
  /** Undefined if a task would have to give them back. */
  readonly kept: KeptPages | undefined;
}

/** What the tasks of one address space share. */
interface Account {
  readonly limit: number;
  mapped: number;
  /** The tasks of the address space. Calls of a task that is gone fail. */
  ways: ReadonlyArray<SyscallInterface>;
  readonly memory: Reserve | undefined;
  /** Of that memory, since the first use. */
  reserve: ReserveState | undefined;
}

/**
 * Memory in one address space: parts of a reserve, if there is one, or else mapped there as needed. Sizes
 * are whole pages.
 *
 * Mapping and unmapping are system calls of the task, so they keep their place among its reads and
 * writes: a page that is given back is never one that a later allocation already uses.
 */
export class Mappings {
  /** Bytes of a page: all sizes are multiples of it. */
  readonly pageSize: number;
  #sysif: SyscallInterface;
  readonly #account: Account;

  private constructor(sysif: SyscallInterface, pageSize: number, account: Account) {
    this.pageSize = pageSize;
    this.#sysif = sysif;
    this.#account = account;
    account.ways = account.ways.concat(sysif);
  }

  /** What is known of the reserve, if there is one. */
  get #reserve(): ReserveState | undefined {
    const account = this.#account;
    if (account.memory !== undefined) account.reserve ??= reserveState(account.memory);
    return account.reserve;
  }

  /**
   * Makes an account of memory for one address space, in which nothing is mapped yet.
   *
   * @param limit bytes that may be mapped in all
   */
  static make(
    sysif: SyscallInterface,
    pageSize: number,
    limit: number,
    reserve?: Reserve,
  ): Mappings {
    return new Mappings(sysif, pageSize, {
      limit,
      mapped: 0,
      ways: [],
      memory: reserve,
      reserve: undefined,
    });
  }

  /** The same mappings, for another task of the address space. */
  share(sysif: SyscallInterface): Mappings {
    return new Mappings(sysif, this.pageSize, this.#account);
  }

  /** Makes the system calls through another interface of the same task from now on. */
  goThrough(sysif: SyscallInterface): void {
    const account = this.#account;
    account.ways = account.ways.map((way) => (way === this.#sysif ? sysif : way));
    this.#sysif = sysif;
  }

  /** A task has left the address space: nothing can be mapped through it any more. */
  leave(sysif: SyscallInterface): void {
    const account = this.#account;
    account.ways = account.ways.filter((way) => way !== sysif);
  }

  /** Bytes that are mapped now, or taken from the reserve. */
  get mapped(): number {
    return this.#account.mapped;
  }

  /**
   * Maps memory, whose content is zeros. OutOfSpaceError beyond the limit.
   *
   * @param requested what the caller asked for, for messages
   */
  map(length: number, requested: number): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> {
    const account = this.#account;
    const outOfSpace = (cause?: unknown) =>
      Effect.fail(new OutOfSpaceError({ requested, limit: account.limit, cause }));
    return Effect.suspend((): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> => {
      if (account.mapped + length > account.limit) return outOfSpace();
      account.mapped += length;
      const reserve = this.#reserve;
      if (reserve !== undefined) {
        const { memory, free } = reserve;
        const offset = free.allocate(length, this.pageSize);
        if (offset !== undefined) return Effect.succeed(Address(memory.address + offset));
        account.mapped -= length;
        return outOfSpace();
      }
      return mmap(
        this.#sysif,
        NULL,
        length,
        PROT.READ | PROT.WRITE,
        MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE,
        -1,
        0,
      ).pipe(
        Effect.tapError(() => Effect.sync(() => (account.mapped -= length))),
        catchErrno("ENOMEM", outOfSpace),
      );
    });
  }

  /**
   * As `map`, with any content: pages that `release` has kept, if there are as many.
   *
   * @param requested what the caller asked for, for messages
   */
  take(
    length: number,
    requested: number,
  ): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> {
    const account = this.#account;
    const reserve = this.#reserve;
    const kept = reserve?.kept;
    if (reserve === undefined || kept === undefined) return this.map(length, requested);
    return Effect.suspend(() => {
      const address = account.mapped + length > account.limit ? undefined : kept.take(length);
      if (address !== undefined) {
        account.mapped += length;
        return Effect.succeed(address);
      }
      return Effect.catchTag(this.map(length, requested), "OutOfSpaceError", (error) => {
        const pages = kept.takeAll();
        return pages.length === 0
          ? Effect.fail(error)
          : Effect.andThen(giveBack(reserve, pages), this.map(length, requested));
      });
    });
  }

  /** Gives back what `take` gave. Its pages may be kept for a while. */
  release(address: Address, length: number): Effect.Effect<void> {
    const reserve = this.#reserve;
    const kept = reserve?.kept;
    if (reserve === undefined || kept === undefined) return this.unmap(address, length);
    return Effect.suspend(() => {
      this.#account.mapped -= length;
      return giveBack(reserve, kept.keep(address, length));
    });
  }

  /** Gives back the pages that `release` has kept. */
  giveBackKept(): Effect.Effect<void> {
    const { reserve } = this.#account;
    return reserve === undefined ? Effect.void : giveBackAll(reserve);
  }

  /** Makes pages inaccessible: every access is a SIGSEGV. */
  guard(address: Address, length: number): Effect.Effect<void, SyscallFailure> {
    return mprotect(this.#sysif, address, length, PROT.NONE);
  }

  /** Gives back what `map` gave. If all tasks are gone, there is nothing left to unmap. */
  unmap(address: Address, length: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reserve = this.#reserve;
      this.#account.mapped -= length;
      if (reserve === undefined) return this.throughAny((sysif) => munmap(sysif, address, length));
      const discard =
        reserve.memory.discard?.(address, length) ??
        this.throughAny((sysif) => madvise(sysif, address, length, MADV.REMOVE));
      return Effect.map(discard, () =>
        reserve.free.release(address - reserve.memory.address, length),
      );
    });
  }

  /** As `unmap`, for a mapping whose first `guarded` bytes `guard` has made inaccessible. */
  unmapGuarded(address: Address, guarded: number, length: number): Effect.Effect<void> {
    const unmap = this.unmap(address, length);
    if (this.#account.memory === undefined) return unmap;
    const unguard = (sysif: SyscallInterface) =>
      mprotect(sysif, address, guarded, PROT.READ | PROT.WRITE);
    return Effect.andThen(this.throughAny(unguard), unmap);
  }

  /** Makes a change through this task, or through another one of the address space if this one is gone. */
  throughAny(
    change: (sysif: SyscallInterface) => Effect.Effect<void, SyscallFailure>,
  ): Effect.Effect<void> {
    const others = this.#account.ways.filter((sysif) => sysif !== this.#sysif);
    const through = ([sysif, ...rest]: Array<SyscallInterface>): Effect.Effect<void> =>
      sysif === undefined
        ? Effect.void
        : Effect.catch(change(sysif), (error) =>
            error instanceof SyscallSendError ? through(rest) : Effect.void,
          );
    return through([this.#sysif, ...others]);
  }
}

const reserveState = (memory: Reserve): ReserveState => {
  const state: ReserveState = {
    memory,
    free: new FreeList(memory.size),
    kept: memory.discard && new KeptPages(() => void Effect.runFork(giveBackAll(state))),
  };
  return state;
};

/** Gives pages that were kept back to the kernel. They are free when it has them: not before. */
const giveBack = (
  { memory, free }: ReserveState,
  pages: ReadonlyArray<readonly [Address, number]>,
): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.forEach(
      pages,
      ([address, length]) =>
        Effect.map(memory.discard?.(address, length) ?? Effect.void, () =>
          free.release(address - memory.address, length),
        ),
      { discard: true },
    ),
  );

const giveBackAll = (state: ReserveState): Effect.Effect<void> =>
  Effect.suspend(() => giveBack(state, state.kept?.takeAll() ?? []));

oneLine(Mappings, ({ pageSize }) => `pages of ${pageSize} bytes`);
