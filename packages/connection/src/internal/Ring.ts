import type { Word } from "@rsyscall/near";
import {
  Ring as Layout,
  RING_CALLS,
  RING_SIZE,
  RING_SLOTS,
  SLOT_PROMPT,
  Slot,
} from "@rsyscall/wire";

/** The number of the call after one. */
export const nextCall = (call: number): number => (call + 1 === RING_CALLS ? 0 : call + 1);

/** Bytes of the header that neither side uses, and where they begin. */
export const SPARE_OFFSET = Layout.offsets.reserved;
export const SPARE_SIZE = Layout.offsets.slots - SPARE_OFFSET;

/* The layout in words of 32 bits. */
const SERVER_SLEEPS = Layout.offsets.serverSleeps / 4;
const CLIENT_SLEEPS = Layout.offsets.clientSleeps / 4;
const SERVER_CPU = Layout.offsets.serverCpu / 4;
const CLIENT_CPU = Layout.offsets.clientCpu / 4;
const SLOTS = Layout.offsets.slots / 4;
const SLOT_SIZE = Slot.size / 4;
const NUMBER = Slot.offsets.number / 4;
const ARGS = Slot.offsets.args / 4;
const RESULT = Slot.offsets.result / 4;

/**
 * The client's end of a ring. Nothing that the server may have written is trusted: calls are counted
 * here, and a result is only ever a number.
 */
export class Ring {
  readonly #words: Int32Array;
  #longs: BigInt64Array | undefined;

  constructor(memory: ArrayBuffer) {
    this.#words = new Int32Array(memory, 0, RING_SIZE / 4);
  }

  /** The same in words of 64 bits. Few calls have numbers that need them. */
  #asLongs(): BigInt64Array {
    const { buffer, byteOffset } = this.#words;
    this.#longs ??= new BigInt64Array(buffer, byteOffset, RING_SIZE / 8);
    return this.#longs;
  }

  /** Puts a call into its slot, which must be free. */
  put(
    call: number,
    number: number,
    isPrompt: boolean,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): void {
    const slot = slotOf(call);
    const words = this.#words;
    words[slot + NUMBER] = isPrompt ? number | SLOT_PROMPT : number;
    this.#setWord(slot + ARGS, a);
    this.#setWord(slot + ARGS + 2, b);
    this.#setWord(slot + ARGS + 4, c);
    this.#setWord(slot + ARGS + 6, d);
    this.#setWord(slot + ARGS + 8, e);
    this.#setWord(slot + ARGS + 10, f);
    Atomics.store(words, slot, 2 * call + 1);
  }

  #setWord(at: number, word: Word): void {
    const words = this.#words;
    if (typeof word === "bigint") this.#asLongs()[at >> 1] = word;
    else {
      const low = word | 0;
      words[at] = low;
      words[at + 1] = low === word ? low >> 31 : Math.floor(word / 2 ** 32);
    }
  }

  /** Whether a call has its result. */
  isDone(call: number): boolean {
    return Atomics.load(this.#words, slotOf(call)) === 2 * call + 2;
  }

  result(call: number): Word {
    const at = slotOf(call) + RESULT;
    const low = this.#words[at] as number;
    const high = this.#words[at + 1] as number;
    if (high === low >> 31) return low;
    // Beyond 2^53 a number is not exact.
    return high >= -(2 ** 21) && high < 2 ** 21
      ? high * 2 ** 32 + (low >>> 0)
      : (this.#asLongs()[at >> 1] as bigint);
  }

  /** Whether the server sleeps and has not been woken yet. If so, the caller must wake it. */
  takeServerSleep(): boolean {
    return (
      Atomics.load(this.#words, SERVER_SLEEPS) !== 0 &&
      Atomics.exchange(this.#words, SERVER_SLEEPS, 0) !== 0
    );
  }

  /** Asks the server to wake us at the next result. */
  sleep(): void {
    Atomics.store(this.#words, CLIENT_SLEEPS, 1);
  }

  /** The server need not wake us. */
  wake(): void {
    Atomics.store(this.#words, CLIENT_SLEEPS, 0);
  }

  /** The only CPU in a mask of `size` bytes, which lies in the spare bytes; -1 if there are several. */
  onlyCpu(size: number): number {
    let only = -1;
    for (let i = 0; i < size / 4; i++) {
      const word = this.#words[SPARE_OFFSET / 4 + i] as number;
      if (word === 0) continue;
      if (only >= 0 || (word & (word - 1)) !== 0) return -1;
      only = 32 * i + 31 - Math.clz32(word);
    }
    return only;
  }

  /** Tells the server the only CPU on which we run; -1: there are several. */
  set clientCpu(cpu: number) {
    Atomics.store(this.#words, CLIENT_CPU, cpu);
  }

  /** Whether we and the server can run at the same time. */
  isOnOtherCpu(clientCpu: number): boolean {
    return clientCpu < 0 || Atomics.load(this.#words, SERVER_CPU) !== clientCpu;
  }
}

const slotOf = (call: number): number => SLOTS + (call % RING_SLOTS) * SLOT_SIZE;
