import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { Task } from "../Task.ts";

/** A range of offsets, the end not included. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Memory that was mapped by one call, and has one or more handles. It knows which pages are still its own: others may
 * be mapped since where a hole is.
 */
export class MappedRegion {
  /** The first address. */
  address: near.Address;
  /** In bytes: whole pages. */
  length: number;
  /** The number of its handles. */
  handles = 0;
  /** What is still mapped, in order. */
  #mapped: ReadonlyArray<Range>;
  /** Operations under way that need the memory to stay. */
  #users = 0;
  /** Whether the memory is being moved or unmapped. */
  #isChanging = false;
  /** Called when the last user has gone, or the change is done. */
  #waiting: Array<() => void> = [];

  constructor(address: near.Address, length: number) {
    this.address = address;
    this.length = length;
    this.#mapped = [{ from: 0, to: length }];
  }

  /** Whether no page is mapped. */
  get isEmpty(): boolean {
    return this.#mapped.length === 0;
  }

  /** Whether all pages are mapped. */
  get isWhole(): boolean {
    const [first] = this.#mapped;
    return first !== undefined && first.from === 0 && first.to === this.length;
  }

  /** Whether all bytes of a part are mapped. */
  has(offset: number, length: number): boolean {
    return this.#mapped.some(({ from, to }) => from <= offset && offset + length <= to);
  }

  /** Notes that pages were unmapped. */
  unmapped(offset: number, length: number): void {
    const end = offset + length;
    this.#mapped = this.#mapped.flatMap(({ from, to }) =>
      [
        { from, to: Math.min(to, offset) },
        { from: Math.max(from, end), to },
      ].filter(({ from, to }) => from < to),
    );
  }

  /** Notes that the memory was moved, or has another length. */
  moved(address: near.Address, length: number): void {
    this.address = address;
    this.length = length;
    this.#mapped = [{ from: 0, to: length }];
  }

  /**
   * Runs an operation, during which the memory stays where it is. The operations of one task are ordered, but those of
   * several tasks are not: a write of a child would hit what is mapped there next.
   */
  during<A, E>(operation: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      let isUser = false;
      const begin = Effect.suspend((): Effect.Effect<A, E> => {
        if (this.#isChanging) return Effect.andThen(this.#next(), begin);
        isUser = true;
        this.#users++;
        return operation;
      });
      return Effect.onExitPrimitive(begin, () => {
        if (isUser) this.#users--;
        this.#tell();
        return undefined;
      });
    });
  }

  /** Runs a change, when no operation is under way, and holds up others meanwhile. */
  alone<A, E>(change: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      let isOurs = false;
      const begin = Effect.suspend((): Effect.Effect<A, E> => {
        if (this.#isChanging || this.#users > 0) return Effect.andThen(this.#next(), begin);
        isOurs = this.#isChanging = true;
        // The note of the change must not be lost.
        return Effect.uninterruptible(change);
      });
      return Effect.onExitPrimitive(begin, () => {
        if (isOurs) this.#isChanging = false;
        this.#tell();
        return undefined;
      });
    });
  }

  /**
   * Unmaps what is still mapped: through the task, or through another one of the address space if it is gone.
   * Operations under way do not hold up the caller, because their task may be stopped; the last of them unmaps.
   */
  unmapAll(task: Task): Effect.Effect<void> {
    return Effect.suspend(() => {
      const unmap = this.alone(
        Effect.suspend(() => {
          const ranges = this.#mapped;
          this.#mapped = [];
          return Effect.forEach(ranges, (range) => this.#unmap(task, range), { discard: true });
        }),
      );
      return this.#isChanging || this.#users > 0
        ? Effect.asVoid(Effect.forkDetach(unmap, { startImmediately: true }))
        : unmap;
    });
  }

  #unmap(task: Task, { from, to }: Range): Effect.Effect<void> {
    const address = near.Address(this.address + from);
    const through = (sysif: near.SyscallInterface) => unmapRounded(sysif, address, to - from);
    return Effect.catch(through(task.sysif), (error) =>
      error instanceof near.SyscallSendError ? task.allocator.throughAny(through) : Effect.void,
    );
  }

  /** Waits until something has changed. */
  #next(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const tell = () => resume(Effect.void);
      this.#waiting.push(tell);
      return Effect.sync(() => {
        this.#waiting = this.#waiting.filter((other) => other !== tell);
      });
    });
  }

  #tell(): void {
    if (this.#waiting.length > 0 && this.#users === 0 && !this.#isChanging)
      for (const tell of this.#waiting.splice(0)) tell();
  }
}

/** The largest huge page: of arm64 with pages of 64 KiB. */
const LARGEST = 16 * 1024 ** 3;

/**
 * munmap(2) of a whole mapping. Where it is of huge pages, only the kernel knows their size: mmap(2) has rounded the
 * length up to it, and munmap(2) refuses other lengths (EINVAL).
 */
const unmapRounded = (
  sysif: near.SyscallInterface,
  address: near.Address,
  length: number,
  page = 1,
): Effect.Effect<void, near.SyscallFailure> =>
  near
    .munmap(sysif, address, Math.ceil(length / page) * page)
    .pipe(
      near.catchErrno("EINVAL", (error) =>
        page < LARGEST
          ? unmapRounded(sysif, address, length, page === 1 ? 16 * 1024 : page * 2)
          : Effect.fail(error),
      ),
    );
