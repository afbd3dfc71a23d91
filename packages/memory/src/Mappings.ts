import { MAP, PROT } from "@rsyscall/abi";
import type { SyscallFailure, SyscallInterface } from "@rsyscall/near";
import {
  type Address,
  catchErrno,
  mmap,
  mprotect,
  munmap,
  NULL,
  SyscallSendError,
} from "@rsyscall/near";
import { Effect } from "effect";
import { OutOfSpaceError } from "./errors.ts";

/** What the mappings of one address space have in common, whichever of its tasks makes them. */
interface Account {
  readonly limit: number;
  mapped: number;
  /** Ways into the address space. Those of tasks that are gone no longer work. */
  readonly ways: Set<SyscallInterface>;
}

/**
 * Anonymous memory in one address space, mapped there as needed. Sizes are whole pages.
 *
 * Mapping and unmapping are system calls of the task, so they keep their place among its reads and
 * writes: a page that is given back is never one that a later allocation already uses.
 */
export class Mappings {
  readonly pageSize: number;
  readonly #sysif: SyscallInterface;
  readonly #account: Account;

  /** @param limit bytes that may be mapped in all */
  constructor(sysif: SyscallInterface, pageSize: number, limit: number);
  constructor(sysif: SyscallInterface, pageSize: number, account: Account);
  constructor(sysif: SyscallInterface, pageSize: number, from: number | Account) {
    this.pageSize = pageSize;
    this.#sysif = sysif;
    this.#account = typeof from === "number" ? { limit: from, mapped: 0, ways: new Set() } : from;
    this.#account.ways.add(sysif);
  }

  /** The same mappings, for another task of the address space. */
  share(sysif: SyscallInterface): Mappings {
    return new Mappings(sysif, this.pageSize, this.#account);
  }

  /** The task has left the address space. */
  leave(): void {
    this.#account.ways.delete(this.#sysif);
  }

  /** Bytes that are mapped now. */
  get mapped(): number {
    return this.#account.mapped;
  }

  /** @param requested what the caller asked for, for messages */
  map(length: number, requested: number): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> {
    const account = this.#account;
    const outOfSpace = (cause?: unknown) =>
      Effect.fail(new OutOfSpaceError({ requested, limit: account.limit, cause }));
    return Effect.suspend((): Effect.Effect<Address, OutOfSpaceError | SyscallFailure> => {
      if (account.mapped + length > account.limit) return outOfSpace();
      account.mapped += length;
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

  /** Makes pages such that every use of them is a SIGSEGV. */
  guard(address: Address, length: number): Effect.Effect<void, SyscallFailure> {
    return mprotect(this.#sysif, address, length, PROT.NONE);
  }

  /** Through another task if this one is gone; if all are, there is nothing left to unmap. */
  unmap(address: Address, length: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#account.mapped -= length;
      const others = [...this.#account.ways].filter((sysif) => sysif !== this.#sysif);
      const through = ([sysif, ...rest]: Array<SyscallInterface>): Effect.Effect<void> =>
        sysif === undefined
          ? Effect.void
          : Effect.catch(munmap(sysif, address, length), (error) =>
              error instanceof SyscallSendError ? through(rest) : Effect.void,
            );
      return through([this.#sysif, ...others]);
    });
  }
}
