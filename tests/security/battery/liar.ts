import { Errno, x86_64 } from "@rsyscall/abi";
import type { Random } from "@rsyscall/harness";
import { type Allocation, Allocator } from "@rsyscall/memory";
import {
  Address,
  type Fd,
  PendingCall,
  PendingEvents,
  type SyscallInterface,
  SyscallSendError,
  type Word,
} from "@rsyscall/near";
import { EVENTS_AT_MOST } from "@rsyscall/wire";
import { Effect } from "effect";

/** Where the memory of a liar is, as it says: nothing is there. */
const BASE = 0x7000_0000_0000;
const SIZE = 1024 ** 3;

const ERRNOS = Object.values(Errno);

/** What may be wrong with a result. */
const ODD: ReadonlyArray<Word> = [
  -4096,
  -5000,
  2 ** 31,
  2 ** 32 + 3,
  2 ** 40,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  2n ** 53n,
  2n ** 62n,
  -(2n ** 62n),
];

/** A task that answers at random, and a record of what it was asked. */
export class Liar {
  readonly sysif: SyscallInterface;
  readonly allocator: Allocator;
  /** What it was asked that it should not have been. */
  readonly excesses: Array<string> = [];
  readonly #random: Random;
  readonly #allocations = new Set<Allocation>();
  #isDead = false;

  constructor(random: Random) {
    this.#random = random;
    const submit = (_: number, ...words: ReadonlyArray<Word>) => {
      if (this.#isDead) return dead();
      const answer = this.#answer(words);
      return random.unit() < 0.5 ? answer : later(answer);
    };
    this.sysif = {
      abi: x86_64,
      activityFd: 3 as Fd,
      ...(random.unit() < 0.5 && {
        direct: { submit, settle: () => {} },
      }),
      syscall: (_, ...words) =>
        Effect.suspend(() =>
          this.#isDead
            ? Effect.fail(gone())
            : Effect.succeed(this.#answer(words as ReadonlyArray<Word>)),
        ),
      waits: { awaitEvents: (_, most) => this.#awaitEvents(most) },
      read: (address, length) =>
        Effect.sync(() => {
          const isAllowed = this.#check("read", address, length);
          return this.#bytes(isAllowed ? length : 0);
        }),
      write: (address, bytes) =>
        Effect.sync(() => {
          this.#check("write", address, bytes.length);
        }),
      barrier: () => Effect.void,
      close: () => Effect.void,
    };
    // No call is needed for it, so that operations come to where they read.
    this.allocator = new Watched(this.sysif, 4096, {
      reserve: { address: Address(BASE), size: SIZE, discard: () => Effect.void },
    });
    (this.allocator as Watched).onAllocation = (allocation) => this.#allocations.add(allocation);
  }

  /** It answers nothing any more. */
  die(): void {
    this.#isDead = true;
  }

  /** Bytes that are allocated now. */
  get allocated(): number {
    let size = 0;
    for (const allocation of this.#allocations) if (!allocation.isFreed) size += allocation.size;
    return size;
  }

  #answer(words: ReadonlyArray<Word>): Word {
    const random = this.#random;
    const kind = random.unit();
    if (kind < 0.15) return 0;
    if (kind < 0.35) return random.below(40);
    // As many as it was asked for, or a few more or less.
    const sizes = words.filter((word) => typeof word === "number" && word > 0 && word < 2 ** 21);
    if (kind < 0.6 && sizes.length > 0)
      return (random.of(sizes) as number) + random.of([0, 0, 0, 0, -1, 1, 7]);
    if (kind < 0.65) return -Errno.EAGAIN;
    if (kind < 0.75) return -random.of(ERRNOS);
    if (kind < 0.78) return -random.below(4096);
    if (kind < 0.9) return random.below(2 ** 20);
    return random.of(ODD);
  }

  #bytes(length: number): Uint8Array {
    const random = this.#random;
    const bytes = new Uint8Array(length);
    const kind = random.unit();
    if (kind < 0.2) return bytes;
    if (kind < 0.3) return bytes.fill(0xff);
    // Mostly small numbers, or anything.
    const density = kind < 0.7 ? 0.15 : 1;
    const pattern = random.bytes(Math.min(length, 509));
    for (let i = 0; i < length; i++)
      if (density === 1 || random.unit() < density || i > 4096)
        bytes[i] = pattern[i % pattern.length] as number;
    return bytes;
  }

  #awaitEvents(most: number): PendingEvents {
    const random = this.#random;
    const wait = new PendingEvents(Math.min(most, EVENTS_AT_MOST));
    const count = random.below(wait.most + 1);
    setImmediate(() => {
      if (this.#isDead) wait.complete(gone());
      else if (random.unit() < 0.05) wait.complete(-random.of(ERRNOS));
      else
        wait.completeWith(
          Array.from({ length: count }, () => ({
            events: random.below(2 ** 32),
            // Of what was registered, mostly.
            data: random.unit() < 0.95 ? 1 + random.below(2) : random.below(2 ** 53),
          })),
        );
    });
    return wait;
  }

  /** Whether what is asked of its memory lies in an allocation, or on the stack of a child. */
  #check(what: string, address: number, length: number): boolean {
    for (const allocation of this.#allocations) {
      if (allocation.isFreed) this.#allocations.delete(allocation);
      else if (
        address >= allocation.address &&
        address + length <= allocation.address + allocation.size
      )
        return true;
    }
    const isStack =
      address >= BASE && address + length <= BASE + SIZE && length >= 0 && length <= 128 * 1024;
    if (!isStack) this.excesses.push(`${what} of ${length} bytes at ${address}`);
    return isStack;
  }
}

const gone = () => new SyscallSendError({ syscall: "it" });

const dead = (): PendingCall => {
  const call = new PendingCall(0);
  call.complete(gone());
  return call;
};

const later = (answer: Word): PendingCall => {
  const call = new PendingCall(0);
  setImmediate(() => call.complete(answer));
  return call;
};

/** An allocator that tells what it gives. */
class Watched extends Allocator {
  onAllocation: (allocation: Allocation) => void = () => {};

  override take(size: number, alignment: number): Allocation | undefined {
    const taken = super.take(size, alignment);
    if (taken !== undefined) this.onAllocation(taken);
    return taken;
  }

  override malloc(size: number, alignment?: number) {
    return Effect.tap(super.malloc(size, alignment), (allocation) =>
      Effect.sync(() => this.onAllocation(allocation)),
    );
  }
}
