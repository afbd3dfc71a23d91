import type { SyscallFailure } from "@rsyscall/near";
import { Address, oneLine } from "@rsyscall/near";
import { Effect } from "effect";
import type { OutOfSpaceError } from "./errors.ts";
import type { Mappings } from "./Mappings.ts";

/** Bytes of a stack. The server loop uses about 8 KiB; pages that are not touched cost nothing. */
const SIZE = 64 * 1024;

/** Bytes of it that the parent may use. */
const ROOM = SIZE / 2;

/** Idle stacks that are kept for the next children, at most. */
const IDLE_AT_MOST = 16;

/** Memory for a child to run on: [address, address + size). */
export interface Stack {
  /** The lowest address; a stack grows down to it. */
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
}

/**
 * Stacks for children in one address space. Below each lies an inaccessible page, so that a stack
 * overflow is a SIGSEGV and changes no other memory.
 */
export class StackPool {
  readonly #idle: Array<Stack> = [];

  /** A stack with room for `extra` bytes that the parent puts on top. */
  take(mappings: Mappings, extra: number): Effect.Effect<Stack, OutOfSpaceError | SyscallFailure> {
    return Effect.suspend((): Effect.Effect<Stack, OutOfSpaceError | SyscallFailure> => {
      const { pageSize } = mappings;
      const idle = this.takeIdle(extra);
      if (idle !== undefined) return Effect.succeed(idle);
      const size = extra <= ROOM ? SIZE : SIZE + Math.ceil(extra / pageSize) * pageSize;
      return Effect.flatMap(mappings.map(pageSize + size, size), (address) => {
        const stack = { address: Address(address + pageSize), size };
        return Effect.as(
          Effect.onError(mappings.guard(address, pageSize), () => this.#unmap(mappings, stack)),
          stack,
        );
      });
    });
  }

  /** As `take`, here and now: undefined if no stack with that room is idle. */
  takeIdle(extra: number): Stack | undefined {
    return extra <= ROOM ? this.#idle.pop() : undefined;
  }

  /** Gives a stack back: an effect, if that is more than a note. No child may run on it any more. */
  giveBack(mappings: Mappings, stack: Stack): Effect.Effect<void> | undefined {
    if (stack.size > SIZE || this.#idle.length === IDLE_AT_MOST)
      return this.#unmap(mappings, stack);
    this.#idle.push(stack);
    return undefined;
  }

  /** Unmaps the idle stacks. */
  clear(mappings: Mappings): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach(this.#idle.splice(0), (stack) => this.#unmap(mappings, stack), {
        discard: true,
      }),
    );
  }

  #unmap(mappings: Mappings, stack: Stack): Effect.Effect<void> {
    const { pageSize } = mappings;
    return mappings.unmapGuarded(
      Address(stack.address - pageSize),
      pageSize,
      pageSize + stack.size,
    );
  }
}

oneLine(StackPool, () => "stacks for children");
